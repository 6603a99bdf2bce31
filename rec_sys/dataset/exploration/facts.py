"""All figures of an exploration, computed from a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.exploration.activity import Activity, Change, activity_of, changes_of
from rec_sys.dataset.exploration.funnel import Step, funnel_of
from rec_sys.dataset.exploration.spread import ColdStart, SpreadOf, Top, cold_start_of, spread_of, top_products
from rec_sys.dataset.splits import NEEDED_REVIEWS


@dataclass(frozen=True)
class Exploration:
    """What a data set shows."""

    name: str
    has: frozenset[str]
    events: Mapping[str, int]  # by kind, the weakest first
    users: SpreadOf
    products: SpreadOf
    activity: Activity | None  # None: the data has an order but no times
    changes: list[Change]
    funnel: list[Step]
    tops: list[Top]
    cold_start: ColdStart | None  # None without times
    few: float  # share of the users with fewer than three events
    missing: dict[str, tuple[int, int]]  # by field: how many lack it, of how many
    ratings: dict[float, int]  # 1 to 5, ascending; empty without ratings
    text_lengths: dict[int, int]  # reviews with 1 character, 2 to 3, 4 to 7, ...: by the least of them


def explore(dataset: Dataset) -> Exploration:
    """Compute all figures; the texts are read batch by batch, everything else is in memory already."""
    events, table = dataset.events, dataset.table
    kinds = np.bincount(events.kind, minlength=len(events.kinds))
    rated = table.rating.astype(np.float64)
    values, counts = np.unique(table.rating[~np.isnan(table.rating)], return_counts=True)
    users = spread_of(events, "user")
    lengths, without_text = _text_lengths(dataset)
    return Exploration(
        name=dataset.name,
        has=dataset.has,
        events={kind: int(count) for kind, count in zip(events.kinds, kinds, strict=True)},
        users=users,
        products=spread_of(events, "product"),
        activity=activity_of(events) if dataset.has_dates else None,
        changes=changes_of(events, rated, table.timestamp) if dataset.has_dates else [],
        funnel=funnel_of(events),
        tops=top_products(events, dataset.names),
        cold_start=cold_start_of(events) if dataset.has_dates else None,
        few=float((users.counts < NEEDED_REVIEWS).mean()),
        missing={
            "rating": (int(np.isnan(rated).sum()), len(table)),
            "text of the review": (without_text, len(table)),
            "name of the product": (sum(not name for name in dataset.names), len(dataset.names)),
            "price": (int(np.isnan(events.price).sum()), len(events)),
            "time": (0 if dataset.has_dates else len(events), len(events)),
        },
        ratings={float(value): int(count) for value, count in zip(values, counts, strict=True)},
        text_lengths=lengths,
    )


def _text_lengths(dataset: Dataset) -> tuple[dict[int, int], int]:
    """Reviews by the length of their texts, in powers of two, and how many have none."""
    counts = np.zeros(40, dtype=np.int64)
    read = 0
    for _, texts in dataset.table.texts():
        length = np.array([len(text) for text in texts], dtype=np.int64)
        read += int((length > 0).sum())
        counts += np.bincount(np.log2(length[length > 0]).astype(np.int64), minlength=40)
    found = {1 << place: int(count) for place, count in enumerate(counts) if count}
    return found, len(dataset.table) - read
