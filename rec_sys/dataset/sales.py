"""Sales: pieces per product and day, also of customers without a name; what forecasts learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.events import EventTable
from rec_sys.ids import IdMap

DAY = 86_400  # seconds


@dataclass(frozen=True)
class SalesTable:
    """Net pieces of each product on each day that has a sale or a return, sorted by product, then day.

    Products have numbers of their own here: lines without a customer may sell what no customer with a name has bought.
    """

    products: IdMap
    names: list[str]  # of the products; empty where none is known
    unit: str  # what is counted: "pieces" of orders, else the kind of event, such as "review"
    product: Ints  # (num_rows,) numbers in `products`, ascending
    day: Ints  # (num_rows,) days since 1970-01-01, UTC
    pieces: Floats  # (num_rows,) sold less returned; may be negative
    revenue: Floats  # (num_rows,) the same in money; nan where there are no prices

    def __len__(self) -> int:
        return len(self.product)

    def without(self, other: SalesTable) -> SalesTable:
        """These sales less those of other ones, matched by product id and day."""
        number = self.products.known_numbers(other.products.ids)[other.product]
        key = self.product * (1 << 32) + self.day
        wanted = number * (1 << 32) + other.day
        place = np.searchsorted(key, wanted).clip(0, max(len(key) - 1, 0))
        found = (number >= 0) & (key[place] == wanted) if len(key) else np.zeros(len(wanted), dtype=bool)
        pieces, revenue = self.pieces.copy(), self.revenue.copy()
        pieces[place[found]] -= other.pieces[found]
        revenue[place[found]] -= other.revenue[found]
        return replace(self, pieces=pieces, revenue=revenue)

    @property
    def first_day(self) -> int:
        return int(self.day.min()) if len(self) else 0

    @property
    def last_day(self) -> int:
        return int(self.day.max(initial=0))


def sales_of_events(events: EventTable, names: list[str], kind: str | None = None) -> SalesTable:
    """Events of one kind, counted by product and day.

    Args:
        events: of all users.
        names: of the products.
        kind: what is counted; pieces are summed where the source has them. None: the strongest kind.
    """
    kind = kind or events.kinds[-1]
    chosen = np.flatnonzero(events.of_kind(kind))
    product, day = events.product[chosen], events.timestamp[chosen] // DAY
    pieces = events.quantity[chosen].astype(np.float64)
    revenue = pieces * events.price[chosen]
    order = np.lexsort((day, product))
    product, day, pieces, revenue = product[order], day[order], pieces[order], revenue[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (product[1:] != product[:-1]) | (day[1:] != day[:-1])
    starts = np.flatnonzero(new)
    return SalesTable(
        products=events.products,
        names=names,
        unit=kind,
        product=product[starts],
        day=day[starts],
        pieces=_sums(pieces, starts),
        revenue=_sums(revenue, starts),
    )


def _sums(values: np.ndarray[tuple[int], np.dtype[np.float64]], starts: Ints) -> Floats:
    """Sums of the runs of `values` that begin at `starts`."""
    if not len(starts):
        return np.zeros(0, dtype=np.float32)
    sums: Floats = np.add.reduceat(values, starts).astype(np.float32)
    return sums
