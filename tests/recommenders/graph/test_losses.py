from __future__ import annotations

import math

import pytest
import torch

from rec_sys.recommenders.graph.losses import ranking_loss, rating_loss


def test_rating_loss_by_hand() -> None:
    predicted = torch.tensor([5.0, 2.5, 0.0, 3.75])
    rating = torch.tensor([5.0, 4.5, 1.0, float("nan")])
    assert rating_loss(predicted, rating).item() == pytest.approx((0 + 2 + 1) / 3)
    assert rating_loss(predicted, rating, "mse").item() == pytest.approx((0 + 4 + 1) / 3)
    assert rating_loss(predicted[3:], rating[3:]).item() == 0.0


def test_ranking_loss_by_hand() -> None:
    users, products = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    loss = ranking_loss(users, products, torch.tensor([0]), torch.tensor(0.5), max_products=3)
    scores = [2.0, 0.0, -2.0]
    assert loss.item() == pytest.approx(-2.0 + math.log(sum(math.exp(score) for score in scores)))


def test_sampled_softmax_estimates_the_full_one() -> None:
    generator = torch.Generator().manual_seed(3)
    users = torch.nn.functional.normalize(torch.randn(64, 8, generator=generator), dim=1)
    products = torch.nn.functional.normalize(torch.randn(2000, 8, generator=generator), dim=1)
    target, temperature = torch.randint(2000, (64,), generator=generator), torch.tensor(0.5)
    full = ranking_loss(users, products, target, temperature, max_products=2000)
    draws = [ranking_loss(users, products, target, temperature, 1000, generator).item() for _ in range(40)]
    assert sum(draws) / len(draws) == pytest.approx(full.item(), abs=0.01)
