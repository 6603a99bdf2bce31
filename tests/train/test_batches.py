from __future__ import annotations

import numpy as np

from rec_sys.train.batches import PeopleDataset, batches
from tests.embedded_toy import toy


def test_every_training_review_but_the_first_of_a_person_is_a_target_once() -> None:
    data = toy()
    dataset = PeopleDataset(data.table, data.split.train, data.review_text, max_history=3)
    loader = batches(dataset, 256, seed=0)
    seen: list[tuple[int, int]] = []
    for batch in loader:
        assert len(batch.people) == 1  # a fiftieth of 60, not 256
        assert len(batch.target) == len(batch.rating) == batch.stars.num_stars
        assert int(batch.stars.age.max()) == 2
        seen += zip(batch.target.tolist(), batch.rating.tolist(), strict=True)
    firsts = np.unique(data.table.user[data.split.train], return_index=True)[1]
    expected = np.delete(data.split.train, firsts)
    assert sorted(seen) == sorted(
        zip(data.table.product[expected].tolist(), data.table.rating[expected].tolist(), strict=True)
    )


def test_stars_hold_only_earlier_training_reviews_of_the_same_person() -> None:
    data = toy()
    dataset = PeopleDataset(data.table, data.split.train, data.review_text, max_history=20)
    person = 4
    batch = dataset.collate([person])
    own = data.split.train[data.table.user[data.split.train] == person]
    for star in range(batch.stars.num_stars):
        edges = batch.stars.edge_star == star
        products = batch.stars.product[batch.stars.edge_review[edges]].tolist()
        assert products == data.table.product[own[: star + 1]].tolist()  # oldest first, target is own[star + 1]
        assert batch.target[star] == data.table.product[own[star + 1]]
        assert batch.stars.age[edges].tolist() == list(range(star, -1, -1))


def test_the_order_follows_from_seed_and_epoch() -> None:
    data = toy()
    dataset = PeopleDataset(data.table, data.split.train, data.review_text, max_history=20)

    def order(seed: int, epoch: int) -> list[int]:
        return list(batches(dataset, 6, seed, lambda: epoch).sampler)

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
