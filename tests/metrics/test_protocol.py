from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import split_by_time
from rec_sys.errors import DataError, RecSysError
from rec_sys.metrics.protocol import RankingReport, UserRanks, evaluate, format_table, mean_of_seeds
from rec_sys.progress import Progress
from rec_sys.recommenders.item_knn import ItemKNN
from tests.support.fixed_scorer import FixedScorer, fixed
from tests.support.toy import checkerboard, table_of

# a had p, q, then r; b had r, s, then r again
TABLE = table_of(
    [
        ("a", "p", 5, 1),
        ("a", "q", 5, 2),
        ("a", "r", 5, 3),
        ("b", "r", 5, 1),
        ("b", "s", 5, 2),
        ("b", "r", 5, 3),
    ]
)
LAST = np.array([2, 5])


def test_filtered_and_unfiltered_by_hand() -> None:
    report = evaluate(fixed(5, 4, 3, 2), TABLE, LAST, cutoffs=(1, 2, 3))
    # r is third of all; filtered, r and s are left for a, and p, q, r for b, whose r repeats
    assert report.unfiltered["mrr"] == pytest.approx(1 / 3)
    assert report.filtered["mrr"] == pytest.approx((1 + 1 / 3) / 2)
    assert [report.filtered[f"recall@{k}"] for k in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert [report.unfiltered[f"recall@{k}"] for k in (1, 2, 3)] == [0.0, 0.0, 1.0]
    assert report.filtered["ndcg@3"] == pytest.approx((1 + 1 / 2) / 2)
    assert (report.num_users, report.num_products, report.model) == (2, 4, "fixed")


def test_the_model_reads_its_own_number_of_newest_products_and_all_seen_ones_are_filtered() -> None:
    model = FixedScorer(np.array([5, 4, 3, 2], dtype=np.float32), max_history=1)
    report = evaluate(model, TABLE, LAST[:1])
    assert model.queries[0].histories.product.tolist() == [1]  # q alone
    assert report.filtered["mrr"] == 1.0  # p is filtered too
    assert report.history_limit == 1


@pytest.mark.parametrize("max_history", [5, 20, 30])
def test_a_model_is_given_as_many_reviews_as_it_reads(max_history: int) -> None:
    table = table_of([("a", f"p{n}", 5, n) for n in range(40)])
    model = FixedScorer(np.zeros(40, dtype=np.float32), max_history=max_history)
    report = evaluate(model, table, np.array([39]))
    assert model.queries[0].histories.product.tolist() == list(range(39 - max_history, 39))
    assert report.history_limit == max_history


def test_a_query_tells_users_times_and_reviews() -> None:
    model = fixed(5, 4, 3, 2)
    evaluate(model, TABLE, LAST, batch_size=1)
    first, second = model.queries
    assert first.users is not None
    assert second.users is not None
    assert second.time is not None
    assert (first.users.tolist(), second.users.tolist(), second.time.tolist()) == ([0], [1], [3])
    assert first.reviews is TABLE


def test_progress_is_told_after_each_batch() -> None:
    told: list[Progress] = []
    evaluate(fixed(5, 4, 3, 2), TABLE, LAST, batch_size=1, progress=told.append)
    assert [(each.done, each.total) for each in told] == [(0, 2), (1, 2), (2, 2)]


def test_the_target_is_never_in_the_history() -> None:
    table = checkerboard()
    split = split_by_time(table)
    for targets in (split.valid, split.test):
        model = FixedScorer(np.arange(table.num_products, dtype=np.float32))
        evaluate(model, table, targets, batch_size=7)
        seen = np.concatenate([query.histories.review for query in model.queries])
        target_of = dict(zip(table.user[targets].tolist(), targets.tolist(), strict=True))
        users = table.user[seen].tolist()
        assert all(review < target_of[user] for review, user in zip(seen.tolist(), users, strict=True))


def test_coverage_counts_products_among_some_users_first_ten() -> None:
    table = checkerboard(num_users=20, num_products=40, likes=5)
    split = split_by_time(table)
    report = evaluate(FixedScorer(-np.arange(40, dtype=np.float32)), table, split.test)
    assert report.unfiltered["coverage@10"] == 10 / 40
    had = [set(table.product[table.user == user][:-1].tolist()) for user in range(20)]
    shown = {p for products in had for p in [p for p in range(40) if p not in products][:10]}
    assert report.filtered["coverage@10"] == len(shown) / 40


@pytest.mark.parametrize("batch_size", [1, 7, 60, 1024])
def test_batches_do_not_matter(batch_size: int) -> None:
    table = checkerboard()
    split = split_by_time(table)
    model = ItemKNN().fit(Dataset.of_table(table))
    whole, parts = (evaluate(model, table, split.test, batch_size=size) for size in (len(split.test), batch_size))
    assert parts.filtered == whole.filtered
    assert parts.unfiltered == whole.unfiltered


@dataclass
class TwoWays(FixedScorer):
    """Returns other scores where seen items will be filtered."""

    others: Floats = field(default_factory=lambda: np.zeros(4, dtype=np.float32))

    def score_both_ways(self, query: Query) -> tuple[Floats, Floats]:
        return np.tile(self.others, (len(query), 1)), self.score(query)


def test_a_model_may_score_otherwise_where_seen_items_will_be_filtered() -> None:
    one, two = (np.array(scores, dtype=np.float32) for scores in ((5, 4, 3, 2), (2, 3, 4, 5)))
    both = evaluate(TwoWays(one, others=two), TABLE, LAST)
    assert both.unfiltered == evaluate(FixedScorer(one), TABLE, LAST).unfiltered
    assert both.filtered == evaluate(FixedScorer(two), TABLE, LAST).filtered
    assert both.filtered != evaluate(FixedScorer(one), TABLE, LAST).filtered
    with pytest.raises(RecSysError, match=r"fixed gave scores of shape \(2, 3\), expected \(2, 4\)"):
        evaluate(TwoWays(one, others=two[:3]), TABLE, LAST)


def test_bad_scores_are_refused_with_the_name_of_the_model() -> None:
    with pytest.raises(RecSysError, match=r"fixed: 2 of 8 scores are not finite"):
        evaluate(fixed(1, 2, np.nan, 3), TABLE, LAST)
    with pytest.raises(RecSysError, match=r"fixed gave scores of shape \(2, 3\), expected \(2, 4\)"):
        evaluate(fixed(1, 2, 3), TABLE, LAST)


def test_no_held_out_reviews_is_an_error() -> None:
    with pytest.raises(DataError, match="no held-out reviews"):
        evaluate(fixed(1, 2, 3, 4), TABLE, LAST[:0])


def test_the_report_is_plain_json() -> None:
    report = evaluate(fixed(5, 4, 3, 2), TABLE, LAST)
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_ranks_are_kept_for_comparing_but_not_written() -> None:
    report = evaluate(fixed(5, 4, 3, 2), TABLE, LAST)
    assert report.ranks is not None
    assert (report.ranks.target.tolist(), report.ranks.user.tolist()) == ([2, 5], [0, 1])
    assert (report.ranks.filtered.tolist(), report.ranks.unfiltered.tolist()) == ([[1, 3]], [[3, 3]])
    assert "ranks" not in report.to_dict()


def test_a_user_with_several_held_out_reviews_counts_once() -> None:
    # a: q is second of all, r third; b: r third
    report = evaluate(fixed(5, 4, 3, 2), TABLE, np.array([1, 2, 5]), cutoffs=(2,))
    assert report.num_users == 2
    assert report.unfiltered["recall@2"] == pytest.approx((1 / 2 + 0) / 2)
    assert report.unfiltered["mrr"] == pytest.approx(((1 / 2 + 1 / 3) / 2 + 1 / 3) / 2)
    assert report.ranks is not None
    assert report.ranks.per_user("mrr", filtered=False) == pytest.approx([(1 / 2 + 1 / 3) / 2, 1 / 3])


def test_histories_hold_only_what_is_allowed() -> None:
    model = fixed(5, 4, 3, 2)
    report = evaluate(model, TABLE, LAST, among=np.array([0, 2, 3, 5]))  # neither q nor s
    assert model.queries[0].histories.product.tolist() == [0, 2]  # p of a, r of b
    assert report.filtered["mrr"] == pytest.approx((1 / 2 + 1 / 3) / 2)  # q is no longer filtered


def report_of(recall: float, model: str = "m") -> RankingReport:
    values = {"recall@10": recall, "ndcg@10": recall / 2, "coverage@10": 0.5}
    return RankingReport(model, values, values, num_users=1234, num_products=9, history_limit=20, seconds=recall)


def test_mean_of_seeds_by_hand() -> None:
    mean = mean_of_seeds([report_of(0.1), report_of(0.2), report_of(0.3)])
    assert mean.filtered["recall@10"] == pytest.approx(0.2)
    assert mean.filtered_spread["recall@10"] == pytest.approx(0.1)  # sqrt((.01 + 0 + .01) / 2)
    assert mean.unfiltered_spread["ndcg@10"] == pytest.approx(0.05)
    assert (mean.num_seeds, mean.num_users) == (3, 1234)
    assert mean_of_seeds([report_of(0.1)]).filtered_spread == {}


def test_the_mean_of_seeds_keeps_ranks_groups_and_what_fitting_took() -> None:
    one, two = (
        replace(evaluate(fixed(*scores), TABLE, LAST), fit_seconds=seconds, fit_mib=100 * seconds)
        for scores, seconds in (((5, 4, 3, 2), 1.0), ((5, 3, 4, 2), 3.0))
    )
    mean = mean_of_seeds([one, two])
    assert mean.ranks is not None
    assert mean.ranks.unfiltered.tolist() == [[3, 3], [2, 2]]
    assert mean.ranks.per_user("mrr", filtered=False) == pytest.approx([5 / 12, 5 / 12])
    assert (mean.fit_seconds, mean.fit_mib) == (2.0, 300.0)
    assert mean.groups["users"]["cold"]["users"] == 2
    assert mean.groups["users"]["cold"]["unfiltered"]["ndcg@10"] == pytest.approx((1 / 2 + 1 / np.log2(3)) / 2)
    others = replace(two, ranks=UserRanks(LAST - 1, *([np.zeros((1, 2))] * 3)))  # type: ignore[arg-type]
    assert mean_of_seeds([one, others]).ranks is None  # other held-out reviews


def test_different_models_have_no_mean() -> None:
    with pytest.raises(ValueError, match="reports of one model"):
        mean_of_seeds([report_of(0.1), report_of(0.1, "other")])
    with pytest.raises(ValueError, match="got none"):
        mean_of_seeds([])


def test_tables() -> None:
    rows = {"popular": report_of(0.05), "mine": mean_of_seeds([report_of(0.1), report_of(0.2)])}
    assert format_table(rows, metrics=("recall@10",)).splitlines() == [
        "model     R@10 filtered  R@10 unfiltered  users  seconds",
        "-------  --------------  ---------------  -----  -------",
        "popular          0.0500           0.0500  1,234      0.1",
        "mine     0.1500 ±0.0707   0.1500 ±0.0707  1,234      0.2",
    ]
    markdown = format_table(rows, markdown=True, metrics=("recall@10", "ndcg@10")).splitlines()
    assert markdown[0].split("|")[2].strip() == "R@10 filtered"
    assert markdown[1].startswith("| ------- | -------------: |")
    assert {line.count("|") for line in markdown} == {8}


def test_tables_show_what_fitting_took_where_it_is_known() -> None:
    rows = {"mine": replace(report_of(0.1), fit_seconds=2.5, fit_mib=1234.4), "checkpoint": report_of(0.1)}
    head, _, mine, checkpoint = format_table(rows, metrics=("recall@10",)).splitlines()
    assert head.endswith("seconds  fit seconds  fit MiB")
    assert mine.split()[-2:] == ["2.5", "1,234"]
    assert checkpoint.split()[-2:] == ["-", "-"]
