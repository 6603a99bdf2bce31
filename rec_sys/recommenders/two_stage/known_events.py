"""What is known of those who ask: their events before the time of the question, and these summed per product."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query


@dataclass(frozen=True)
class KnownEvents:
    """Events of each asker, oldest first; the events of row i are `indptr[i]` to `indptr[i + 1]`.

    All of them happened before `now`, the time of the question.
    """

    indptr: Ints  # (n + 1,)
    product: Ints  # (num_entries,) product numbers
    kind: Ints  # (num_entries,) places in the kinds of the event table
    timestamp: Ints  # (num_entries,) seconds since 1970 UTC
    now: Ints  # (n,) seconds since 1970 UTC
    user: Ints  # (n,) user numbers of the training; -1: a new user
    num_products: int
    num_kinds: int

    def __len__(self) -> int:
        return len(self.now)

    @cached_property
    def row(self) -> Ints:
        """(num_entries,) the asker of each event."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @cached_property
    def pairs(self) -> OwnPairs:
        """The events summed per asker and product."""
        return _pairs_of(self)

    @property
    def is_empty(self) -> npt.NDArray[np.bool_]:
        """(n,) whether nothing is known of the asker."""
        flags: npt.NDArray[np.bool_] = np.diff(self.indptr) == 0
        return flags

    def part(self, start: int, stop: int) -> KnownEvents:
        """Askers start to stop."""
        stop = min(stop, len(self))
        rows = slice(self.indptr[start], self.indptr[stop])
        return KnownEvents(
            self.indptr[start : stop + 1] - self.indptr[start],
            self.product[rows],
            self.kind[rows],
            self.timestamp[rows],
            self.now[start:stop],
            self.user[start:stop],
            self.num_products,
            self.num_kinds,
        )

    def histories(self) -> Histories:
        """The products of each asker, each once, by its newest event, oldest first."""
        pairs = self.pairs
        order = np.lexsort((-pairs.place, pairs.row))
        indptr = np.searchsorted(pairs.row, np.arange(len(self) + 1)).astype(np.int64)
        return Histories(indptr, np.arange(len(order)), pairs.product[order])


@dataclass(frozen=True)
class OwnPairs:
    """Askers and their own products, sorted by asker, then product."""

    row: Ints  # (num_pairs,)
    product: Ints  # (num_pairs,)
    count: Ints  # (num_pairs, num_kinds) events of each kind
    last: Ints  # (num_pairs, num_kinds) time of the newest event of each kind; -1: none
    first: Ints  # (num_pairs,) time of the oldest event
    place: Ints  # (num_pairs,) 0: the product of the newest event of the asker, 1: the next other product, ...
    num_products: int

    @property
    def strongest(self) -> Ints:
        """(num_pairs,) the strongest kind of event of each."""
        kinds: Ints = self.count.shape[1] - 1 - np.argmax(self.count[:, ::-1] > 0, axis=1)
        return kinds

    def find(self, row: Ints, product: Ints) -> Ints:
        """(m,) the pair of each asker and product; -1: the product is none of their own."""
        if not len(self.row):
            return np.full(len(row), -1, dtype=np.int64)
        keys = self.row * self.num_products + self.product
        wanted = row * self.num_products + product
        at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
        return np.where(keys[at] == wanted, at, -1)


def _pairs_of(known: KnownEvents) -> OwnPairs:
    keys, pair = np.unique(known.row * known.num_products + known.product, return_inverse=True)
    row, product = keys // known.num_products, keys % known.num_products
    shape = (len(keys), known.num_kinds)
    cell = pair * known.num_kinds + known.kind
    last = np.full(shape, -1, dtype=np.int64)
    np.maximum.at(last.reshape(-1), cell, known.timestamp)
    first = np.full(len(keys), np.iinfo(np.int64).max)
    np.minimum.at(first, pair, known.timestamp)
    newest = np.full(len(keys), -1, dtype=np.int64)  # entry of the newest event
    np.maximum.at(newest, pair, np.arange(len(pair)))
    order = np.lexsort((-newest, row))
    place = np.empty(len(keys), dtype=np.int64)
    place[order] = np.arange(len(keys)) - np.searchsorted(row, row)
    count = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    return OwnPairs(row, product, count, last, first, place, known.num_products)


class EventIndex:
    """Finds the events of a user before a time.

    Args:
        events: sorted by user, then time.
    """

    def __init__(self, events: EventTable) -> None:
        self.events = events
        self._start = int(events.timestamp.min(initial=0)) if len(events) else 0
        self._width = int(events.timestamp.max(initial=0)) - self._start + 2 if len(events) else 1
        self._keys = events.user.astype(np.int64) * self._width + (events.timestamp - self._start)
        self._indptr = events.indptr()

    def before(self, users: Ints, times: Ints, limit: int) -> KnownEvents:
        """The newest `limit` events of each user before each time; of user -1 none.

        Args:
            users: (n,) user numbers.
            times: (n,) seconds since 1970 UTC.
            limit: events of each at most.
        """
        events = self.events
        since = (times - self._start).clip(0, self._width - 1)
        known = users >= 0
        stop = np.where(known, np.searchsorted(self._keys, users * self._width + since), 0)
        start = np.where(known, self._indptr[users.clip(0)], 0)
        start = np.maximum(start, stop - limit)
        indptr = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int64)
        at = np.arange(indptr[-1]) + np.repeat(start - indptr[:-1], stop - start)
        return KnownEvents(
            indptr,
            events.product[at],
            events.kind[at].astype(np.int64),
            events.timestamp[at],
            times,
            users,
            len(events.products),
            len(events.kinds),
        )

    def of_query(self, query: Query, limit: int) -> KnownEvents:
        """What a query tells, and of known users what they did before it.

        Products of a history that are in none of the known events before the question count as events of the weakest
        kind, at the times of their reviews; without times, right before the question in the order of the history.
        Without a time of the question it is asked a second after the newest that is known of the user; of somebody of
        whom nothing is known, after the newest event of the training.
        """
        n, histories = len(query), query.histories
        users = np.full(n, -1, dtype=np.int64) if query.users is None else query.users
        never = np.full(n, np.iinfo(np.int64).max // 4)
        known = self.before(users, never if query.time is None else query.time, limit)
        entry_time = _times_of(query)
        now = _times_of_questions(query, known, entry_time, self._start + self._width - 1)
        guessed = now[histories.row] - 1 - histories.age
        timed = (entry_time > 0) & (entry_time < now[histories.row])
        entry_time = np.where(timed, entry_time, guessed)
        own = known.row * known.num_products + known.product
        wanted = histories.row * known.num_products + histories.product
        new = ~np.isin(wanted, own)
        row = np.concatenate([known.row, histories.row[new]])
        product = np.concatenate([known.product, histories.product[new]])
        kind = np.concatenate([known.kind, np.zeros(new.sum(), dtype=np.int64)])
        timestamp = np.concatenate([known.timestamp, entry_time[new]])
        order = np.lexsort((timestamp, row))  # stable: of one time, in the order given
        row, product, kind, timestamp = row[order], product[order], kind[order], timestamp[order]
        indptr = np.searchsorted(row, np.arange(n + 1)).astype(np.int64)
        recent = indptr[row + 1] - 1 - np.arange(len(row)) < limit
        indptr = np.searchsorted(row[recent], np.arange(n + 1)).astype(np.int64)
        return KnownEvents(
            indptr, product[recent], kind[recent], timestamp[recent], now, users, known.num_products, known.num_kinds
        )


def _times_of(query: Query) -> Ints:
    """(num_entries,) times of the reviews of the histories; 0 where none is known."""
    if query.reviews is None:
        return np.zeros(len(query.histories.review), dtype=np.int64)
    return np.asarray(query.reviews.timestamp, dtype=np.int64)[query.histories.review]


def _times_of_questions(query: Query, known: KnownEvents, entry_time: Ints, end: int) -> Ints:
    if query.time is not None:
        return query.time.astype(np.int64)
    newest = np.zeros(len(query), dtype=np.int64)
    np.maximum.at(newest, known.row, known.timestamp)
    np.maximum.at(newest, query.histories.row, entry_time)
    return np.where(newest > 0, newest, end - 1) + 1
