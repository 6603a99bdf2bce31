"""Events: who did what with which product, when; views, carts, purchases, reviews, lines of invoices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap

Kinds = npt.NDArray[np.int8]

REVIEW, PURCHASE = "review", "transaction"  # kinds of the events that reviews and invoice lines give


@dataclass(frozen=True)
class EventTable:
    """Events sorted by user, then time, then order of the raw file.

    Users and products are numbered as in the review table of the same data set. Returned and cancelled lines of orders
    are netted beforehand, so every event happened and was not undone.
    """

    users: IdMap
    products: IdMap
    kinds: tuple[str, ...]  # names of the kinds, the weakest first
    weights: Floats  # (num_kinds,) how much one event of each kind says
    user: Ints  # (num_events,) user numbers, ascending
    product: Ints  # (num_events,) product numbers
    timestamp: Ints  # (num_events,) seconds since 1970 UTC; places in an order where the source has no time
    kind: Kinds  # (num_events,) places in `kinds`
    basket: Ints  # (num_events,) number of the invoice or transaction; -1: of none
    quantity: Floats  # (num_events,) pieces; 1 where the source has none
    price: Floats  # (num_events,) of a piece; nan where the source has none

    def __len__(self) -> int:
        return len(self.user)

    @property
    def weight(self) -> Floats:
        """(num_events,)"""
        weights: Floats = self.weights[self.kind]
        return weights

    def indptr(self) -> Ints:
        """(num_users + 1,): the events of user u are the rows indptr[u] to indptr[u + 1]."""
        return np.searchsorted(self.user, np.arange(len(self.users) + 1)).astype(np.int64)

    def part(self, rows: Ints) -> EventTable:
        """Some events, by ascending row."""
        columns = ("user", "product", "timestamp", "kind", "basket", "quantity", "price")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def of_kind(self, name: str) -> npt.NDArray[np.bool_]:
        """(num_events,) which events are of this kind; none where the data does not know the kind."""
        if name not in self.kinds:
            return np.zeros(len(self), dtype=bool)
        flags: npt.NDArray[np.bool_] = self.kind == self.kinds.index(name)
        return flags


def events_of_reviews(table: ReviewTable) -> EventTable:
    """Each review as one event of the kind "review"."""
    count = len(table)
    return EventTable(
        users=table.users,
        products=table.products,
        kinds=(REVIEW,),
        weights=np.ones(1, dtype=np.float32),
        user=table.user,
        product=table.product,
        timestamp=table.timestamp,
        kind=np.zeros(count, dtype=np.int8),
        basket=np.full(count, -1, dtype=np.int64),
        quantity=np.ones(count, dtype=np.float32),
        price=np.full(count, np.nan, dtype=np.float32),
    )


def weights_before_held_out(table: ReviewTable, split: Split, events: EventTable) -> Floats:
    """(num_reviews,) weight of the strongest kind of event of each pair before its user's first held-out review.

    The first event of a pair, which is the review itself, always counts. A purchase after the moment that is asked
    about must not make an earlier view weigh more in training.
    """
    rows = np.union1d(before_held_out(table, split, events), _first_of_pairs(events))
    pair = table.user.astype(np.int64) * table.num_products + table.product
    order = np.argsort(pair, kind="stable")
    of_event = events.user[rows] * table.num_products + events.product[rows]
    place = order[np.searchsorted(pair[order], of_event)]
    weights = np.zeros(len(table), dtype=np.float32)
    np.maximum.at(weights, place, events.weight[rows])
    return weights


def _first_of_pairs(events: EventTable) -> Ints:
    """Rows of the first event of each user and product."""
    pair = events.user * len(events.products) + events.product
    first: Ints = np.unique(pair, return_index=True)[1].astype(np.int64)
    return first


def before_held_out(table: ReviewTable, split: Split, events: EventTable) -> Ints:
    """(n,) rows of the events that may be learned from.

    Of a user whose reviews are partly held out, those before the first held-out one; of a user held out whole none;
    nor any of a product held out whole.
    """
    learned = np.zeros(len(table), dtype=bool)
    learned[split.train] = True
    until = np.full(table.num_users, np.iinfo(np.int64).max)
    np.minimum.at(until, table.user[~learned], table.timestamp[~learned])
    has_training = np.bincount(table.user[split.train], minlength=table.num_users) > 0
    keep = has_training[events.user] & (events.timestamp < until[events.user])
    if split.in_histories is not None:
        shown = np.bincount(table.product[split.in_histories], minlength=table.num_products) > 0
        keep &= shown[events.product]
    return np.flatnonzero(keep)
