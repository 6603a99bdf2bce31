"""Returns and cancellations, netted against the purchases they undo."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_sys.dataset.readers.event_rows import BASKET, PRODUCT, QUANTITY, ROW_LINE, TIME, USER

CANCELLED = r"^[cC]\d+$"  # an invoice that takes another one back, where those are numbers
NUMBER = r"^\d+$"
MOST = 0.5  # share of the invoices that are numbers from which the C in front means so

Flags = npt.NDArray[np.bool_]


class Netted(NamedTuple):
    """Lines of purchases and what is left of them."""

    purchases: pl.DataFrame  # with QUANTITY less what came back; 0 where all did
    unmatched: pl.DataFrame  # returns, or parts of them, of which no purchase is in the file; QUANTITY above 0
    returns: int  # lines of returns
    matched: int  # of these, netted in whole or in part
    pieces: float  # that came back of purchases in the file


def is_return(rows: pl.DataFrame) -> pl.Series:
    """Which lines take goods back: a quantity below 0, or an invoice C123 among invoices that are numbers."""
    below = rows[QUANTITY] < 0
    baskets = rows[BASKET].cast(pl.String)
    if baskets.null_count() == len(baskets):
        return below
    invoices = baskets.drop_nulls().unique()
    if (invoices.str.contains(NUMBER).mean() or 0) <= MOST:  # type: ignore[operator]
        return below
    return below | baskets.str.contains(CANCELLED).fill_null(False)


def net_returns(rows: pl.DataFrame) -> Netted:
    """Take returns off the purchases of the same customer and product that came before, the latest first.

    Args:
        rows: lines in time order; those without a customer are never matched.
    """
    returned = is_return(rows)
    returns = rows.filter(returned).with_columns(pl.col(QUANTITY).abs())
    purchases = rows.filter(~returned)
    keys = returns.filter(pl.col(USER).is_not_null()).select(USER, PRODUCT).unique()
    concerned = purchases.with_row_index("at").join(keys, on=[USER, PRODUCT], how="semi")
    left = purchases[QUANTITY].to_numpy().astype(np.float64)  # a copy that is written to
    back, pieces = _take_off(concerned, returns.with_row_index("at"), left)
    open_ = returns[QUANTITY].to_numpy() - back
    unmatched = returns.with_columns(pl.Series(QUANTITY, open_)).filter(pl.Series(open_ > 0))
    purchases = purchases.with_columns(pl.Series(QUANTITY, left))
    return Netted(purchases, unmatched, len(returns), int((back > 0).sum()), pieces)


def _take_off(
    purchases: pl.DataFrame, returns: pl.DataFrame, left: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Lower `left` at the purchases; returns (num_returns,) pieces that found their purchase, and their sum."""
    back = np.zeros(len(returns))
    columns = [USER, PRODUCT, TIME, ROW_LINE, "sold", "at"]
    events = pl.concat(
        [
            purchases.with_columns(pl.lit(True).alias("sold")).select(columns),
            returns.filter(pl.col(USER).is_not_null()).with_columns(pl.lit(False).alias("sold")).select(columns),
        ]
    ).sort(USER, PRODUCT, TIME, ROW_LINE)
    quantity = returns[QUANTITY].to_numpy()
    user, product = (events[name].to_physical().to_numpy() for name in (USER, PRODUCT))
    stack: list[int] = []  # purchases of the pair that have something left, the latest last
    before = (-1, -1)
    for pair, sold, at in zip(
        zip(user.tolist(), product.tolist(), strict=True), events["sold"].to_list(), events["at"].to_list(), strict=True
    ):
        if pair != before:
            stack, before = [], pair
        if sold:
            stack.append(at)
            continue
        wanted = float(quantity[at])
        while wanted > 0 and stack:
            taken = min(wanted, float(left[stack[-1]]))
            left[stack[-1]] -= taken
            back[at] += taken
            wanted -= taken
            if left[stack[-1]] <= 0:
                stack.pop()
    return back, float(back.sum())
