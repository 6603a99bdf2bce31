"""Exclusion codes: by hand on a few products, and the vectors that point away from seen items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.exclusion_codes import NEWEST, assign_codes
from rec_sys.recommenders.graph.item_factors import ItemFactors, blend_products, blend_users
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Blend
from tests.support.embedded_toy import toy


def test_what_is_taken_together_differs() -> None:
    """0-1-2 are taken by the same users, 3-4 by others: three codes do for the first, and 3, 4 differ too."""
    user = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    product = np.array([0, 1, 2, 0, 1, 2, 3, 4])
    code = assign_codes(user, product, 6, 3)
    assert len(set(code[:3].tolist())) == 3
    assert code[3] != code[4]
    assert set(code.tolist()) <= {0, 1, 2}  # the product that nobody took has one too


def test_with_too_few_codes_those_taken_together_least_share_one() -> None:
    user = np.repeat(np.arange(9), 2)
    pairs = [(0, 1)] * 4 + [(1, 2)] * 4 + [(0, 2)]
    code = assign_codes(user, np.array(pairs).ravel(), 3, 2)
    assert code[0] == code[2] != code[1]


@pytest.mark.parametrize(("times", "shared"), [(NEWEST - 1, False), (NEWEST, True)])
def test_only_the_newest_reviews_of_a_user_are_paired(times: int, shared: bool) -> None:
    """A user took 2, then 1 many times; another took 1 and 0. A 2 too old to be paired may share 1's code."""
    user, product = np.array([0] * (times + 1) + [1, 1]), np.array([2] + [1] * times + [1, 0])
    code = assign_codes(user, product, 3, 2)
    assert code[1] != code[0]
    assert bool(code[2] == code[1]) == shared


def test_a_seen_product_loses_by_hand() -> None:
    """preference.preference sqrt((1 - p) / 2) sqrt(1 - p), less p shared by the codes of what was seen."""
    generator = torch.Generator().manual_seed(0)
    preference = functional.normalize(torch.randn(3, 4, generator=generator), dim=1)
    user = functional.normalize(torch.randn(1, 4, generator=generator), dim=1)
    code, nothing = torch.eye(3), torch.zeros(3, 0)
    penalty = 0.2
    blend = Blend(rank=0, weight=0.0, num_codes=3, penalty=penalty)
    target = blend_products(preference, nothing, code, penalty)
    vector = blend_users(user, nothing[:2], code[[0, 1]], torch.tensor([1, 0]), torch.tensor([0, 0]), blend)
    torch.testing.assert_close(target.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(vector.norm(dim=1), torch.ones(1))
    alike = (user @ preference.T)[0] * ((1 - penalty) / 2) ** 0.5 * (1 - penalty) ** 0.5
    by_hand = alike - penalty * 0.5**0.5 * torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close((vector @ target.T)[0], by_hand)


def with_codes(plain: TrainedGraph, penalty: float = 0.5) -> TrainedGraph:
    """A code for each product, and no item factors."""
    count = len(plain.products)
    nothing = ItemFactors(torch.zeros(count, 0), torch.zeros(count, 0))
    states = plain.states.with_item_factors(nothing, torch.eye(count), penalty)
    return replace(plain, states=states, blend=Blend(rank=0, weight=0.0, num_codes=count, penalty=penalty))


def test_users_point_away_from_what_they_have_seen() -> None:
    data = toy()
    plain = data.untrained(rating_bias=0.0)
    coded = with_codes(plain)
    histories = histories_before(data.table, data.split.test[:9])
    query = Query(histories, data.dataset.features)
    before, after = (GraphScorer.of(model).score(query) for model in (plain, coded))
    count = torch.zeros(9, 40)
    count.index_put_((torch.from_numpy(histories.row), torch.from_numpy(histories.product)), torch.ones(1), True)
    expected = before * (0.25**0.5 * 0.5**0.5) - 0.5 * functional.normalize(count, dim=1).numpy()
    np.testing.assert_allclose(after, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vars(coded.network_alone().states), vars(plain.states), atol=1e-5, rtol=1e-5)


def test_where_seen_items_are_filtered_by_number_nothing_is_penalised() -> None:
    """Without the codes a user's order is the one before there were any; with them seen items fall."""
    data = toy()
    plain = data.untrained(rating_bias=0.0)
    histories = histories_before(data.table, data.split.test)
    query = Query(histories, data.dataset.features)
    before, coded = GraphScorer.of(plain).score(query), GraphScorer.of(with_codes(plain))
    others, penalised = coded.score_both_ways(query)
    factor = others / before
    np.testing.assert_allclose(
        factor, np.broadcast_to(np.median(factor, axis=1, keepdims=True), factor.shape), rtol=1e-2
    )
    assert (factor > 0).all()
    rows = (histories.row, histories.product)
    assert (penalised[rows] < others[rows]).all()
    np.testing.assert_array_equal(penalised, coded.score(query))
    vectors = coded.user_vectors(query, penalise_seen=True)
    np.testing.assert_allclose(penalised, vectors @ coded.states.target.numpy().T, atol=1e-5)
    np.testing.assert_allclose(others, coded.user_vectors(query) @ coded.states.target.numpy().T, atol=1e-5)
