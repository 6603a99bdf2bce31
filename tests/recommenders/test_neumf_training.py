"""What NeuMF learns from, batch by batch, and its losses by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rec_sys.arrays import Floats
from rec_sys.recommenders.neumf_network import EpochBatches, NeuMFNetwork, pointwise_loss, softmax_loss
from rec_sys.recommenders.neumf_pairs import Pairs, PointwiseBatch, SoftmaxBatch, pointwise_batches, softmax_batches
from rec_sys.recommenders.neumf_settings import NeuMFSettings, TrainingPlan
from tests.support.toy import checkerboard, table_of

TABLE = checkerboard(num_users=30)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return Pairs.of(TABLE, np.arange(len(TABLE)))


@pytest.fixture
def network() -> NeuMFNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NeuMFNetwork(5, 6, NeuMFSettings(factors=3, depth=2))


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_repeated_pair_counts_once_with_its_strongest_weight() -> None:
    table = table_of([("a", "p", 5, 1), ("a", "q", 5, 2), ("a", "p", 5, 3), ("b", "q", 5, 1), ("b", "r", 5, 2)])
    weighted = replace(table, weights=np.array([1, 2, 5, 3, 0], dtype=np.float32))
    pairs = Pairs.of(weighted, np.arange(5))
    assert pairs.user.tolist() == [0, 0, 1]  # what weighs nothing is none
    assert pairs.product.tolist() == [0, 1, 1]
    np.testing.assert_allclose(pairs.weight, np.array([5, 2, 3]) * 3 / 10)
    assert pairs.has(np.array([0, 0, 1, 1]), np.array([1, 2, 0, 1])).tolist() == [True, False, False, True]


def test_only_the_given_reviews_are_pairs() -> None:
    assert len(Pairs.of(TABLE, np.flatnonzero(TABLE.user < 7))) == 70


@pytest.mark.parametrize(("candidates", "drawn"), [(15, 15), (40, None), (1_000, None)])
def test_each_user_is_compared_once_an_epoch(pairs: Pairs, candidates: int, drawn: int | None) -> None:
    batches = list(softmax_batches(pairs, 100, candidates, random()))
    assert sorted(np.concatenate([batch.users for batch in batches])) == list(range(30))
    for batch in batches:
        assert (None if batch.candidates is None else len(np.unique(batch.candidates))) == drawn
        assert len(batch.users) * min(candidates, 40) <= 100
        for place, user in enumerate(batch.users):
            own = np.sort(TABLE.product[TABLE.user == user])
            np.testing.assert_array_equal(batch.product[batch.row == place], own)


def test_negatives_are_never_the_users_own(pairs: Pairs) -> None:
    batches = list(pointwise_batches(pairs, 200, 4, random()))
    positive = [np.stack([b.users, b.products])[:, b.target == 1] for b in batches]
    negative = [np.stack([b.users, b.products])[:, b.target == 0] for b in batches]
    keys = np.concatenate(positive, axis=1)
    np.testing.assert_array_equal(np.sort(keys[0] * 40 + keys[1]), pairs.keys)
    users, products = np.concatenate(negative, axis=1)
    assert len(users) == 4 * len(pairs)
    assert not pairs.has(users, products).any()


def test_a_user_who_has_everything_gets_no_negatives() -> None:
    table = table_of([("a", "p", 5, 1), ("a", "q", 5, 2), ("b", "q", 5, 1)])
    (batch,) = pointwise_batches(Pairs.of(table, np.arange(3)), 100, 2, random())
    assert batch.target.sum() == 3
    assert set(batch.users[batch.target == 0].tolist()) <= {1}


@pytest.mark.parametrize("loss", ["softmax", "bce"])
def test_negatives_are_drawn_anew_each_epoch_by_seed_and_epoch(pairs: Pairs, loss: str) -> None:
    def epochs(seed: int) -> list[list[int]]:
        settings = NeuMFSettings.read({"loss": loss, "candidates": 10, "seed": seed})
        loader = EpochBatches(pairs, TrainingPlan.of(settings, 30, 40, len(pairs)), 0)
        return [
            np.concatenate([b.products if isinstance(b, PointwiseBatch) else b.candidates for b in loader]).tolist()
            for _ in range(2)
        ]

    first, second = epochs(0)
    assert first != second
    assert epochs(0) == [first, second]
    assert epochs(1)[0] != first


def logits(network: NeuMFNetwork) -> Floats:
    with torch.inference_mode():
        found: Floats = network.grid(torch.arange(5), None).numpy()
    return found


def test_softmax_over_all_products_by_hand(network: NeuMFNetwork) -> None:
    batch = SoftmaxBatch(
        np.array([2, 4]), None, np.array([0, 0, 1]), np.array([1, 3, 5]), np.array([1, 2, 1], dtype=np.float32)
    )
    s = logits(network)
    log = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    expected = -(log[2, 1] + 2 * log[2, 3] + log[4, 5]) / 4
    assert softmax_loss(network, batch).item() == pytest.approx(expected, abs=1e-5)


def test_softmax_over_drawn_products_by_hand(network: NeuMFNetwork) -> None:
    """Products 0, 3 and 5 are drawn; of user 2, who has 1 and 3, products 0 and 5 stand for all."""
    batch = SoftmaxBatch(
        np.array([2]), np.array([0, 3, 5]), np.array([0, 0]), np.array([1, 3]), np.array([1, 3], dtype=np.float32)
    )
    e = np.exp(logits(network)[2])
    others = 6 / 3 * (e[0] + e[5])
    expected = -(np.log(e[1] / (e[1] + others)) + 3 * np.log(e[3] / (e[3] + others))) / 4
    assert softmax_loss(network, batch).item() == pytest.approx(expected, abs=1e-5)


def test_pointwise_loss_by_hand(network: NeuMFNetwork) -> None:
    batch = PointwiseBatch(
        np.array([2, 2]), np.array([1, 3]), np.array([1, 0], dtype=np.float32), np.array([2, 1], dtype=np.float32)
    )
    chance = 1 / (1 + np.exp(-logits(network)[2]))
    expected = -(2 * np.log(chance[1]) + np.log(1 - chance[3])) / 2
    assert pointwise_loss(network, batch).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("branch", ["gmf", "mlp"])
def test_a_branch_alone_leaves_the_other_one_out(network: NeuMFNetwork, branch: str) -> None:
    whole = logits(network)
    network.branches = (branch,)
    one = logits(network)
    network.branches = ("mlp" if branch == "gmf" else "gmf",)
    np.testing.assert_allclose(one + logits(network), whole, atol=1e-6)
    assert np.abs(one).max() > 1e-4


@pytest.mark.parametrize(
    ("users", "products", "reviews"), [(150, 100, 900), (1_090, 3_646, 50_000), (6_040, 3_706, 10**6)]
)
@pytest.mark.parametrize("loss", ["softmax", "bce"])
def test_batches_suit_small_shops_and_large_ones(loss: str, users: int, products: int, reviews: int) -> None:
    plan = TrainingPlan.of(NeuMFSettings.read({"loss": loss}), users, products, reviews)
    scored = users * min(500, products) if loss == "softmax" else 5 * reviews
    assert scored / plan.batch_size >= 25  # steps of an epoch
    assert plan.batch_size <= 100_000
    assert TrainingPlan.of(NeuMFSettings(batch_size=7), users, products, reviews).batch_size == 7
