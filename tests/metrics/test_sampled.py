from __future__ import annotations

import numpy as np
import pytest

from rec_sys.errors import DataError, RecSysError
from rec_sys.metrics.sampled import draw_negatives, evaluate_sampled
from tests.support.fixed_scorer import fixed
from tests.support.toy import checkerboard, dataset_of, table_of

# a has p, q, r; b has r, s, r: of five products a lacks s and t, b lacks p, q and t
TABLE = table_of(
    [("a", "p", 5, 1), ("a", "q", 5, 2), ("a", "r", 5, 3), ("b", "r", 5, 1), ("b", "s", 5, 2), ("b", "r", 5, 3)],
    ["p", "q", "r", "s", "t"],
)
LAST = np.array([2, 5])


def test_negatives_are_none_of_what_the_user_ever_has_and_are_drawn_once() -> None:
    data = dataset_of(checkerboard())
    table, valid = data.table, data.split.valid
    negatives = draw_negatives(table, valid, 20)
    for user, drawn in zip(table.user[valid], negatives.tolist(), strict=True):
        assert not set(drawn) & set(table.product[table.user == user].tolist())  # later ones as well
        assert len(set(drawn)) == 20
        assert min(drawn) >= 0


def test_every_product_that_a_user_lacks_is_drawn_as_often() -> None:
    table = table_of([("a", "p0", 5, 1), *(("b", f"p{n}", 5, n) for n in range(10))])
    drawn = np.concatenate([draw_negatives(table, np.array([0]), 3, seed) for seed in range(600)])
    counts = np.bincount(drawn.ravel(), minlength=10)
    assert counts[0] == 0
    assert abs(counts[1:] - 200).max() < 5 * np.sqrt(200 * 2 / 3)


def test_the_seed_decides() -> None:
    table = checkerboard()
    first = draw_negatives(table, np.arange(50), 9, seed=3)
    np.testing.assert_array_equal(draw_negatives(table, np.arange(50), 9, seed=3), first)
    assert not np.array_equal(draw_negatives(table, np.arange(50), 9, seed=4), first)


def test_a_user_who_lacks_fewer_products_is_ranked_among_all_of_these() -> None:
    negatives = draw_negatives(TABLE, LAST, 3)
    assert sorted(negatives[0].tolist()) == [-1, 3, 4]
    assert sorted(negatives[1].tolist()) == [0, 1, 4]
    assert sorted(draw_negatives(TABLE, LAST, 9)[1].tolist()) == [-1] * 6 + [0, 1, 4]


def test_ranks_by_hand() -> None:
    """r is asked for; a compares it with s and t, b with p, q and t, which is as good as r."""
    report = evaluate_sampled(fixed(9, 1, 4, 6, 4), TABLE, LAST, num_negatives=3, cutoffs=(2,))
    np.testing.assert_array_equal(report.ranks, [1 + 1 + 0.5, 1 + 1 + 0.5])
    report = evaluate_sampled(fixed(9, 1, 4, 3, 2), TABLE, LAST, num_negatives=3, cutoffs=(1, 2))
    np.testing.assert_array_equal(report.ranks, [1, 2])
    assert report.figures["sampled recall@1"] == 0.5
    assert report.figures["sampled ndcg@2"] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert (report.num_users, report.num_negatives, report.num_short) == (2, 3, 1)
    assert "1 among fewer" in str(report)


def test_a_model_that_knows_nothing_is_where_chance_puts_it() -> None:
    data = dataset_of(checkerboard())
    report = evaluate_sampled(fixed(*[0.0] * 40), data.table, data.split.test, num_negatives=19, cutoffs=(10,))
    np.testing.assert_array_equal(report.ranks, np.full(60, 10.5))  # equal scores count half


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(DataError, match="no held-out reviews"):
        evaluate_sampled(fixed(*[0.0] * 5), TABLE, np.zeros(0, dtype=np.int64))
    with pytest.raises(RecSysError, match="not finite"):
        evaluate_sampled(fixed(1, 2, float("nan"), 4, 5), TABLE, LAST)
