"""How events are spread over users and products: inequality, outliers, the top of each kind, cold start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.events import EventTable

TOP = 10
OUTLIER = 3.0  # distances between median and third quartile of the logarithms above which a count stands out
LAST = 0.2  # part of the events, the newest, that cold start is looked at in
PARTS = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class SpreadOf:
    """Events of each user, or each product."""

    what: str  # "user", "product"
    total: int  # users or products
    median: float
    quantiles: dict[float, float]  # of the events per user or product
    most: int
    gini: float  # 0: all alike; near 1: one has everything
    top_share: float  # of the events, held by the first hundredth (at least one)
    with_one: int  # that have a single event
    outliers: list[tuple[str, int]]  # ids with counts far beyond the others, the most first
    counts: Ints  # (total,) descending


@dataclass(frozen=True)
class Top:
    """The first products by one kind of event."""

    kind: str
    products: list[tuple[str, str, int]]  # id, name, events; the most first
    shared: int  # of them also among the first of the weakest kind


@dataclass(frozen=True)
class ColdStart:
    """How new users and products are among the newest events."""

    events: int  # looked at
    of_new_users: float  # share by users who were not there before
    of_new_products: float  # share with products that were not there before
    of_new_pairs: float  # share whose user had not met the product before


def spread_of(events: EventTable, what: str) -> SpreadOf:
    """Figures of the events per user or per product; whoever has none is left out.

    Args:
        events: at least one.
        what: "user" or "product".
    """
    number, names = (events.user, events.users) if what == "user" else (events.product, events.products)
    counts = np.bincount(number, minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    there = int((counts > 0).sum())
    falling = counts[order[:there]]
    logs = np.log(falling.astype(np.float64))
    middle, third = np.quantile(logs, [0.5, 0.75])
    limit = middle + OUTLIER * max(2 * (third - middle), np.log(2))
    above = int((logs > limit).sum())
    rising = falling[::-1].astype(np.float64)
    gini = float(2 * (np.arange(1, there + 1) * rising).sum() / (there * rising.sum()) - (there + 1) / there)
    return SpreadOf(
        what=what,
        total=there,
        median=float(np.median(falling)),
        quantiles={part: float(np.quantile(falling, part)) for part in PARTS},
        most=int(falling[0]),
        gini=gini,
        top_share=float(falling[: max(1, there // 100)].sum() / falling.sum()),
        with_one=int((falling == 1).sum()),
        outliers=[(names.id(int(each)), int(counts[each])) for each in order[:above]],
        counts=falling,
    )


def top_products(events: EventTable, names: list[str]) -> list[Top]:
    """The first ten products by each kind of event."""
    found: list[Top] = []
    weakest: set[int] = set()
    for place, kind in enumerate(events.kinds):
        counts = np.bincount(events.product[events.kind == place], minlength=len(events.products))
        first = [int(each) for each in np.argsort(-counts, kind="stable")[:TOP] if counts[each]]
        if not place:
            weakest = set(first)
        listed = [(events.products.id(each), names[each], int(counts[each])) for each in first]
        found.append(Top(kind, listed, len(weakest & set(first))))
    return found


def cold_start_of(events: EventTable) -> ColdStart:
    """What part of the newest fifth of the events is of users, products and pairs not seen in the rest."""
    order = np.lexsort((np.arange(len(events)), events.timestamp))
    cut = len(order) - max(1, round(LAST * len(order)))
    old, new = order[:cut], order[cut:]
    pair = events.user * len(events.products) + events.product
    return ColdStart(
        events=len(new),
        of_new_users=_unseen(events.user, old, new),
        of_new_products=_unseen(events.product, old, new),
        of_new_pairs=_unseen(pair, old, new),
    )


def _unseen(value: Ints, old: npt.NDArray[np.intp], new: npt.NDArray[np.intp]) -> float:
    """Share of the new values that are not among the old ones."""
    return float((~np.isin(value[new], value[old])).mean())
