from __future__ import annotations

import numpy as np
import pytest

from rec_sys.recommenders.graph.batches import Context, UserDataset, batches
from tests.support.embedded_toy import Toy, toy


def dataset_of(data: Toy, context: Context, max_history: int = 20) -> UserDataset:
    return UserDataset(data.table, data.split.train, data.review_text, max_history, context)


@pytest.mark.parametrize("context", ["around", "before"])
def test_every_training_review_that_has_a_context_is_a_target_once(context: Context) -> None:
    data = toy()
    seen: list[tuple[int, int]] = []
    for batch in batches(dataset_of(data, context, max_history=3), 256, seed=0):
        assert len(batch.users) == 1  # a fiftieth of 60, not 256
        assert len(batch.target) == len(batch.rating) == batch.histories.num_users
        assert int(batch.histories.age.max()) == 2
        seen += zip(batch.target.tolist(), batch.rating.tolist(), strict=True)
    expected = data.split.train
    if context == "before":  # nothing is before somebody's first review
        expected = np.delete(expected, np.unique(data.table.user[expected], return_index=True)[1])
    assert sorted(seen) == sorted(
        zip(data.table.product[expected].tolist(), data.table.rating[expected].tolist(), strict=True)
    )


@pytest.mark.parametrize("context", ["around", "before"])
def test_nobody_with_a_single_training_review_is_learned_from(context: Context) -> None:
    data = toy()
    first_of = np.unique(data.table.user[data.split.train], return_index=True)[1]
    lonely = data.split.train[first_of[:20]]  # people 0 to 19 keep one review each
    train = np.sort(np.concatenate([lonely, data.split.train[data.table.user[data.split.train] >= 20]]))
    dataset = UserDataset(data.table, train, data.review_text, 20, context)
    assert dataset.users.tolist() == list(range(20, 60))
    assert not np.isin(lonely, dataset.targets).any()


def test_stars_hold_only_earlier_training_reviews_of_the_same_person() -> None:
    data = toy()
    user = 4
    batch = dataset_of(data, "before").collate([user])
    own = data.split.train[data.table.user[data.split.train] == user]
    for row in range(batch.histories.num_users):
        edges = batch.histories.edge_user == row
        products = batch.histories.product[batch.histories.edge_review[edges]].tolist()
        assert products == data.table.product[own[: row + 1]].tolist()  # oldest first, target is own[star + 1]
        assert batch.target[row] == data.table.product[own[row + 1]]
        assert batch.histories.age[edges].tolist() == list(range(row, -1, -1))


def test_stars_around_hold_all_other_training_reviews_of_the_same_person() -> None:
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
        penalise_seen = np.abs(data.table.timestamp[np.delete(own, row)] - data.table.timestamp[nearest])
        assert sorted(batch.histories.days[edges].tolist()) == pytest.approx(sorted(penalise_seen / 86_400))


def test_the_order_follows_from_seed_and_epoch() -> None:
    dataset = dataset_of(toy(), "around")

    def order(seed: int, epoch: int) -> list[int]:
        return list(batches(dataset, 6, seed, lambda: epoch).sampler)

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
