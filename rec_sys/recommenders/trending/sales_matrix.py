"""Sales by product and period: weeks or days that are complete, and how many days of each the shop was open."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.sales import SalesTable
from rec_sys.recommenders.trending.settings import Unit

Doubles = npt.NDArray[np.float64]

DAYS = {"week": 7, "day": 1}  # of a period
MONDAY = 4  # 1970-01-05, in days since 1970-01-01
MOST_DAYS = 1_100  # older periods are left out: three years
RECENT = 8  # weeks that say when the shop is open
BUSY = 20  # products sold on a usual day from which on a day without any is a closed one, and no chance


@dataclass(frozen=True)
class SalesMatrix:
    """Net sales of products in consecutive complete periods; a negative net is 0.

    `until(t)` is what was known at a cut-off, so whoever gets that cannot read the future.
    """

    unit: Unit
    first_day: int  # of the first period, in days since 1970-01-01
    sales: Floats  # (num_products, num_periods) pieces
    selling_days: Floats  # (num_products, num_periods) days with sales
    largest: Floats  # (num_products, num_periods) pieces of the best day
    revenue: Floats  # (num_products, num_periods) money; zeros where there are no prices
    sold: Ints  # (num_periods * days,) products sold on each day
    day_total: Doubles  # (num_periods * days,) pieces sold on each day
    left_out: tuple[str, ...] = ()  # what was left out, in words

    @property
    def num_periods(self) -> int:
        return int(self.sales.shape[1])

    @property
    def days(self) -> int:
        """Of a period."""
        return DAYS[self.unit]

    def until(self, period: int) -> SalesMatrix:
        """The periods before one."""
        days = period * self.days
        columns = ("sales", "selling_days", "largest", "revenue")
        cut = {name: getattr(self, name)[:, :period] for name in columns}
        return replace(self, **cut, sold=self.sold[:days], day_total=self.day_total[:days])

    def start(self, period: int) -> np.datetime64:
        """The first day of a period, also of one to come."""
        return np.datetime64(self.first_day + period * self.days, "D")

    def weekday(self, day: Ints) -> Ints:
        """(n,) 0 to 6, from Monday, of days counted from `first_day`."""
        return (self.first_day + day - MONDAY) % 7

    def open_days(self) -> npt.NDArray[np.bool_]:
        """(num_periods * days,) whether the shop was open.

        A day without a sale was a closed one where its weekday usually sells at least BUSY products, or where that
        weekday never sells while a usual day does. Where little is sold a day without sales says nothing.
        """
        weekday = self.weekday(np.arange(len(self.sold)))
        usual = np.array([np.median(self.sold[weekday == each]) if (weekday == each).any() else 0 for each in range(7)])
        if np.max(usual, initial=0) < BUSY:
            return np.ones(len(self.sold), dtype=bool)
        return (self.sold > 0) | ((usual[weekday] > 0) & (usual[weekday] < BUSY))

    def weights(self, horizon: int) -> tuple[Doubles, Doubles]:
        """How much can be sold in each period, in units of a usual one: 1 for a week with the usual open days.

        Of days it is the weekday's share of an open day's sales, 0 for closed ones. Learned from the newest RECENT
        weeks.

        Returns:
            (num_periods,) of the periods, (horizon,) of those to come.
        """
        is_open = self.open_days()
        if self.unit == "week":
            open_days = is_open.reshape(-1, 7).sum(axis=1).astype(np.float64)
            usual = float(np.median(open_days[-RECENT:])) if len(open_days) else 7.0
            return open_days / max(usual, 1.0), np.ones(horizon)
        recent = slice(-RECENT * 7, None)
        weekday = self.weekday(np.arange(len(self.sold)))
        total, kept = self.day_total[recent], is_open[recent]
        mean = total[kept].mean() if kept.any() else 1.0
        share = np.zeros(7)
        for each in range(7):
            chosen = weekday[recent] == each
            if chosen.any() and kept[chosen].mean() >= 0.5:
                share[each] = total[chosen & kept].mean() / max(mean, 1e-9)
        ahead = self.weekday(np.arange(len(self.sold), len(self.sold) + horizon))
        return np.where(is_open, np.maximum(share[weekday], 0.1), 0.0), share[ahead]


def sales_matrix(sales: SalesTable, unit: Unit, trust_last_day: bool = False) -> SalesMatrix:
    """Sum sales by period; a period that may not be whole is left out.

    Args:
        sales: net pieces by product and day.
        unit: of the periods.
        trust_last_day: the last day of the sales is a whole one.
    """
    length = DAYS[unit]
    end = sales.last_day + trust_last_day  # the first day that may be incomplete
    begin = sales.first_day + (MONDAY - sales.first_day) % length
    count = max((end - begin) // length, 0)
    kept = min(count, MOST_DAYS // length)
    begin += (count - kept) * length
    inside = (sales.day >= begin) & (sales.day < begin + kept * length)
    product, day = sales.product[inside], sales.day[inside] - begin
    pieces = sales.pieces[inside].astype(np.float64)
    shape = (len(sales.products), kept)
    net, selling, largest, revenue = (np.zeros(shape, dtype=np.float32) for _ in range(4))
    place = (product, day // length)
    np.add.at(net, place, pieces)
    np.add.at(selling, place, pieces > 0)
    np.maximum.at(largest, place, pieces)
    np.add.at(revenue, place, np.nan_to_num(sales.revenue[inside]))
    notes = []
    if outside := float(sales.pieces[~inside].sum()):
        notes.append(f"{outside:,.0f} {sales.unit} in {unit}s that are not whole, or long past, are left out")
    if (negative := net < 0).any():
        notes.append(
            f"{negative.sum():,} {unit}s of products with more returned than sold count as 0 "
            f"({-net[negative].sum():,.0f} {sales.unit})"
        )
    up = pieces > 0
    return SalesMatrix(
        unit=unit,
        first_day=begin,
        sales=np.maximum(net, 0),
        selling_days=selling,
        largest=largest,
        revenue=np.maximum(revenue, 0),
        sold=np.bincount(day[up], minlength=kept * length),
        day_total=np.bincount(day[up], pieces[up], minlength=kept * length).astype(np.float64),
        left_out=tuple(notes),
    )
