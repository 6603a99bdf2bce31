from __future__ import annotations

from fractions import Fraction
from math import log2

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rec_sys.arrays import Floats, Ints
from rec_sys.errors import RecSysError
from rec_sys.metrics.ranking import (
    BLOCKS,
    first_products,
    metrics_of_ranks,
    rank_both_ways,
    rank_targets,
    values_of_ranks,
)


def f32(rows: object) -> Floats:
    return np.array(rows, dtype=np.float32)


def i64(values: object) -> Ints:
    return np.array(values, dtype=np.int64)


def mask(rows: object) -> sp.csr_matrix:
    return sp.csr_matrix(f32(rows))


def test_ranks_by_hand() -> None:
    scores = f32([[0.1, 0.9, 0.5, 0.7], [0.1, 0.9, 0.5, 0.7], [4, 3, 2, 1]])
    np.testing.assert_array_equal(rank_targets(scores, i64([1, 2, 3])), [1, 3, 4])


def test_equal_scores_count_half() -> None:
    scores = f32([[1, 1, 1, 1, 1], [2, 1, 1, 1, 0], [5, 5, 1, 1, 0]])
    np.testing.assert_array_equal(rank_targets(scores, i64([3, 1, 0])), [3, 3, 1.5])


def test_a_model_that_scores_everything_alike_earns_the_middle_place() -> None:
    scores = np.zeros((7, 101), dtype=np.float32)
    np.testing.assert_array_equal(rank_targets(scores, np.arange(7)), 51)


def test_owned_products_are_taken_out() -> None:
    scores = f32([[4, 3, 2, 2, 2], [4, 3, 2, 2, 2]])
    owned = mask([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0]])
    # left in the first row: 3 above, one other equal
    np.testing.assert_array_equal(rank_targets(scores, i64([2, 2]), owned), [2.5, 4])


def test_a_repeated_target_stays_in() -> None:
    scores = f32([[4, 3, 2, 1]])
    np.testing.assert_array_equal(rank_targets(scores, i64([2]), mask([[1, 0, 1, 0]])), [2])
    np.testing.assert_array_equal(rank_targets(scores, i64([0]), mask([[1, 1, 1, 1]])), [1])


def test_a_pair_stored_twice_or_with_weight_zero_is_taken_out_once() -> None:
    twice = sp.csr_matrix((f32([0.5, 0.0, 0.5]), i64([0, 1, 0]), i64([0, 3])), shape=(1, 4))
    np.testing.assert_array_equal(rank_targets(f32([[4, 3, 2, 1]]), i64([3]), twice), [2])


def test_scores_are_left_as_they_are() -> None:
    scores = f32([[4, 3, 2, 1]])
    scores.flags.writeable = False
    rank_targets(scores, i64([2]), mask([[1, 1, 0, 0]]))
    first_products(scores, 2, mask([[1, 1, 0, 0]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    scores = np.zeros((3, 4), dtype=np.float32)
    scores[1, 2] = scores[2, 3] = bad
    with pytest.raises(RecSysError, match=rf"2 of 12 scores are not finite \(first: {bad} in row 1, product 2\)"):
        rank_targets(scores, i64([0, 0, 0]))


def naive_rank(scores: Floats, target: int, owned: npt.NDArray[np.bool_]) -> Fraction:
    rank = Fraction(1)
    for product, score in enumerate(scores):
        if product == target or owned[product]:
            continue
        rank += score > scores[target]
        rank += Fraction(1, 2) * (score == scores[target])
    return rank


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Floats, Ints, npt.NDArray[np.bool_]]:
    """Scores with many ties, targets, owned products."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 9)))
    few = st.integers(-2, 2).map(float)
    scores = draw(hnp.arrays(np.float32, shape, elements=few | st.floats(-1e6, 1e6, width=32)))
    targets = draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    return scores, targets, draw(hnp.arrays(np.bool_, shape))


@given(rankings())
def test_ranks_equal_a_plain_count(case: tuple[Floats, Ints, npt.NDArray[np.bool_]]) -> None:
    scores, targets, owned = case
    expected = [naive_rank(*row) for row in zip(scores, targets, owned, strict=True)]
    assert rank_targets(scores, targets, sp.csr_matrix(owned)).tolist() == expected
    unfiltered = [
        naive_rank(row, target, np.zeros(len(row), bool)) for row, target in zip(scores, targets, strict=True)
    ]
    assert rank_targets(scores, targets).tolist() == unfiltered


@given(rankings())
def test_both_ways_at_once_is_one_after_the_other(case: tuple[Floats, Ints, npt.NDArray[np.bool_]]) -> None:
    scores, targets, owned = case[0], case[1], sp.csr_matrix(case[2])
    filtered, unfiltered = rank_both_ways(scores, targets, owned)
    np.testing.assert_array_equal(filtered, rank_targets(scores, targets, owned))
    np.testing.assert_array_equal(unfiltered, rank_targets(scores, targets))


@given(rankings())
def test_all_ranks_of_a_row_add_up(case: tuple[Floats, Ints, npt.NDArray[np.bool_]]) -> None:
    """However the scores tie, the ranks of all products have the sum 1 + 2 + ... + num_products."""
    scores, _, _ = case
    num_products = scores.shape[1]
    ranks = rank_targets(np.repeat(scores[:1], num_products, axis=0), np.arange(num_products))
    assert ranks.sum() == num_products * (num_products + 1) / 2


@given(rankings(), st.integers(1, 10))
def test_first_products_equal_a_stable_sort(case: tuple[Floats, Ints, npt.NDArray[np.bool_]], k: int) -> None:
    scores, _, owned = case
    left = np.where(owned, -np.inf, scores)
    np.testing.assert_array_equal(
        first_products(scores, k, sp.csr_matrix(owned)), np.argsort(-left, axis=1, kind="stable")[:, :k]
    )


@pytest.mark.parametrize("num_products", [BLOCKS, BLOCKS + 1, 2 * BLOCKS, 1000])
@pytest.mark.parametrize("k", [1, 10, BLOCKS, BLOCKS + 1])
@pytest.mark.parametrize("kind", ["different", "few values", "mostly zero", "all equal", "one block"])
def test_first_products_of_large_catalogues(num_products: int, k: int, kind: str) -> None:
    generator = np.random.default_rng(num_products + k)
    scores = generator.standard_normal((12, num_products), dtype=np.float32)
    if kind == "few values":
        scores = np.round(scores)
    if kind == "mostly zero":
        scores[generator.random(scores.shape) < 0.99] = 0
    if kind == "all equal":
        scores[:] = 3
    if kind == "one block":  # the highest stand where only one group of products is looked at
        scores[:, ::BLOCKS] += 100
    owned = generator.random(scores.shape) < 0.02
    owned[0] = True
    left = np.where(owned, -np.inf, scores)
    np.testing.assert_array_equal(first_products(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])
    np.testing.assert_array_equal(
        first_products(scores, k, sp.csr_matrix(owned)), np.argsort(-left, axis=1, kind="stable")[:, :k]
    )


def test_metrics_by_hand() -> None:
    metrics = metrics_of_ranks(np.array([1, 3, 5.5, 11, 200]), cutoffs=(5, 10, 20))
    assert metrics == pytest.approx(
        {
            "recall@5": 2 / 5,
            "recall@10": 3 / 5,
            "recall@20": 4 / 5,
            "ndcg@5": (1 + 1 / 2) / 5,
            "ndcg@10": (1 + 1 / 2 + 1 / log2(6.5)) / 5,
            "ndcg@20": (1 + 1 / 2 + 1 / log2(6.5) + 1 / log2(12)) / 5,
            "mrr": (1 + 1 / 3 + 1 / 5.5 + 1 / 11 + 1 / 200) / 5,
        }
    )


def test_the_cutoff_itself_is_in() -> None:
    assert metrics_of_ranks(np.array([10.0]), (10,))["recall@10"] == 1
    assert metrics_of_ranks(np.array([10.5]), (10,))["recall@10"] == 0
    assert metrics_of_ranks(np.array([50.0]), (50,))["ndcg@50"] == pytest.approx(1 / log2(51))


def test_people_with_several_ranks_count_once_by_weights() -> None:
    metrics = metrics_of_ranks(np.array([1.0, 11.0, 11.0, 11.0]), (10,), np.array([1, 1 / 3, 1 / 3, 1 / 3]))
    assert metrics == pytest.approx({"recall@10": 1 / 2, "ndcg@10": 1 / 2, "mrr": (1 + 1 / 11) / 2})


@pytest.mark.parametrize("metric", ["coverage@10", "recall@0", "recall@ten", "recall", "hits@10"])
def test_a_metric_that_no_rank_gives_is_refused_by_name(metric: str) -> None:
    with pytest.raises(ValueError, match=metric):
        values_of_ranks(np.array([1.0]), metric)
