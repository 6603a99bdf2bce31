from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.arrays import Ints
from rec_sys.dataset.splits import histories_around, split_by_time
from tests.support.toy import checkerboard, table_of

# a has the reviews 0 to 4, b has 5 and 6, c has 7
TABLE = table_of(
    [(user, f"{user}{place}", 5, place) for user, n in (("a", 5), ("b", 2), ("c", 1)) for place in range(n)]
)
ALL = np.arange(8)


def around(targets: list[int], among: Ints = ALL, limit: int = 20) -> list[list[int]]:
    histories = histories_around(TABLE, np.array(targets, dtype=np.int64), among, limit)
    np.testing.assert_array_equal(histories.product, TABLE.product[histories.review])
    return [mine.tolist() for mine in np.split(histories.review, histories.indptr[1:-1])]


def test_the_nearest_come_last_and_the_earlier_one_after_the_later() -> None:
    assert around([2]) == [[4, 0, 3, 1]]  # two steps away: 4, 0; one step: 3, 1
    assert around([0]) == [[4, 3, 2, 1]]
    assert around([4]) == [[0, 1, 2, 3]]
    assert around([1]) == [[4, 3, 2, 0]]
    assert around([5, 6, 7, 3]) == [[6], [5], [], [0, 1, 4, 2]]


def test_the_limit_keeps_the_nearest() -> None:
    assert around([2], limit=1) == [[1]]
    assert around([2], limit=2) == [[3, 1]]
    assert around([2], limit=3) == [[0, 3, 1]]
    assert around([0, 4], limit=2) == [[2, 1], [2, 3]]  # what one side lacks, the other gives


def test_steps_are_counted_among_what_may_be_seen() -> None:
    assert around([2], among=np.array([0, 2, 4, 5])) == [[4, 0]]
    assert around([0, 5], among=np.array([0, 3, 4, 5])) == [[4, 3], []]
    assert around([0], among=np.array([0, 3, 4]), limit=1) == [[3]]


def test_no_targets() -> None:
    histories = histories_around(TABLE, ALL[:0], ALL, 3)
    assert len(histories) == 0
    assert len(histories.review) == 0


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 12), st.integers(0, 5))
def test_never_the_target_nor_somebody_else_nor_what_may_not_be_seen(lengths: list[int], limit: int, seed: int) -> None:
    table = table_of([(f"u{user}", f"p{place}", 5, place) for user, n in enumerate(lengths) for place in range(n)])
    among = np.flatnonzero(np.random.default_rng(seed).random(len(table)) < 0.7)
    histories = histories_around(table, among, among, limit)
    assert len(histories) == len(among)
    for place, target in enumerate(among.tolist()):
        mine = histories.review[histories.indptr[place] : histories.indptr[place + 1]].tolist()
        own = among[table.user[among] == table.user[target]].tolist()
        by_hand = sorted(set(own) - {target}, key=lambda other: (abs(own.index(other) - own.index(target)), other))
        assert mine == by_hand[:limit][::-1]


def test_of_a_split_nothing_but_training_is_seen() -> None:
    table = checkerboard()
    split = split_by_time(table)
    histories = histories_around(table, split.train, split.train, 20)
    assert set(histories.review.tolist()) == set(split.train.tolist())
    assert not np.isin(histories.review, [*split.valid, *split.test]).any()
    assert not (histories.review == np.repeat(split.train, histories.lengths)).any()
