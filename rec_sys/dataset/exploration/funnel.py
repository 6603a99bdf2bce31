"""From view to cart to purchase: how many users and pairs come so far, how fast, and whether the order can be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.dataset.events import EventTable


@dataclass(frozen=True)
class Step:
    """From one kind of event to the next stronger one."""

    start: str
    end: str
    users: int  # with the first kind
    users_on: int  # of them, with the second kind too
    pairs: int  # user and product with the first kind
    pairs_on: int  # of them, with the second kind too
    without: int  # pairs with the second kind but not the first
    backwards: int  # pairs with both, of which the first kind came last
    hours: float  # median time from the first to the second where that order holds; nan where none does
    repeated: int  # pairs with several events of the first kind


def funnel_of(events: EventTable) -> list[Step]:
    """A step for each two consecutive kinds; none where there is a single kind.

    "First" and "last" are by time: of a pair with several events of a kind, the first one counts.
    """
    width = len(events.products)
    pair = events.user * width + events.product
    firsts, repeats = [], []
    for place in range(len(events.kinds)):
        mine = np.flatnonzero(events.kind == place)
        order = mine[np.lexsort((events.timestamp[mine], pair[mine]))]
        pairs, where, counts = np.unique(pair[order], return_index=True, return_counts=True)
        firsts.append((pairs, events.timestamp[order][where]))
        repeats.append(int((counts > 1).sum()))
    return [
        _step(events.kinds[place], events.kinds[place + 1], firsts[place], firsts[place + 1], width, repeats[place])
        for place in range(len(events.kinds) - 1)
    ]


def _step(start: str, end: str, first: tuple[Ints, Ints], second: tuple[Ints, Ints], width: int, repeated: int) -> Step:
    (pairs, begun), (pairs_on, done) = first, second
    both, at, at_on = np.intersect1d(pairs, pairs_on, assume_unique=True, return_indices=True)
    gap = done[at_on] - begun[at]
    users, users_on = np.unique(pairs // width), np.unique(pairs_on // width)
    forward = gap[gap >= 0]
    return Step(
        start=start,
        end=end,
        users=len(users),
        users_on=len(np.intersect1d(users, users_on)),
        pairs=len(pairs),
        pairs_on=len(both),
        without=len(pairs_on) - len(both),
        backwards=int((gap < 0).sum()),
        hours=float(np.median(forward) / 3_600) if len(forward) else float("nan"),
        repeated=repeated,
    )
