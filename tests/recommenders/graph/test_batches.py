from __future__ import annotations

import numpy as np
import pytest

from rec_sys.recommenders.graph.batches import Context, UserDataset, batches, users_at_once
from rec_sys.recommenders.graph.settings import TrainSettings
from tests.support.embedded_toy import Toy, toy


def dataset_of(data: Toy, context: Context, max_history: int = 20) -> UserDataset:
    return UserDataset(data.dataset.features, data.split.train, max_history, context)


@pytest.mark.parametrize("context", ["around", "before"])
def test_every_training_review_that_has_a_context_is_a_target_once(context: Context) -> None:
    data = toy()
    seen: list[tuple[int, int]] = []
    for batch in batches(dataset_of(data, context, max_history=3), TrainSettings(users_per_batch=256)):
        assert len(batch.users) == 1  # 60 users in at least 50 steps, so not 256
        assert len(batch.target) == len(batch.rating) == batch.histories.num_users
        assert int(batch.histories.age.max()) == 2
        seen += zip(batch.target.tolist(), batch.rating.tolist(), strict=True)
    expected = data.split.train
    if context == "before":  # nothing is before a user's first review
        expected = np.delete(expected, np.unique(data.table.user[expected], return_index=True)[1])
    assert sorted(seen) == sorted(
        zip(data.table.product[expected].tolist(), data.table.rating[expected].tolist(), strict=True)
    )


@pytest.mark.parametrize("context", ["around", "before"])
def test_users_with_a_single_training_review_are_not_learned_from(context: Context) -> None:
    data = toy()
    first_of = np.unique(data.table.user[data.split.train], return_index=True)[1]
    lonely = data.split.train[first_of[:20]]  # users 0 to 19 keep one review each
    train = np.sort(np.concatenate([lonely, data.split.train[data.table.user[data.split.train] >= 20]]))
    dataset = UserDataset(data.dataset.features, train, 20, context)
    assert dataset.users.tolist() == list(range(20, 60))
    assert not np.isin(lonely, dataset.targets).any()


def test_histories_before_hold_only_earlier_training_reviews_of_the_same_user() -> None:
    data = toy()
    user = 4
    batch = dataset_of(data, "before").collate([user])
    own = data.split.train[data.table.user[data.split.train] == user]
    for row in range(batch.histories.num_users):
        edges = batch.histories.edge_user == row
        products = batch.histories.product[batch.histories.edge_review[edges]].tolist()
        assert products == data.table.product[own[: row + 1]].tolist()  # oldest first, target is own[row + 1]
        assert batch.target[row] == data.table.product[own[row + 1]]
        assert batch.histories.age[edges].tolist() == list(range(row, -1, -1))


def test_histories_around_hold_all_other_training_reviews_of_the_same_user() -> None:
    data = toy()
    user = 4
    batch = dataset_of(data, "around").collate([user])
    own = data.split.train[data.table.user[data.split.train] == user]
    assert batch.histories.num_users == len(own)
    for row in range(batch.histories.num_users):
        edges = batch.histories.edge_user == row
        products = batch.histories.product[batch.histories.edge_review[edges]].tolist()
        assert sorted(products) == sorted(data.table.product[np.delete(own, row)].tolist())
        assert batch.target[row] == data.table.product[own[row]]
        assert batch.histories.age[edges].tolist() == list(range(len(own) - 2, -1, -1))
        # hours away from the nearest one, forwards or backwards
        nearest = own[row - 1] if row else own[1]
        away = np.abs(data.table.timestamp[np.delete(own, row)] - data.table.timestamp[nearest])
        assert sorted(batch.histories.days[edges].tolist()) == pytest.approx(sorted(away / 86_400))


def test_the_order_follows_from_seed_and_epoch() -> None:
    dataset = dataset_of(toy(), "around")

    def order(seed: int, epoch: int) -> list[int]:
        return list(batches(dataset, TrainSettings(seed=seed, users_per_batch=6), lambda: epoch).sampler)

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize(("min_steps", "expected"), [(1, 6), (20, 3), (50, 1), (1000, 1)])
def test_an_epoch_has_at_least_min_steps(min_steps: int, expected: int) -> None:
    settings = TrainSettings(users_per_batch=6, min_steps=min_steps)
    assert users_at_once(dataset_of(toy(), "around"), settings) == expected
