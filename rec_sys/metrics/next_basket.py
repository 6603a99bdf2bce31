"""Next baskets: what a customer buys next, ranked by what they did on earlier days; any recommender can be asked.

A *basket* is an invoice or a transaction; events without one are a basket per user and day. The question is what the
user did on days before it, never on the same day. Figures have two columns: *all* counts everything in a basket,
*new* only what the user never had, with the rest left out of the ranking. Repeats are half of what shops sell, so a
model may be good in one column and useless in the other.

    hr@k      the basket holds one of the first k products
    recall@k  part of the basket among the first k
    ndcg@k    sum of 1 / log2(place + 1) over the hits, divided by that of a perfect list

Each is a mean over baskets that hold something to find in the column; full ranking, equal scores by product number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.dataset.sales import DAY
from rec_sys.metrics.ranking import check_scores, first_products
from rec_sys.metrics.scorer import Scorer, TwoWayScorer
from rec_sys.metrics.validation import users_at_once

Flags = npt.NDArray[np.bool_]
Column = str  # "all" or "new"
COLUMNS: tuple[Column, Column] = ("all", "new")
AT_LEAST = 20  # baskets that a cut in time must leave, else the last day of each user is held out


@dataclass(frozen=True)
class EventFeatures:
    """What the rows of events say as reviews do: their times."""

    timestamp: Ints  # (num_events,)

    @property
    def text(self) -> Vectors:
        """(num_events, 0)"""
        return np.zeros((len(self.timestamp), 0), dtype=np.float16)

    @property
    def rating(self) -> Floats:
        """(num_events,) nan"""
        return np.full(len(self.timestamp), np.nan, dtype=np.float32)


@dataclass(frozen=True)
class Baskets:
    """Baskets to be found, each with what its user did on earlier days."""

    query: Query  # (num_baskets) whole histories
    indptr: Ints  # (num_baskets + 1,)
    product: Ints  # (num_entries,) distinct products of each basket, ascending
    num_products: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def part(self, start: int, stop: int) -> Baskets:
        """Baskets start to stop."""
        stop = min(stop, len(self))
        first, last = self.indptr[start], self.indptr[stop]
        indptr = self.indptr[start : stop + 1] - first
        return Baskets(self.query.part(start, stop), indptr, self.product[first:last], self.num_products)

    @cached_property
    def _row(self) -> Ints:
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @cached_property
    def _seen(self) -> Ints:
        """(num_seen,) the products of the histories, each once, as row * num_products + product."""
        histories = self.query.histories
        pairs = np.sort(histories.row * self.num_products + histories.product)
        return pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs

    @cached_property
    def _is_new(self) -> Flags:
        """(num_entries,) products that the user never had."""
        flags: Flags = ~np.isin(self._row * self.num_products + self.product, self._seen)
        return flags

    def sizes(self, column: Column) -> Ints:
        """(num_baskets,) products to be found."""
        wanted = self._row[self._is_new] if column == "new" else self._row
        return np.bincount(wanted, minlength=len(self))

    def figures(self, scores: Floats, column: Column, k: int = 10) -> dict[str, npt.NDArray[np.float64]]:
        """hr, recall and ndcg of each basket that holds something to find, from (num_baskets, num_products) scores."""
        new = column == "new"
        check_scores(scores)
        if new:
            scores = scores.copy()
            scores.reshape(-1)[self._seen] = -np.inf
        first = first_products(scores, k)  # (num_baskets, k)
        chosen = self._is_new if new else slice(None)
        wanted = self._row[chosen] * self.num_products + self.product[chosen]
        found = np.isin(np.arange(len(self))[:, None] * self.num_products + first, wanted)
        sizes = self.sizes(column)
        asked = sizes > 0
        found, sizes = found[asked], sizes[asked]
        gain = 1 / np.log2(np.arange(2, first.shape[1] + 2))
        ideal = np.cumsum(gain)[np.minimum(sizes, first.shape[1]) - 1]
        return {
            f"hr@{k}": found.any(axis=1).astype(np.float64),
            f"recall@{k}": found.sum(axis=1) / sizes,
            f"ndcg@{k}": (found * gain).sum(axis=1) / ideal,
        }


def evaluate_baskets(
    model: Scorer, baskets: Baskets, k: int = 10, max_history: int | None = None
) -> dict[Column, dict[str, float]]:
    """Both columns of figures of a recommender, and how many baskets each is a mean of.

    Args:
        model: fitted on what was before these baskets.
        baskets: of `hold_out` or `baskets_after`.
        k: length of the lists.
        max_history: newest entries of a history that the model is given; None: as many as it reads.
    """
    read = model.max_history if max_history is None else max_history
    size = users_at_once(baskets.num_products)
    parts: dict[Column, list[Mapping[str, npt.NDArray[np.float64]]]] = {column: [] for column in COLUMNS}
    for start in range(0, len(baskets), size):
        block = baskets.part(start, start + size)
        query = block.query.last(read)
        filtered, whole = model.score_both_ways(query) if isinstance(model, TwoWayScorer) else (model.score(query),) * 2
        parts["all"].append(block.figures(whole, "all", k))
        parts["new"].append(block.figures(filtered, "new", k))
    names = [f"{kind}@{k}" for kind in ("hr", "recall", "ndcg")]
    figures: dict[Column, dict[str, float]] = {}
    for column in COLUMNS:
        values = {name: np.concatenate([np.zeros(0), *(part[name] for part in parts[column])]) for name in names}
        count = len(values[names[0]])
        figures[column] = {name: float(values[name].mean()) if count else float("nan") for name in names}
        figures[column]["baskets"] = count
    return figures


def steps_of(timestamp: Ints, dated: bool) -> Ints:
    """What is earlier than what: the day, or the place in the order where there are no times."""
    return timestamp // DAY if dated else timestamp


def hold_out(
    events: EventTable, dated: bool, part: float = 0.1, limit: int | None = None
) -> tuple[EventTable, Baskets]:
    """Events to learn from, and later baskets to be found.

    With times, what lies after the day by which all but a `part` of the visits (users' days) have been is held out.
    Without, or where that leaves fewer than 20 baskets, it is the last day or place of each user.

    Args:
        events: of all users.
        dated: timestamps are times.
        part: of the visits, to hold out.
        limit: baskets at most, evenly spaced among all of them.
    """
    step = steps_of(events.timestamp, dated)
    if dated and len(events):
        visit = np.ones(len(events), dtype=bool)
        visit[1:] = (events.user[1:] != events.user[:-1]) | (step[1:] != step[:-1])
        cut = int(np.quantile(step[visit], 1 - part, method="higher"))
        baskets = baskets_after(events, cut * DAY, dated, limit)
        if len(baskets) >= AT_LEAST:
            return events.part(np.flatnonzero(step < cut)), baskets
    last = np.full(len(events.users), np.iinfo(np.int64).min)
    np.maximum.at(last, events.user, step)
    held_out = step == last[events.user]
    return events.part(np.flatnonzero(~held_out)), _baskets(events, step, held_out, limit)


def baskets_after(events: EventTable, time: int, dated: bool = True, limit: int | None = None) -> Baskets:
    """The baskets of a time and later, of users with something on an earlier day; that may be after `time` too.

    Args:
        events: of all users.
        time: seconds since 1970 UTC.
        dated: timestamps are times; else places in an order, and an earlier place is an earlier day.
        limit: baskets at most, evenly spaced among all of them.
    """
    return _baskets(events, steps_of(events.timestamp, dated), events.timestamp >= time, limit)


def _baskets(events: EventTable, step: Ints, asked: Flags, limit: int | None) -> Baskets:
    """The baskets that begin with one of the `asked` events and have a history."""
    num_products = len(events.products)
    order = np.lexsort((events.product, events.basket, step, events.user))
    user, day, basket, product = events.user[order], step[order], events.basket[order], events.product[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (user[1:] != user[:-1]) | (day[1:] != day[:-1]) | (basket[1:] != basket[:-1])
    number = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    # events are sorted by user and time, so what a user did on earlier days is one run of rows
    indptr = events.indptr()
    earlier = np.searchsorted(np.flatnonzero(_new_day(events.user, step)), first, side="right") - 1
    until = np.flatnonzero(_new_day(events.user, step))[earlier] if len(first) else first
    since = indptr[user[first]]
    chosen = np.flatnonzero((until > since) & asked[order][first])
    if limit is not None and len(chosen) > limit:
        chosen = chosen[np.linspace(0, len(chosen) - 1, limit).astype(np.int64)]
    entries = np.flatnonzero(np.isin(number, chosen))
    kept = np.ones(len(entries), dtype=bool)
    kept[1:] = (number[entries][1:] != number[entries][:-1]) | (product[entries][1:] != product[entries][:-1])
    entries = entries[kept]
    lengths = until[chosen] - since[chosen]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    row = np.arange(ends[-1]) + np.repeat(since[chosen] - ends[:-1], lengths)
    histories = Histories(ends, row, events.product[row])
    when = events.timestamp[order][first[chosen]]
    query = Query(histories, EventFeatures(events.timestamp), user[first[chosen]], when)
    sizes = np.searchsorted(number[entries], np.append(chosen, len(number)), side="left").astype(np.int64)
    return Baskets(query, sizes, product[entries], num_products)


def _new_day(user: Ints, step: Ints) -> Flags:
    """(num_events,) whether an event is the first of its user's day."""
    new = np.ones(len(user), dtype=bool)
    new[1:] = (user[1:] != user[:-1]) | (step[1:] != step[:-1])
    return new
