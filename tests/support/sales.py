"""Small sales with a known pattern."""

from __future__ import annotations

from typing import Any

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.sales import SalesTable
from rec_sys.ids import IdMap

MONDAY = 18_267  # 2020-01-06, in days since 1970-01-01


def sales_of_days(pieces: np.ndarray[Any, Any], first_day: int = MONDAY, price: float = 2.0) -> SalesTable:
    """Sales of a table of products x days; a 0 is no row."""
    product, day = np.nonzero(pieces)
    sold: Floats = pieces[product, day].astype(np.float32)
    return SalesTable(
        products=IdMap([f"p{number}" for number in range(len(pieces))], "product"),
        names=[f"product {number}" for number in range(len(pieces))],
        unit="pieces",
        product=product.astype(np.int64),
        day=day.astype(np.int64) + first_day,
        pieces=sold,
        revenue=sold * price,
    )


def sales_of_weeks(pieces: np.ndarray[Any, Any], first_day: int = MONDAY, price: float = 2.0) -> SalesTable:
    """Sales of a table of products x weeks, all on Tuesdays but one piece of the last product each day.

    After the last week comes a Monday, so that the last week is known to be whole.
    """
    days = np.zeros((len(pieces), pieces.shape[1] * 7 + 1))
    days[:, 1:-1:7] = pieces
    days[-1, :] += 1
    return sales_of_days(days, first_day, price)


def third_weeks(products: int = 120, weeks: int = 45, seed: int = 0) -> np.ndarray[Any, Any]:
    """(products, weeks) sales that are high in every third week of a product: smoothing cannot know, lags can."""
    generator = np.random.default_rng(seed)
    level = generator.uniform(10, 60, size=(products, 1))
    high = (np.arange(weeks) + generator.integers(0, 3, size=(products, 1))) % 3 == 0
    return generator.poisson(level * np.where(high, 2.0, 0.5)).astype(np.float64)
