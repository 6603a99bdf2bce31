"""When events happen: over hours, weekdays and months, and at which date their course changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.sales import DAY

Values = npt.NDArray[np.float64]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOUR, WEEK = 3_600, 7
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
MIN_WEEKS = 8  # below so many, no change is looked for
PERMUTATIONS = 200  # of the weeks: how large a step chance alone makes
CLEAR = 0.99  # part of the permutations with a smaller step


@dataclass(frozen=True)
class Activity:
    """Events over time, by kind; kinds as `EventTable.kinds`."""

    kinds: tuple[str, ...]
    has_hours: bool  # false: the times are whole days
    hours: Ints  # (num_kinds, 24), UTC
    weekdays: Ints  # (num_kinds, 7), Monday first
    months: dict[str, list[int]]  # "2018-09": events of each kind
    first: date
    last: date
    closed: tuple[str, ...]  # weekdays on which nothing ever happens


@dataclass(frozen=True)
class Change:
    """A date at which the weekly course of something takes another level."""

    what: str
    when: date  # first day of the first week of the new level
    before: float  # mean over the weeks before
    after: float
    unit: str  # "events", "share", "stars"


def activity_of(events: EventTable) -> Activity:
    """Count events by hour, weekday and month; times are seconds since 1970 UTC."""
    kinds, time = len(events.kinds), events.timestamp
    day = time // DAY
    weekday = (day + EPOCH_WEEKDAY) % WEEK
    months: dict[str, list[int]] = {}
    month = time.astype("datetime64[s]").astype("datetime64[M]")
    for each in np.unique(month):
        counts = np.bincount(events.kind[month == each], minlength=kinds)
        months[str(each)] = counts.tolist()
    weekdays = _counts(events.kind, weekday, kinds, WEEK)
    never = tuple(name for name, count in zip(WEEKDAYS, weekdays.sum(axis=0), strict=True) if not count)
    return Activity(
        kinds=events.kinds,
        has_hours=bool((time % DAY != 0).any()),
        hours=_counts(events.kind, (time % DAY) // HOUR, kinds, 24),
        weekdays=weekdays,
        months=months,
        first=_date(int(day.min())),
        last=_date(int(day.max())),
        closed=never,
    )


def changes_of(events: EventTable, rating: Values | None = None, rated_at: Ints | None = None) -> list[Change]:
    """The clearest change in the weekly number of events, in the share of each kind, and in the mean rating.

    For every week, the mean of the weeks before is compared with that of the weeks after; the largest difference, in
    standard errors, is kept where it is larger than in 99 % of 200 seeded shuffles of the weeks (a permutation test
    against "no change"). Weeks that are not whole, the first and the last, are left out.

    Args:
        events: with times.
        rating: (n,) ratings, nan where there is none.
        rated_at: (n,) their times.
    """
    day = events.timestamp // DAY
    start = int(day.min())
    week = (day - start) // WEEK
    whole = int((int(day.max()) + 1 - start) // WEEK)
    if whole < MIN_WEEKS:
        return []
    inside = week < whole
    counts = _counts(events.kind[inside], week[inside], len(events.kinds), whole).astype(np.float64)
    total = counts.sum(axis=0)
    series: list[tuple[str, Values, str]] = [("the events per week", total, "events")]
    if len(events.kinds) > 1:
        share = counts / np.maximum(total, 1)
        series += [(f"the share of {kind}", share[place], "share") for place, kind in enumerate(events.kinds)]
    if rating is not None and rated_at is not None:
        series += _mean_ratings(rating, rated_at, start, whole)
    found = []
    for what, values, unit in series:
        place = _step(values)
        if place is not None:
            before, after = float(np.nanmean(values[:place])), float(np.nanmean(values[place:]))
            found.append(Change(what, _date(start + WEEK * place), before, after, unit))
    return found


def _mean_ratings(rating: Values, rated_at: Ints, start: int, whole: int) -> list[tuple[str, Values, str]]:
    """The weekly mean rating, where every week has some."""
    week = (rated_at // DAY - start) // WEEK
    use = ~np.isnan(rating) & (week >= 0) & (week < whole)
    count = np.bincount(week[use], minlength=whole)
    if not count.all():
        return []
    return [("the mean rating", np.bincount(week[use], rating[use], minlength=whole) / count, "stars")]


def _step(values: Values) -> int | None:
    """The place at which a series takes another level; None where no step is clear."""
    place, size = _largest_step(values)
    random = np.random.default_rng(0)
    by_chance = [_largest_step(random.permutation(values))[1] for _ in range(PERMUTATIONS)]
    return place if size > np.quantile(by_chance, CLEAR) else None


def _largest_step(values: Values) -> tuple[int, float]:
    """The place whose sides differ most, in standard errors; at least two weeks on either side."""
    count = len(values)
    place = np.arange(2, count - 1)
    total, squares = np.cumsum(values), np.cumsum(values**2)
    before, after = total[place - 1] / place, (total[-1] - total[place - 1]) / (count - place)
    inside = squares[-1] - place * before**2 - (count - place) * after**2  # squares around the two means
    error = np.sqrt(np.maximum(inside, 1e-12) / count * (1 / place + 1 / (count - place)))
    size = np.abs(after - before) / error
    best = int(np.argmax(size))
    return int(place[best]), float(size[best])


def _counts(row: npt.NDArray[np.integer], column: Ints, rows: int, columns: int) -> Ints:
    """(rows, columns) how often each pair comes."""
    found: Ints = np.bincount(row.astype(np.int64) * columns + column, minlength=rows * columns).reshape(rows, columns)
    return found


def _date(day: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
