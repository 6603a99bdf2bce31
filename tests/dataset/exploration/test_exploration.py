"""The exploration of small data sets whose figures can be counted by hand, and the command on the sample."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.exploration.activity import activity_of, changes_of
from rec_sys.dataset.exploration.facts import explore
from rec_sys.dataset.exploration.findings import findings_of
from rec_sys.dataset.exploration.funnel import funnel_of
from rec_sys.dataset.exploration.page import exploration_text, write_exploration
from rec_sys.dataset.exploration.spread import cold_start_of, spread_of, top_products
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap

MONDAY = 1_388_966_400  # 2014-01-06 00:00 UTC
DAY, HOUR = 86_400, 3_600
KINDS = ("view", "addtocart", "transaction")
Row = tuple[int, int, int, int]  # user, product, kind, seconds


def events_of(rows: Sequence[Row], kinds: tuple[str, ...] = KINDS) -> EventTable:
    ordered = sorted(rows, key=lambda row: (row[0], row[3]))
    user, product, kind, time = (np.array(column, dtype=np.int64) for column in zip(*ordered, strict=True))
    count = len(ordered)
    return EventTable(
        users=IdMap([f"u{n}" for n in range(int(user.max()) + 1)], "user"),
        products=IdMap([f"p{n}" for n in range(int(product.max()) + 1)], "product"),
        kinds=kinds,
        weights=np.ones(len(kinds), dtype=np.float32),
        user=user,
        product=product,
        timestamp=time,
        kind=kind.astype(np.int8),
        basket=np.full(count, -1, dtype=np.int64),
        quantity=np.ones(count, dtype=np.float32),
        price=np.full(count, np.nan, dtype=np.float32),
    )


def dataset_of(events: EventTable) -> Dataset:
    rating = np.full(len(events), np.nan, dtype=np.float32)
    row = np.arange(len(events))
    table = ReviewTable(events.users, events.products, events.user, events.product, rating, events.timestamp, row)
    found = Dataset.of_table(table, names=["<b>first</b>", *[""] * (len(events.products) - 1)], name="toy")
    found.read_events = lambda: events
    return found


def test_activity_is_counted_by_hour_weekday_and_month() -> None:
    rows = [(0, 0, 0, MONDAY + 9 * HOUR), (0, 1, 0, MONDAY + DAY), (1, 0, 1, MONDAY + 31 * DAY + 9 * HOUR)]
    activity = activity_of(events_of(rows))
    assert activity.hours[0, [0, 9]].tolist() == [1, 1]
    assert activity.hours[1, 9] == activity.hours[1].sum() == 1
    assert activity.weekdays.sum(axis=0).tolist() == [1, 1, 0, 1, 0, 0, 0]  # 31 days on from a Monday: a Thursday
    assert activity.months == {"2014-01": [2, 0, 0], "2014-02": [0, 1, 0]}
    assert activity.closed == ("Wed", "Fri", "Sat", "Sun")
    assert (activity.first, activity.last) == (date(2014, 1, 6), date(2014, 2, 6))
    assert activity.has_hours
    assert not activity_of(events_of([(0, 0, 0, MONDAY)])).has_hours


def weekly(counts: Sequence[int]) -> list[Row]:
    return [(n % 5, n % 7, 0, MONDAY + week * 7 * DAY + n % 7 * DAY) for week, c in enumerate(counts) for n in range(c)]


def test_a_step_in_the_weekly_events_is_dated() -> None:
    random = np.random.default_rng(1)
    counts = [*random.integers(18, 23, 12), *random.integers(45, 55, 9)]
    (change,) = changes_of(events_of(weekly([int(c) for c in counts]), ("review",)))
    assert change.when == date(2014, 1, 6 + 0) + (date(2014, 3, 31) - date(2014, 1, 6))
    assert change.before == pytest.approx(np.mean(counts[:12]))
    assert change.after == pytest.approx(np.mean(counts[12:]))


@pytest.mark.parametrize("seed", range(3))
def test_chance_alone_is_no_change(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(15, 25, 30)
    assert changes_of(events_of(weekly([int(c) for c in counts]), ("review",))) == []


def test_a_few_weeks_are_too_few_for_changes() -> None:
    assert changes_of(events_of(weekly([3, 3, 30, 30]), ("review",))) == []


def test_the_funnel_counts_users_pairs_and_wrong_orders() -> None:
    rows = [
        (0, 0, 0, MONDAY),
        (0, 0, 1, MONDAY + 2 * HOUR),  # two hours on
        (0, 1, 0, MONDAY),
        (1, 0, 0, MONDAY + 5 * HOUR),
        (1, 0, 1, MONDAY),  # before the view
        (2, 2, 0, MONDAY),
        (2, 1, 1, MONDAY),  # without a view
    ]
    step, last = funnel_of(events_of(rows))
    assert (step.start, step.end, step.users, step.users_on, step.pairs, step.pairs_on) == (*KINDS[:2], 3, 3, 4, 2)
    assert (step.without, step.backwards, step.repeated, step.hours) == (1, 1, 0, 2.0)
    assert (last.pairs, last.pairs_on) == (3, 0)
    assert np.isnan(last.hours)


def test_spread_and_outliers() -> None:
    rows = [(user, place, 0, MONDAY) for user in range(20) for place in range(2)]
    rows += [(20, place % 40, 0, MONDAY) for place in range(500)]
    users = spread_of(events_of(rows), "user")
    assert (users.total, users.median, users.most) == (21, 2, 500)
    assert users.outliers == [("u20", 500)]
    assert users.top_share == pytest.approx(500 / 540)
    assert users.gini == pytest.approx(1 - 2 * ((40 / 540) / 21 * 10 + (40 / 540 + 1) / 2 / 21), abs=1e-3)
    even = spread_of(events_of([(user, 0, 0, MONDAY) for user in range(9)]), "user")
    assert even.gini == pytest.approx(0)
    assert even.outliers == []
    assert even.with_one == 9


def test_the_first_products_of_each_kind() -> None:
    rows = [(user, 0, 0, MONDAY) for user in range(5)] + [(0, 1, 0, MONDAY), (1, 1, 2, MONDAY), (2, 1, 2, MONDAY)]
    views, carts, bought = top_products(events_of(rows), ["first", "second"])
    assert views.products == [("p0", "first", 5), ("p1", "second", 1)]
    assert carts.products == []
    assert bought.products == [("p1", "second", 2)]
    assert bought.shared == 1


def test_cold_start_looks_at_the_newest_fifth() -> None:
    rows = [(n % 4, n % 3, 0, MONDAY + n * DAY) for n in range(8)]
    rows += [(9, 0, 0, MONDAY + 20 * DAY), (0, 5, 0, MONDAY + 21 * DAY)]
    cold = cold_start_of(events_of(rows))
    assert (cold.events, cold.of_new_users, cold.of_new_products, cold.of_new_pairs) == (2, 0.5, 0.5, 1.0)


def test_findings_name_what_is_suspicious(tmp_path: Path) -> None:
    rows = [(user, 0, 1, MONDAY) for user in range(6)] + [(user, 0, 0, MONDAY + HOUR) for user in range(6)]
    facts = explore(dataset_of(events_of(rows)))
    said = "\n".join(findings_of(facts))
    assert "100% of the pairs" in said
    assert "6 of 6 users" in said
    assert facts.missing["price"] == (12, 12)
    assert facts.missing["name of the product"] == (0, 1)
    assert "<b>first</b> (6)" in exploration_text(facts)
    page = tmp_path / "page.html"
    write_exploration(facts, page, [("kept", 12, "all")])
    html = page.read_text()
    assert "<b>first" not in html
    assert "&lt;b&gt;first" in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert html.count("<figure>") >= 5


def test_data_without_times_is_explored_all_the_same() -> None:
    data = dataset_of(events_of([(user, user % 3, 0, place) for place, user in enumerate(range(12))]))
    data.has_dates = False
    facts = explore(data)
    assert facts.activity is None
    assert facts.cold_start is None
    assert facts.changes == []
    assert facts.missing["time"] == (12, 12)


def test_the_command_on_the_sample(tmp_path: Path) -> None:
    words = ["data.sample_users=60", "data.sample_products=60", "data.sample_reviews=600", f"paths.work_dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "rec_sys.dataset.explore", *words], capture_output=True, text=True, check=True
    )
    assert "600 events (600 review) of 60 users" in done.stdout
    assert (tmp_path / "reports/sample-exploration.html").stat().st_size > 20_000
