"""Colours: by hand on a map of four, and the vectors that turn away from what is owned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from rec_sys.dataset.splits import histories_before
from rec_sys.recommenders.graph.exclusion_codes import NEWEST, assign_codes
from rec_sys.recommenders.graph.history_batch import make_history_batch
from rec_sys.recommenders.graph.item_factors import Blend, ItemFactors, blend_products, blend_users
from rec_sys.recommenders.graph.scorer import GraphScorer
from tests.support.embedded_toy import toy


def test_what_is_taken_together_differs() -> None:
    """0-1-2 are taken by the same people, 3-4 by others: three colours do for the first, and 3, 4 differ too."""
    user = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    product = np.array([0, 1, 2, 0, 1, 2, 3, 4])
    code = assign_codes(user, product, 6, 3)
    assert len(set(code[:3].tolist())) == 3
    assert code[3] != code[4]
    assert set(code.tolist()) <= {0, 1, 2}  # the product nobody took has one too


def test_with_too_few_colours_those_taken_together_least_share_one() -> None:
    user = np.repeat(np.arange(9), 2)
    pairs = [(0, 1)] * 4 + [(1, 2)] * 4 + [(0, 2)]
    code = assign_codes(user, np.array(pairs).ravel(), 3, 2)
    assert code[0] == code[2] != code[1]


@pytest.mark.parametrize(("times", "shared"), [(NEWEST - 1, False), (NEWEST, True)])
def test_only_the_newest_reviews_of_a_person_are_paired(times: int, shared: bool) -> None:
    """Somebody took 2, then 1 many times; another took 1 and 0. A 2 too old to be paired may share 1's colour."""
    user, product = np.array([0] * (times + 1) + [1, 1]), np.array([2] + [1] * times + [1, 0])
    code = assign_codes(user, product, 3, 2)
    assert code[1] != code[0]
    assert bool(code[2] == code[1]) == shared


def test_an_owned_product_loses_by_hand() -> None:
    """taste.taste (1 - push) / sqrt(2 ...) less push, shared by the colours that are owned."""
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


def test_the_user_tower_turns_away_from_what_its_people_have() -> None:
    data = toy()
    model, num_codes = data.model(rating_bias=0.0), 40
    with torch.no_grad():
        plain = model.product_tower(data.sums())
        nothing = ItemFactors(torch.zeros(40, 0), torch.zeros(40, 0))
        states = plain.with_item_factors(nothing, torch.eye(num_codes), 0.5)
        histories = histories_before(data.table, data.split.test[:9], limit=20)
        batch = make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)
        before = model.user_tower(plain.history, batch).vector @ plain.target.T
        model.blend = Blend(rank=0, weight=0.0, num_codes=num_codes, penalty=0.5)
        after = model.user_tower(states.history, batch).vector @ states.target.T
    count = torch.zeros(9, 40)
    count.index_put_((torch.from_numpy(histories.row), torch.from_numpy(histories.product)), torch.ones(1), True)
    expected = before * (0.25**0.5 * 0.5**0.5) - 0.5 * functional.normalize(count, dim=1)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-4)
    back = states.graph_alone(16)
    torch.testing.assert_close(vars(back), vars(plain), atol=1e-5, rtol=1e-5)


def test_where_owned_products_are_left_out_by_number_nobody_is_pushed() -> None:
    """Without the colours a person's order is the one before there were any; with them owned products fall."""
    data = toy()
    model, num_codes = data.model(rating_bias=0.0), 40
    with torch.no_grad():
        plain = model.product_tower(data.sums())
    histories = histories_before(data.table, data.split.test)
    before = GraphScorer(model, plain, data.table, data.review_text).score(histories)
    nothing = ItemFactors(torch.zeros(40, 0), torch.zeros(40, 0))
    model.blend = Blend(rank=0, weight=0.0, num_codes=num_codes, penalty=0.5)
    has_code = GraphScorer(
        model, plain.with_item_factors(nothing, torch.eye(num_codes), 0.5), data.table, data.review_text
    )
    others, penalised = has_code.score_both_ways(histories)
    factor = others / before
    np.testing.assert_allclose(
        factor, np.broadcast_to(np.median(factor, axis=1, keepdims=True), factor.shape), rtol=1e-2
    )
    assert (factor > 0).all()
    rows = (histories.row, histories.product)
    assert (penalised[rows] < others[rows]).all()
    np.testing.assert_array_equal(penalised, has_code.score(histories))
    vectors = has_code.user_vectors(histories, penalise_seen=True)
    np.testing.assert_allclose(penalised, vectors @ has_code.states.target.numpy().T, atol=1e-5)
