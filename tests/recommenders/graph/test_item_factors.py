from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.history_batch import HistoryBatch, make_history_batch
from rec_sys.recommenders.graph.item_factors import ItemFactors, blend_products, blend_users, low_rank_factors
from rec_sys.recommenders.graph.scorer import GraphScorer, blended_vectors
from rec_sys.recommenders.graph.settings import Blend
from tests.support.embedded_toy import TEXT_DIM, Toy, toy

RANK = 6
BLEND = Blend(rank=RANK, weight=0.5, decay=0.9)


def unit(*shape: int, seed: int = 0) -> Tensor:
    vectors: Tensor = torch.nn.functional.normalize(torch.randn(*shape, generator=torch.manual_seed(seed)), dim=1)
    return vectors


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def random_weights(size: int, seed: int = 0) -> Tensor:
    weights = torch.randn(size, size, generator=torch.manual_seed(seed))
    return weights.fill_diagonal_(0)


def test_factors_of_full_rank_are_the_matrix() -> None:
    weights = random_weights(30)
    factors = low_rank_factors(weights.clone(), torch.arange(30), rank=30)
    again = off_diagonal(factors.history @ factors.target.T)
    expected = off_diagonal(weights)
    factor = (again @ expected) / (expected @ expected)
    assert factor > 0
    torch.testing.assert_close(again, factor * expected, atol=1e-3, rtol=1e-3)
    assert factors.target.norm(dim=1).max() == pytest.approx(1, abs=1e-5)


def test_more_dimensions_than_products_are_as_many_as_products() -> None:
    factors = low_rank_factors(random_weights(9), torch.ones(9), rank=512)
    assert factors.history.shape == factors.target.shape == (9, 9)


def test_two_dimensions_tell_two_groups_apart() -> None:
    """Products of one group follow each other; the diagonal, given as zeros, does not spoil that."""
    group = torch.arange(40) % 2
    weights = (group[:, None] == group).float().fill_diagonal_(0)
    factors = low_rank_factors(weights.clone(), torch.ones(40), rank=2)
    again = off_diagonal(factors.history @ factors.target.T)
    within = off_diagonal(weights) > 0
    torch.testing.assert_close(again[within], again[within].mean().expand(int(within.sum())), rtol=0.01, atol=0)
    assert again[~within].abs().max() < 0.01 * again[within].mean()


def test_what_is_read_often_is_kept_better() -> None:
    weights, half = random_weights(40), torch.arange(40) < 20

    def error(reads: Tensor) -> float:
        factors = low_rank_factors(weights.clone(), reads, rank=10)
        again = factors.history @ factors.target.T
        again = again.fill_diagonal_(0)
        first, right = again[half].flatten(), weights[half].flatten()
        return float((first / first.norm() - right / right.norm()).norm())

    assert error(torch.where(half, 100, 1)) < 0.8 * error(torch.ones(40))


def test_the_same_seed_gives_the_same_and_a_matrix_of_zeros_is_no_error() -> None:
    one, two = (low_rank_factors(random_weights(20), torch.ones(20), rank=5) for _ in range(2))
    torch.testing.assert_close(vars(one), vars(two), atol=0, rtol=0)
    nothing = low_rank_factors(torch.zeros(8, 8), torch.zeros(8), rank=3)
    assert not nothing.history.any()
    assert not nothing.target.any()


def test_vectors_are_units_and_meet_by_hand() -> None:
    """(sqrt(1 - w) preference.preference + sqrt(w) sum.target) / sqrt(2), sum: of the decayed factors, unit length."""
    products, users = unit(7, 4, seed=1), unit(3, 4, seed=2)
    factors = ItemFactors(torch.randn(7, RANK), torch.randn(7, RANK) * 0.2)
    row_of, age, product = torch.tensor([0, 0, 0, 1]), torch.tensor([2, 1, 0, 0]), torch.tensor([3, 5, 0, 2])
    target = blend_products(products, factors.target, torch.zeros(7, 0), 0.0)
    user = blend_users(users, factors.history[product], torch.zeros(4, 0), age, row_of, BLEND)
    torch.testing.assert_close(target.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(user.norm(dim=1), torch.ones(3))
    scores = user @ target.T
    of_first = 0.81 * factors.history[3] + 0.9 * factors.history[5] + factors.history[0]
    of_second = factors.history[2]
    for row, history_factor_sum in enumerate((of_first, of_second)):
        by_hand = 0.5**0.5 * (products @ users[row]) + 0.5**0.5 * (
            factors.target @ (history_factor_sum / history_factor_sum.norm())
        )
        torch.testing.assert_close(scores[row], by_hand / 2**0.5)
    torch.testing.assert_close(scores[2], products @ users[2] / 2**0.5)  # no reviews: preference alone


def test_products_without_factors_leave_the_preference_alone() -> None:
    users, nothing = unit(2, 4), torch.zeros(3, RANK)
    user = blend_users(users, nothing, nothing[:, :0], torch.tensor([1, 0, 0]), torch.tensor([0, 0, 1]), BLEND)
    torch.testing.assert_close(user[:, :4], users)
    assert not user[:, 4:].any()
    torch.testing.assert_close(blend_products(users, nothing[:2], nothing[:2, :0], 0.0).norm(dim=1), torch.ones(2))


def fitted(data: Toy, blend_weight: float = 0.5, **settings: object) -> TrainedGraph:
    """An untrained model with random item factors."""
    count = data.table.num_products
    factors = low_rank_factors(random_weights(count), torch.ones(count), RANK)
    plain = data.untrained(**settings)
    blend = Blend(rank=RANK, weight=blend_weight)
    return replace(plain, states=plain.states.with_item_factors(factors), blend=blend)


def batch_of(data: Toy, count: int = 9) -> HistoryBatch:
    histories = histories_before(data.table, data.split.test[:count], limit=20)
    return make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)


def no_reviews(data: Toy) -> HistoryBatch:
    """One user of whom nothing is known."""
    none = np.zeros(0, dtype=np.int64)
    histories = Histories(np.array([0, 0]), none, none)
    return make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)


def vectors_of(model: TrainedGraph, batch: HistoryBatch) -> Tensor:
    users = model.network.user_tower(model.states.history, batch)
    return blended_vectors(users, model.states.history, batch, model.blend)


@pytest.mark.parametrize("rating_bias", [0.0, 0.99])
def test_all_vectors_beside_item_factors_are_units(rating_bias: float) -> None:
    data = toy()
    model, plain = fitted(data, rating_bias=rating_bias), data.untrained(rating_bias=rating_bias)
    vectors = vectors_of(model, batch_of(data))
    assert model.layout.vector_dim == 1 + 16 + RANK + 1
    assert model.states.history.shape[1] == plain.states.history.shape[1] + RANK
    assert model.states.target.shape == (40, model.layout.vector_dim)
    assert vectors.shape == (9, model.layout.vector_dim)
    contents = [each[:, 1:] / (1 - each[:, :1].square()).sqrt() for each in (vectors, model.states.target)]
    for units in (vectors, model.states.target, *contents):
        torch.testing.assert_close(units.norm(dim=1), torch.ones(len(units)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rating_bias", [0.0, 0.99])
def test_the_network_alone_can_be_had_back(rating_bias: float) -> None:
    data = toy()
    model, plain = fitted(data, rating_bias=rating_bias), data.untrained(rating_bias=rating_bias)
    back = model.network_alone()
    assert back.blend is None
    assert back.layout == plain.layout
    torch.testing.assert_close(vars(back.states), vars(plain.states), atol=1e-5, rtol=1e-5)


def test_users_without_reviews_or_with_unknown_products_alone_are_preference_alone() -> None:
    data = toy()
    model = fitted(data)
    batch, preference = batch_of(data), model.layout.preference
    history = model.states.history.clone()
    history[:, model.layout.history_factors] = 0
    without_factors = replace(model, states=replace(model.states, history=history))
    unknown, nobody = vectors_of(without_factors, batch), vectors_of(model, no_reviews(data))
    alone = model.network_alone()
    torch.testing.assert_close(unknown[:, preference], vectors_of(alone, batch)[:, preference])
    torch.testing.assert_close(nobody[:, preference], vectors_of(alone, no_reviews(data))[:, preference])
    assert not unknown[:, preference.stop :].any()
    assert not nobody[:, preference.stop :].any()


def test_batch_equals_parts_and_the_order_of_edges_does_not_matter() -> None:
    data = toy()
    model = fitted(data)
    batch = batch_of(data)
    together = vectors_of(model, batch)
    for place in (0, 4, 8):
        histories = histories_before(data.table, data.split.test[[place]], limit=20)
        alone = make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)
        torch.testing.assert_close(vectors_of(model, alone)[0], together[place], atol=1e-5, rtol=1e-5)
    order = torch.randperm(len(batch.edge_user))
    edges = {name: getattr(batch, name)[order] for name in ("edge_review", "edge_user", "age", "days")}
    torch.testing.assert_close(vectors_of(model, replace(batch, **edges)), together, atol=1e-5, rtol=1e-5)


def test_what_is_loaded_scores_like_what_was_saved(tmp_path: Path) -> None:
    data = toy()
    model = fitted(data, blend_weight=0.8)
    save_checkpoint(tmp_path / "a", model)
    loaded = load_checkpoint(tmp_path / "a")
    assert loaded.blend == model.blend == Blend(rank=RANK, weight=0.8)
    query = Query(histories_before(data.table, data.split.test), data.dataset.features)
    before, after = (GraphScorer.of(each).score(query) for each in (model, loaded))
    np.testing.assert_array_equal(before, after)
    text = unit(3, TEXT_DIM)
    torch.testing.assert_close(
        vars(loaded.describe_cold_items(text)), vars(model.describe_cold_items(text)), atol=0, rtol=0
    )


def test_two_scorers_of_one_network_do_not_change_each_other() -> None:
    """What stands beside the network belongs to the scorer, so a figure never hangs on who was asked before."""
    data = toy()
    model = fitted(data)
    query = Query(histories_before(data.table, data.split.test), data.dataset.features)
    blended, alone = GraphScorer.of(model), GraphScorer.of(model.network_alone())
    first = blended.score(query)
    other = alone.score(query)
    np.testing.assert_array_equal(blended.score(query), first)
    np.testing.assert_array_equal(alone.score(query), other)
    assert not np.allclose(first, other)


def test_a_cold_item_without_neighbours_has_no_item_factors_and_is_a_unit_vector() -> None:
    data = toy()
    model, layout = fitted(data), fitted(data).layout
    cold = model.describe_cold_items(unit(3, TEXT_DIM))
    assert cold.history.shape == (3, layout.history_dim)
    assert cold.target.shape == (3, layout.vector_dim)
    torch.testing.assert_close(cold.target.norm(dim=1), torch.ones(3), atol=1e-4, rtol=1e-4)
    assert not cold.history[:, layout.history_factors].any()
    assert not cold.target[:, layout.item_factors].any()
    alone = model.network.product_tower.of_text(unit(3, TEXT_DIM))
    torch.testing.assert_close(cold.target[:, layout.preference] * 2**0.5, alone.target[:, layout.preference])
