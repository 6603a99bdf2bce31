from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rec_sys.arrays import Floats, Ints
from rec_sys.errors import ConfigError
from rec_sys.ids import IdMap
from rec_sys.vector_database.index import NONE, Origin, VectorBase, VectorBaseSettings, build_index
from tests.support.exported_toy import random_checkpoint
from tests.support.toy_checkpoint import toy_checkpoint, toy_table

DIM = 24


def unit(count: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def base_of(target: Floats, settings: VectorBaseSettings | None = None) -> VectorBase:
    settings = settings or VectorBaseSettings()
    origin = Origin(checkpoint="toy", fingerprint="0", created="2026-01-01T00:00:00+00:00", settings=settings)
    ids = [f"p{number}" for number in range(len(target))]
    none = np.empty((0, DIM), dtype=np.float32)
    return VectorBase(build_index(target, settings), IdMap(ids, "product"), list(ids), none, origin)


def by_hand(target: Floats, query: Floats, k: int, out: Ints) -> tuple[Ints, Floats]:
    score = np.einsum("nd,d->n", target, query)
    left = np.setdiff1d(np.arange(len(target)), out)
    order = left[np.lexsort((left, -score[left]))][:k]
    return order, score[order]


@pytest.mark.parametrize("users", [1, 3, 40])  # FAISS computes a large batch in another way
@pytest.mark.parametrize("k", [1, 10, 300, 1000])
def test_exact_search_is_numpy(users: int, k: int) -> None:
    target = unit(300)
    target[150:200] = target[100:150]  # equal products, so that ties are met
    queries = np.concatenate([unit(users, seed=1), target[120:130]])
    generator = np.random.default_rng(2)
    out = [generator.integers(0, 300, size=size) for size in generator.integers(0, 30, size=len(queries))]
    numbers, scores = base_of(target).search(queries, k, out)
    assert numbers.shape == scores.shape == (len(queries), min(k, 300))
    for row, query in enumerate(queries):
        expected, expected_scores = by_hand(target, query, k, out[row])
        found = numbers[row] != NONE
        np.testing.assert_array_equal(numbers[row, found], expected)
        np.testing.assert_array_equal(scores[row, found], expected_scores)
        assert np.isneginf(scores[row, ~found]).all()


def test_equal_products_come_in_the_order_of_their_numbers() -> None:
    target = np.repeat(unit(3), 20, axis=0)
    numbers, _ = base_of(target).search(target[[0, 25]], 5)
    np.testing.assert_array_equal(numbers, [[0, 1, 2, 3, 4], [20, 21, 22, 23, 24]])


def test_which_of_two_equal_products_comes_last_does_not_hang_on_the_batch() -> None:
    half = unit(1003)
    base, queries = base_of(np.concatenate([half, half[::-1]])), unit(100, seed=1)
    together, _ = base.search(queries, 3)
    alone = np.concatenate([base.search(query[None], 3)[0] for query in queries])
    np.testing.assert_array_equal(together, alone)
    assert (together[:, 2] < 1003).all()  # the third is the better known twin of the two that share the place


def test_the_excluded_are_never_found() -> None:
    target = unit(50)
    everything = np.arange(50)
    numbers, scores = base_of(target).search(unit(3, 1), 5, [everything, everything[3:], everything[:0]])
    assert (numbers[0] == NONE).all()
    assert sorted(numbers[1].tolist()) == [NONE, NONE, 0, 1, 2]
    assert (numbers[2] != NONE).all()
    assert (np.diff(scores[2]) <= 0).all()


def test_no_query_at_all() -> None:
    numbers, scores = base_of(unit(5)).search(np.empty((0, DIM), dtype=np.float32), 3)
    assert numbers.shape == scores.shape == (0, 3)


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="k=0"):
        base_of(unit(5)).search(unit(1), 0)


def test_hnsw_finds_nearly_what_exact_search_finds() -> None:
    target, queries = unit(3000), unit(50, seed=1)
    out = [np.arange(row) for row in range(50)]
    exact, _ = base_of(target, VectorBaseSettings(kind="exact")).search(queries, 10, out)
    hnsw = base_of(target, VectorBaseSettings(kind="hnsw"))
    assert hnsw.kind == "hnsw"
    numbers, scores = hnsw.search(queries, 10, out)
    same = [len(np.intersect1d(a, b)) for a, b in zip(numbers, exact, strict=True)]
    assert np.mean(same) > 9.5
    for row in range(50):
        assert not set(numbers[row]) & set(out[row])
        np.testing.assert_allclose(scores[row], target[numbers[row]] @ queries[row], rtol=1e-5)


def test_hnsw_gives_everything_when_everything_is_asked_for() -> None:
    target = np.repeat(unit(4), 100, axis=0)  # crowds of equal vectors, whose graph falls apart
    numbers, _ = base_of(target, VectorBaseSettings(kind="hnsw", hnsw_m=4, ef_construction=8)).search(unit(2), 400)
    np.testing.assert_array_equal(np.sort(numbers, axis=1), [np.arange(400)] * 2)


def test_auto_takes_hnsw_beyond_the_limit() -> None:
    settings = VectorBaseSettings(exact_up_to=20)
    assert base_of(unit(20), settings).kind == "exact"
    assert base_of(unit(21), settings).kind == "hnsw"


@pytest.mark.parametrize("before", [18, 30])
def test_added_products_are_found_and_the_old_base_stays(before: int) -> None:
    settings = VectorBaseSettings(exact_up_to=20)
    old = base_of(unit(before), settings)
    new = unit(5, seed=9)
    grown = old.with_products(["a", "b", "c", "d", "e"], ["A"] * 5, new, 2 * new)
    assert (len(old), int(old.index.ntotal), old.num_added) == (before, before, 0)
    assert (len(grown), grown.kind, grown.num_added) == (before + 5, "hnsw", 5)
    np.testing.assert_array_equal(grown.added_history, 2 * new)
    np.testing.assert_allclose(grown.vectors(np.arange(before + 5)), np.concatenate([unit(before), new]))
    numbers, scores = grown.search(new, 1)
    assert [grown.products.id(int(number)) for number in numbers[:, 0]] == ["a", "b", "c", "d", "e"]
    np.testing.assert_allclose(scores, 1, atol=1e-6)


def test_the_base_of_a_checkpoint_holds_its_products(tmp_path: Path) -> None:
    checkpoint = toy_checkpoint(tmp_path / "toy", *toy_table(tmp_path))
    base = VectorBase.of_model(checkpoint.stored())
    assert base.products.ids == checkpoint.products.ids
    assert base.names == checkpoint.names
    assert (base.origin.checkpoint, base.origin.fingerprint) == ("toy", checkpoint.fingerprint)
    np.testing.assert_array_equal(base.vectors(np.arange(len(base))), checkpoint.states.target.numpy())


def test_settings_have_limits() -> None:
    with pytest.raises(ConfigError, match=r"vector_db\.hnsw_m=1"):
        VectorBaseSettings.read({"hnsw_m": 1}, "vector_db")


def test_users_without_exclusion_codes_keep_what_says_what_is_alike() -> None:
    base = base_of(unit(30))
    users = unit(3, seed=1)
    whole = users.copy()
    np.testing.assert_array_equal(base.without_codes(users), whole)  # nothing stands beside the preference
    some = replace(base, origin=base.origin.model_copy(update={"similarity_dim": 9}))
    np.testing.assert_array_equal(some.without_codes(users), np.pad(whole[:, :10], ((0, 0), (0, DIM - 10))))
    np.testing.assert_array_equal(users, whole)


def test_the_part_that_says_what_is_alike_is_that_of_the_model(tmp_path: Path) -> None:
    for name, item_factors in (("blended", True), ("plain", False)):
        model = random_checkpoint(tmp_path / name, item_factors=item_factors)
        base, layout = VectorBase.of_model(model.stored()), model.layout
        columns = np.arange(base.dim)
        assert columns[base.similarity].tolist() == columns[layout.similarity].tolist()
        users = model.states.target.numpy()
        without = base.without_codes(users)
        np.testing.assert_array_equal(without[:, : layout.similarity.stop], users[:, : layout.similarity.stop])
        assert not without[:, layout.codes].any()
