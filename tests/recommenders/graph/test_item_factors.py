from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import histories_before
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.history_batch import HistoryBatch, make_history_batch
from rec_sys.recommenders.graph.item_factors import Blend, ItemFactors, blend_products, blend_users, low_rank_factors
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.scorer import GraphScorer
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


def test_in_all_dimensions_nothing_is_forgotten() -> None:
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


def test_two_dimensions_remember_two_groups() -> None:
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


def test_the_same_seed_gives_the_same_and_nothing_to_remember_is_no_error() -> None:
    one, two = (low_rank_factors(random_weights(20), torch.ones(20), rank=5) for _ in range(2))
    torch.testing.assert_close(vars(one), vars(two), atol=0, rtol=0)
    nothing = low_rank_factors(torch.zeros(8, 8), torch.zeros(8), rank=3)
    assert not nothing.history.any()
    assert not nothing.target.any()


def test_vectors_are_units_and_meet_by_hand() -> None:
    """(sqrt(1 - share) taste.taste + sqrt(share) recalled.target) / sqrt(2), recalled: the unit of the weighted sum."""
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
    torch.testing.assert_close(scores[2], products @ users[2] / 2**0.5)  # nothing to recall: taste alone


def test_products_that_the_memory_does_not_know_leave_the_taste_alone() -> None:
    users, nothing = unit(2, 4), torch.zeros(3, RANK)
    user = blend_users(users, nothing, nothing[:, :0], torch.tensor([1, 0, 0]), torch.tensor([0, 0, 1]), BLEND)
    torch.testing.assert_close(user[:, :4], users)
    assert not user[:, 4:].any()
    torch.testing.assert_close(blend_products(users, nothing[:2], nothing[:2, :0], 0.0).norm(dim=1), torch.ones(2))


def fitting(data: Toy, blend_weight: float = 0.5, **settings: object) -> tuple[GraphNetwork, ProductStates]:
    """A model with a random memory, and its products."""
    model = data.model(**settings)
    with torch.no_grad():
        states = model.product_tower(data.sums())
    factors = low_rank_factors(random_weights(data.table.num_products), torch.ones(data.table.num_products), RANK)
    model.blend = Blend(rank=RANK, weight=blend_weight)
    return model, states.with_item_factors(factors)


def batch_of(data: Toy, count: int = 9) -> HistoryBatch:
    histories = histories_before(data.table, data.split.test[:count], limit=20)
    return make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)


@pytest.mark.parametrize("rating_bias", [0.0, 0.99])
def test_a_model_with_a_memory_speaks_in_unit_vectors(rating_bias: float) -> None:
    data = toy()
    model, states = fitting(data, rating_bias=rating_bias)
    users = model.user_tower(states.history, batch_of(data))
    plain = model.product_tower(data.sums())
    assert states.history.shape[1] == plain.history.shape[1] + RANK
    assert states.target.shape == (40, 1 + 16 + RANK + 1)
    assert users.vector.shape == (9, 1 + 16 + RANK + 1)
    for vectors in (users.vector, users.preference, states.target, states.preference):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rating_bias", [0.0, 0.99])
def test_a_memory_can_be_taken_off_again(rating_bias: float) -> None:
    data = toy()
    plain = data.model(rating_bias=rating_bias).product_tower(data.sums())
    factors = ItemFactors(torch.randn(40, RANK), unit(40, RANK) * 0.7)
    back = plain.with_item_factors(factors).graph_alone(16)
    torch.testing.assert_close(vars(back), vars(plain), atol=1e-5, rtol=1e-5)


def test_somebody_without_reviews_or_with_unknown_products_alone_is_pure_taste() -> None:
    data = toy()
    model, states = fitting(data)
    batch = batch_of(data)
    graph = states.history[:, :-RANK]
    without_factors = torch.cat([graph, torch.zeros(40, RANK)], dim=1)
    unknown = model.user_tower(without_factors, batch).preference
    none = np.zeros(0, dtype=np.int64)
    empty = make_history_batch(
        Histories(np.array([0, 0]), none, none), data.review_text, data.table.rating, data.table.timestamp
    )
    nobody = model.user_tower(states.history, empty).preference
    model.blend = None
    torch.testing.assert_close(unknown[:, :16], model.user_tower(graph, batch).preference)
    torch.testing.assert_close(nobody[:, :16], model.user_tower(graph, empty).preference)
    assert not unknown[:, 16:].any()
    assert not nobody[:, 16:].any()


def test_batch_equals_parts_and_the_order_of_edges_does_not_matter() -> None:
    data = toy()
    model, states = fitting(data)
    batch = batch_of(data)
    together = model.user_tower(states.history, batch).vector
    for place in (0, 4, 8):
        histories = histories_before(data.table, data.split.test[[place]], limit=20)
        alone = make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)
        vector = model.user_tower(states.history, alone).vector[0]
        torch.testing.assert_close(vector, together[place], atol=1e-5, rtol=1e-5)
    order = torch.randperm(len(batch.edge_user))
    edges = {name: getattr(batch, name)[order] for name in ("edge_review", "edge_user", "age", "days")}
    shuffled = model.user_tower(states.history, replace(batch, **edges)).vector
    torch.testing.assert_close(shuffled, together, atol=1e-5, rtol=1e-5)


def test_what_is_loaded_scores_like_what_was_saved(tmp_path: Path) -> None:
    data = toy()
    model, states = fitting(data, blend_weight=0.8)
    save_checkpoint(tmp_path / "a.ckpt", model, states, data.table.products, [""] * 40, {})
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.network.blend == Blend(rank=RANK, weight=0.8)
    histories = histories_before(data.table, data.split.test)
    before, after = (
        GraphScorer(each, of, data.table, data.review_text).score(histories)
        for each, of in ((model, states), (loaded.network, loaded.states))
    )
    np.testing.assert_array_equal(before, after)
    text = unit(3, TEXT_DIM)
    torch.testing.assert_close(
        vars(loaded.network.product_tower.of_text(text)), vars(model.product_tower.of_text(text)), atol=0, rtol=0
    )


def test_a_new_product_has_no_memory_and_is_a_unit_vector() -> None:
    data = toy()
    model, states = fitting(data)
    new = model.product_tower.of_text(unit(3, TEXT_DIM))
    assert new.history.shape == (3, states.history.shape[1])
    assert new.target.shape == (3, states.target.shape[1])
    torch.testing.assert_close(new.target.norm(dim=1), torch.ones(3), atol=1e-4, rtol=1e-4)
    assert not new.history[:, -RANK:].any()
    assert not new.target[:, 17:-1].any()
    model.blend = None
    torch.testing.assert_close(
        new.preference[:, :16] * 2**0.5, model.product_tower.of_text(unit(3, TEXT_DIM)).preference
    )
