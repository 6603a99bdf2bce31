"""The memory beside an untrained graph on the checkerboard, where what goes together is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from rec_sys.dataset.dataset import Data
from rec_sys.dataset.splits import histories_before
from rec_sys.metrics.protocol import evaluate
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.fit_item_factors import (
    BLEND_WEIGHTS,
    FACTORS_NEARLY_ALONE,
    PENALTIES,
    REGULARISATION,
    TEXT_WEIGHTS,
    fit_item_factors,
)
from rec_sys.recommenders.graph.item_factors import Blend, low_rank_factors
from rec_sys.recommenders.graph.scorer import GraphScorer
from tests.support.embedded_toy import Toy, toy

RANK = 8
INFO = {"data": {"name": "toy"}}


def data_of(data: Toy) -> Data:
    return Data("toy", data.table, data.review_text, data.product_text, [""] * data.table.num_products, {})


def saved(folder: Path, data: Toy) -> Path:
    torch.manual_seed(0)
    model, path = data.model(), folder / "checkpoints/a.ckpt"
    with torch.no_grad():
        states = model.product_tower(data.sums())
    save_checkpoint(path, model, states, data.table.products, [""] * data.table.num_products, INFO)
    return path


def test_validation_chooses_and_the_checkpoint_is_replaced(tmp_path: Path) -> None:
    data = toy()
    path = saved(tmp_path, data)
    before = load_checkpoint(path)
    found = fit_item_factors(path, data_of(data), data.split, data.split.valid, RANK, 0)
    after = load_checkpoint(path)
    assert list(found.ndcg) == [0.0, *BLEND_WEIGHTS, FACTORS_NEARLY_ALONE]
    best = max(found.ndcg[blend_weight] for blend_weight in BLEND_WEIGHTS)
    assert found.ndcg[0.0] < 0.6 * best  # the graph has learned nothing, the memory knows the two kinds
    blend_weight = min(blend_weight for blend_weight in BLEND_WEIGHTS if found.ndcg[blend_weight] == best)
    assert found.blend is not None
    decay = found.blend.decay
    assert found.blend == after.network.blend == Blend(rank=RANK, weight=blend_weight, decay=decay)
    assert (
        f"item factors of 8 dimensions, texts 0, weight {blend_weight:g}, decay {decay:g} (validation ndcg@10"
        in found.note
    )
    assert f"by weight: 0: {found.ndcg[0.0]:.4f}, 0.2: {found.ndcg[0.2]:.4f}" in found.note
    recommender = GraphScorer(after.network, after.states, data.table, data.review_text)
    assert evaluate(recommender, data.table, data.split.valid).filtered["ndcg@10"] == best
    torch.testing.assert_close(after.network.state_dict(), before.model.state_dict(), atol=0, rtol=0)
    assert after.info == INFO | {
        "memory": {
            "text_weight": 0.0,
            "rank": RANK,
            "weight": blend_weight,
            "decay": decay,
            "penalty": 0.0,
            "ndcg@10": {f"{key:g}": value for key, value in found.ndcg.items()},
            "unfiltered_ndcg@10": {},
        }
    }
    assert [file.name for file in path.parent.iterdir()] == ["a.ckpt"]


def test_the_memory_is_of_neighbours_too_and_as_large_as_the_catalogue_wants(tmp_path: Path) -> None:
    """40 products: a dimension for eight of them would be 5, which is more than twice the 2 that were asked for."""
    data = toy()
    path = saved(tmp_path, data)
    found = fit_item_factors(path, data_of(data), data.split, data.split.valid, 2, 0)
    assert found.blend is not None
    assert found.blend.rank == 4
    settings = EASESettings(regularisation=REGULARISATION, pairs=1)
    train = data.split.train
    weights = EASE(settings).fit(data.table, train).weights
    reads = np.bincount(data.table.product[train], minlength=40)
    expected = low_rank_factors(torch.from_numpy(weights), torch.from_numpy(reads), 4)
    states = load_checkpoint(path).states
    torch.testing.assert_close(states.history[:, -4:], expected.history)


def test_texts_are_read_where_they_help(tmp_path: Path) -> None:
    """They tell the two kinds here; texts drawn by lot tell nothing."""
    data = toy(num_users=30, num_products=60, likes=5)
    kinds = np.eye(2, dtype=np.float32)[np.arange(60) % 2]
    noise = np.random.default_rng(0).normal(size=(60, 50)).astype(np.float32)
    described, undescribed, without = (
        fit_item_factors(saved(tmp_path / name, data), data_of(data), data.split, data.split.valid, 20, 0, text)
        for name, text in (("kinds", kinds), ("noise", noise), ("none", None))
    )
    assert described.text_weight in TEXT_WEIGHTS
    assert f"texts {described.text_weight:g}, weight" in described.note
    assert described.facts["text_weight"] == described.text_weight
    assert without.text_weight == 0
    assert described.ndcg[FACTORS_NEARLY_ALONE] > without.ndcg[FACTORS_NEARLY_ALONE] + 0.02
    assert described.ndcg[FACTORS_NEARLY_ALONE] > undescribed.ndcg[FACTORS_NEARLY_ALONE]


def test_the_test_reviews_are_not_looked_at(tmp_path: Path) -> None:
    data = toy()
    product = data.table.product.copy()
    product[data.split.test] = 0
    others = replace(data, table=replace(data.table, product=product))
    found, same = (
        fit_item_factors(saved(tmp_path / name, data), data_of(each), data.split, data.split.valid, RANK, 8)
        for name, each in (("a", data), ("b", others))
    )
    assert found == same


def test_the_push_is_the_best_unfiltered_one_and_the_filtered_figure_does_not_know_it(tmp_path: Path) -> None:
    data = toy(num_users=60)
    path = saved(tmp_path, data)
    found = fit_item_factors(path, data_of(data), data.split, data.split.valid, RANK, 16)
    kept = load_checkpoint(path)
    recommender = GraphScorer(kept.network, kept.states, data.table, data.review_text)
    report = evaluate(recommender, data.table, data.split.valid)
    assert found.blend is not None
    assert found.blend.penalty > 0
    assert report.unfiltered["ndcg@10"] == max(found.unfiltered.values()) == found.unfiltered[found.blend.penalty]
    assert found.unfiltered[found.blend.penalty] > 1.2 * found.unfiltered[0.0]
    assert report.filtered["ndcg@10"] == max(found.ndcg[blend_weight] for blend_weight in BLEND_WEIGHTS)
    assert list(found.unfiltered) == [0.0, *PENALTIES]


def test_where_the_graph_alone_is_as_good_nothing_is_written(tmp_path: Path) -> None:
    data = toy()
    path = saved(tmp_path, data)
    kept, valid = load_checkpoint(path), data.split.valid[:1]
    # Somebody whose next product is the nearest to the taste already: nothing can be better.
    recommender = GraphScorer(kept.network, kept.states, data.table, data.review_text)
    vector = torch.from_numpy(recommender.user_vectors(histories_before(data.table, valid)))
    preference = torch.nn.functional.normalize(vector[:, 1:], dim=1)
    target = kept.states.target.clone()
    target[data.table.product[valid], 1:] = preference * (1 - target[:1, :1].square()).sqrt()
    save_checkpoint(path, kept.network, replace(kept.states, target=target), kept.products, kept.names, INFO)
    written = path.read_bytes()
    found = fit_item_factors(path, data_of(data), data.split, valid, RANK, 0)
    assert found.ndcg[0.0] == 1.0
    assert found.blend is None
    assert found.note.startswith("no item factors: ")
    assert path.read_bytes() == written


def test_a_run_that_went_on_without_a_better_epoch_remembers_the_same(tmp_path: Path) -> None:
    data = toy()
    path = saved(tmp_path, data)
    first = fit_item_factors(path, data_of(data), data.split, data.split.valid, RANK, 0)
    states = load_checkpoint(path).states
    again = fit_item_factors(path, data_of(data), data.split, data.split.valid, RANK, 0)
    assert again.blend == first.blend
    np.testing.assert_allclose(list(again.ndcg.values()), list(first.ndcg.values()), atol=1e-6)
    found = load_checkpoint(path).states
    torch.testing.assert_close(found.history, states.history, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.target[:, :-1], states.target[:, :-1], atol=1e-5, rtol=1e-5)
    # The last one is what is left of a full length, the root of a rounding error: 1e-7 becomes 3e-4.
    torch.testing.assert_close(found.target[:, -1], states.target[:, -1], atol=5e-4, rtol=1e-5)


def test_a_catalogue_too_large_for_it_has_none(tmp_path: Path) -> None:
    data = toy()
    path = saved(tmp_path, data)
    written = path.read_bytes()
    table = replace(data.table, products=type(data.table.products)([f"p{n}" for n in range(1_000_000)], "product"))
    found = fit_item_factors(path, data_of(replace(data, table=table)), data.split, data.split.valid, RANK, 0)
    assert (found.blend, found.ndcg) == (None, {})
    assert found.note.startswith("no item factors: EASE needs a dense matrix of 1,000,000 x 1,000,000 products")
    assert path.read_bytes() == written
