from __future__ import annotations

from math import log2

import numpy as np
import pytest

from rec_sys.metrics.groups import BY_HISTORY, BY_TRAINING, Group, group_figures, mean_of_groups
from rec_sys.metrics.protocol import evaluate
from tests.support.fixed_scorer import FixedScorer
from tests.support.toy import table_of


def test_groups_by_hand() -> None:
    filtered = np.array([1, 3, 11, 2, 20.0])
    unfiltered = np.array([2, 3, 11, 4, 20.0])
    user = np.array([0, 1, 2, 3, 3])
    lengths = np.array([10, 9, 5, 4, 0])
    groups = group_figures(filtered, unfiltered, user, lengths, BY_HISTORY)
    assert {name: group["users"] for name, group in groups.items()} == {"hot": 1, "warm": 2, "cold": 1}
    assert groups["hot"]["filtered"] == {"recall@10": 1.0, "ndcg@10": 1.0}
    assert groups["hot"]["unfiltered"] == pytest.approx({"recall@10": 1, "ndcg@10": 1 / log2(3)})
    assert groups["warm"]["filtered"] == pytest.approx({"recall@10": 1 / 2, "ndcg@10": 1 / 4})
    assert groups["cold"]["filtered"] == pytest.approx({"recall@10": 1 / 2, "ndcg@10": 1 / log2(3) / 2})


@pytest.mark.parametrize(
    ("count", "by_history", "by_training"),
    [
        (0, "cold", "cold"),
        (4, "cold", "cold"),
        (5, "warm", "warm"),
        (9, "warm", "warm"),
        (10, "hot", "warm"),
        (19, "hot", "warm"),
        (20, "hot", "hot"),
        (1000, "hot", "hot"),
    ],
)
def test_the_bounds(count: int, by_history: str, by_training: str) -> None:
    one = np.ones(1)
    for bounds, expected in ((BY_HISTORY, by_history), (BY_TRAINING, by_training)):
        groups = group_figures(one, one, np.zeros(1, dtype=np.int64), np.array([count]), bounds)
        assert [name for name, group in groups.items() if group["users"]] == [expected]


def test_a_group_of_nobody_has_no_figures() -> None:
    groups = group_figures(np.ones(1), np.ones(1), np.zeros(1, dtype=np.int64), np.array([3]), BY_HISTORY)
    assert groups["hot"] == {"users": 0, "filtered": {}, "unfiltered": {}}


def test_the_mean_is_over_the_seeds_that_have_users() -> None:
    def run(rank: float, length: int) -> dict[str, Group]:
        ranks = np.array([rank])
        return group_figures(ranks, ranks, np.zeros(1, dtype=np.int64), np.array([length]), BY_HISTORY)

    mean = mean_of_groups([run(1, 10), run(3, 10), run(1, 5)])
    assert mean["hot"]["users"] == 1
    assert mean["hot"]["filtered"] == mean["hot"]["unfiltered"] == {"recall@10": 1.0, "ndcg@10": 0.75}
    assert mean["warm"]["users"] == 1
    assert mean["cold"] == {"users": 0, "filtered": {}, "unfiltered": {}}


def test_a_report_groups_users_by_all_of_their_history_and_products_by_training() -> None:
    # long: 11 reviews before "z"; short: 1 before "z" and 5 of "y" by others to train on
    reviews = [("long", f"p{place}", 5.0, place) for place in range(11)] + [("long", "z", 5.0, 99)]
    reviews += [("short", "p0", 5.0, 1), ("short", "y", 5.0, 2)]
    reviews += [(f"other{number}", "y", 5.0, 1) for number in range(5)]
    table = table_of(reviews)
    targets = np.array([11, 13])
    train = np.setdiff1d(np.arange(len(table)), targets)
    scores = np.zeros(table.num_products, dtype=np.float32)
    scores[table.products.number("z")] = 1
    report = evaluate(FixedScorer(scores, max_history=2), table, targets, train=train)
    users, products = report.groups["users"], report.groups["products"]
    assert [users[name]["users"] for name in ("hot", "warm", "cold")] == [1, 0, 1]
    assert users["hot"]["filtered"]["recall@10"] == 1.0  # though the model saw two reviews only
    assert [products[name]["users"] for name in ("hot", "warm", "cold")] == [0, 1, 1]
    assert products["cold"]["unfiltered"]["recall@10"] == 1.0  # z has no training review
    assert products["warm"]["unfiltered"]["recall@10"] == 1.0  # y is first of the equal ones but for z
    assert "products" not in evaluate(FixedScorer(scores), table, targets).groups
