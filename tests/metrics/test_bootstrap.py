from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import scipy.stats

import rec_sys.metrics.bootstrap
from rec_sys.errors import RecSysError
from rec_sys.metrics.bootstrap import bootstrap_intervals, differences
from rec_sys.metrics.protocol import RankingReport, UserRanks, mean_of_seeds
from rec_sys.metrics.ranking import Ranks, metrics_of_ranks


def report_of(name: str, filtered: list[float], unfiltered: list[float] | None = None, first: int = 0) -> RankingReport:
    """A report of users 0, 1, ... with these ranks."""
    ranks = [np.array([values], dtype=np.float64) for values in (filtered, unfiltered or filtered)]
    number = np.arange(len(filtered))
    kept = UserRanks(number + first, number, ranks[0], ranks[1])
    return RankingReport(
        name, metrics_of_ranks(ranks[0]), metrics_of_ranks(ranks[1]), len(filtered), 100, 20, 0.0, ranks=kept
    )


def test_two_users_by_hand() -> None:
    # means of two draws from 0 and 1: 0, 1/2 and 1 in a quarter, a half and a quarter of the draws
    low, high = bootstrap_intervals(np.array([[0.0], [1.0]]))
    assert (low.tolist(), high.tolist()) == ([0], [1])
    low, high = bootstrap_intervals(np.array([[0.0], [1.0]]), level=0.4)
    assert (low.tolist(), high.tolist()) == ([0.5], [0.5])


def test_users_who_all_agree_leave_no_doubt() -> None:
    low, high = bootstrap_intervals(np.full((7, 2), 0.25))
    assert (low.tolist(), high.tolist()) == ([0.25, 0.25], [0.25, 0.25])


@pytest.fixture
def values() -> Ranks:
    generator = np.random.default_rng(3)
    return np.stack([generator.normal(0.1, 1, 400), generator.exponential(1, 400)], axis=1)


def test_intervals_are_those_of_scipy_and_of_the_normal_approximation(values: Ranks) -> None:
    low, high = bootstrap_intervals(values)
    for column in (0, 1):
        theirs = scipy.stats.bootstrap(
            (values[:, column],), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(1)
        ).confidence_interval
        width = high[column] - low[column]
        assert low[column] == pytest.approx(theirs.low, abs=0.05 * width)
        assert high[column] == pytest.approx(theirs.high, abs=0.05 * width)
        assert width == pytest.approx(2 * 1.96 * values[:, column].std() / 20, rel=0.05)


def test_draws_follow_the_seed_and_not_how_many_are_made_at_once(
    values: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = bootstrap_intervals(values, draws=500, seed=1)
    monkeypatch.setattr(rec_sys.metrics.bootstrap, "AT_ONCE", 401)
    np.testing.assert_allclose(bootstrap_intervals(values, draws=500, seed=1), once, rtol=1e-12)
    assert not np.allclose(bootstrap_intervals(values, draws=500, seed=2), once)


def test_memory_is_bounded() -> None:
    values = np.random.default_rng(0).random((50_000, 3))
    tracemalloc.start()
    bootstrap_intervals(values, draws=200)  # 200 x 50,000 numbers of eight bytes would be 80 MB, several times
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 8 * rec_sys.metrics.bootstrap.AT_ONCE


def test_differences_by_hand() -> None:
    # in the first ten: 2 of 4 users, then 3 of 4, of whom one stands lower than before
    first, better = report_of("first", [1, 2, 20, 30]), report_of("better", [1, 7, 3, 30], [7, 7, 7, 30])
    found = differences({"first": first, "better": better}, metrics=("recall@10", "ndcg@10", "mrr"))["better"]
    recall, ndcg, mrr, unfiltered_recall, unfiltered_ndcg, _ = found
    assert [(d.metric, d.filtered) for d in (recall, unfiltered_ndcg)] == [("recall@10", True), ("ndcg@10", False)]
    assert recall.difference == pytest.approx(1 / 4)
    assert ndcg.difference == pytest.approx((1 / 3 - 1 / np.log2(3) + 1 / 2) / 4)
    assert mrr.difference == pytest.approx((1 / 7 - 1 / 2 + 1 / 3 - 1 / 20) / 4)
    assert unfiltered_recall.difference == pytest.approx(1 / 4)
    # one user of four gains: drawn 0 times with probability (3/4)^4 = .32, 3 times or more with .05
    assert (recall.low, recall.high) == (0, 0.75)
    assert not recall.is_clear


def test_a_difference_is_clear_where_the_interval_leaves_out_zero() -> None:
    good, bad = report_of("good", [1.0] * 50), report_of("bad", [100.0] * 50)
    assert all(d.is_clear and d.low == d.high == -1 for d in differences({"good": good, "bad": bad})["bad"])
    assert not any(d.is_clear for d in differences({"good": good, "same": good})["same"])
    assert json.loads(json.dumps([d.to_dict() for d in differences({"good": good, "bad": bad})["bad"]]))


def test_users_are_averaged_over_seeds_before_they_are_drawn() -> None:
    # each seed finds one of the two users: by turns, so that every user's mean is 1/2
    mean = mean_of_seeds([report_of("seeded", [1, 99]), report_of("seeded", [99, 1])])
    found = differences({"none": report_of("none", [99, 99]), "seeded": mean}, metrics=("recall@10",))["seeded"]
    assert [(d.difference, d.low, d.high) for d in found] == [(0.5, 0.5, 0.5)] * 2


def test_what_cannot_be_compared_is_refused_by_name() -> None:
    one, other = report_of("one", [1, 2]), report_of("other", [1, 2], first=5)
    with pytest.raises(RecSysError, match="other and one ranked different held-out reviews"):
        differences({"one": one, "other": other})
    bare = RankingReport("bare", {}, {}, 2, 100, 20, 0.0)
    with pytest.raises(RecSysError, match="report of bare holds no ranks"):
        differences({"one": one, "bare": bare})
    assert differences({"one": one}) == {}
