"""What the ratio model reads of a product at a cut-off: its own past, in units of its recent level."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats
from rec_sys.recommenders.trending.classical import rates_of
from rec_sys.recommenders.trending.sales_matrix import Doubles, SalesMatrix

FLOOR = 0.5  # pieces added to a level, so that a ratio to it exists
LEVEL = {"week": 0.3, "day": 0.05}  # alpha of the recent level
LAGS = {"week": tuple(range(1, 9)), "day": (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)}
WINDOWS = {"week": (2, 4, 8, 13, 26), "day": (7, 14, 28, 56, 91)}
OTHER_LEVELS = {"week": (0.1, 0.5), "day": (0.02, 0.2)}
LONG = {"week": 13, "day": 91}  # a product without sales for so long is forecast 0 by the ratio model
LEAST = {"week": 8, "day": 28}  # periods that must be known


def recent_level(past: SalesMatrix) -> Doubles:
    """(num_products,) smoothed sales of a usual period since the product's first sale."""
    return _level_since_first_sale(_open(past), LEVEL[past.unit])


def is_selling(past: SalesMatrix) -> npt.NDArray[np.bool_]:
    """(num_products,) whether it was sold in the last LONG periods."""
    return np.asarray((past.sales[:, -LONG[past.unit] :] > 0).any(axis=1))


def features_of(past: SalesMatrix) -> tuple[Floats, Doubles]:
    """Features and recent levels.

    Args:
        past: the periods before the cut-off.

    Returns:
        (num_products, num_features) float32, nan where the past is too short; (num_products,) levels.
    """
    unit = past.unit
    rates = _open(past)
    level = _level_since_first_sale(rates, LEVEL[unit])
    scale = (level + FLOOR)[:, None]
    columns = [np.log(scale)]
    columns += [_lag(rates, n) / scale for n in LAGS[unit]]
    columns += [_mean(rates, n) / scale for n in WINDOWS[unit]]
    columns += [_level_since_first_sale(rates, alpha)[:, None] / scale for alpha in OTHER_LEVELS[unit]]
    columns += _spread(rates[:, -LEAST[unit] :], scale)
    columns += _ages(rates, LONG[unit])
    columns += _days(past, scale)
    columns += _prices(past)
    return np.concatenate(columns, axis=1).astype(np.float32), level


def _open(past: SalesMatrix) -> Doubles:
    """(num_products, open periods) sales as of a usual period, without those in which the shop was closed."""
    weights, _ = past.weights(1)
    return rates_of(past)[:, weights > 0]


def _level_since_first_sale(rates: Doubles, alpha: float) -> Doubles:
    """Weighted mean, alpha (1 - alpha)^age, from the product's first sale on."""
    share = (1 - alpha) ** np.arange(rates.shape[1])[::-1]
    after = np.maximum.accumulate(rates > 0, axis=1)
    level: Doubles = (rates @ share) / np.maximum(after @ share, 1e-9)
    return level


def _lag(rates: Doubles, n: int) -> Doubles:
    return rates[:, -n][:, None] if rates.shape[1] >= n else np.full((len(rates), 1), np.nan)


def _mean(rates: Doubles, n: int) -> Doubles:
    return rates[:, -n:].mean(axis=1, keepdims=True) if rates.shape[1] >= n else np.full((len(rates), 1), np.nan)


def _spread(recent: Doubles, scale: Doubles) -> list[Doubles]:
    """Share of periods with sales, deviation, largest, middle and low value of the newest periods."""
    if not recent.shape[1]:
        return [np.full((len(recent), 5), np.nan)]
    low, middle = np.quantile(recent, (0.25, 0.5), axis=1)
    figures = (recent.std(axis=1), recent.max(axis=1), middle, low)
    return [(recent > 0).mean(axis=1)[:, None], np.stack(figures, axis=1) / scale]


def _ages(rates: Doubles, longest: int) -> list[Doubles]:
    """Periods since the first and since the last sale."""
    count, sold = rates.shape[1], rates > 0
    ever = sold.any(axis=1)
    first = np.where(ever, count - sold.argmax(axis=1), 0)
    last = np.where(ever, sold[:, ::-1].argmax(axis=1), count)
    return [np.minimum(np.stack([first, last], axis=1), 4 * longest).astype(np.float64)]


def _days(past: SalesMatrix, scale: Doubles) -> list[Doubles]:
    """Days with sales, lately and over longer, and the best day: one large order is no trend."""
    lag, middle, long = (1, 4, LONG["week"]) if past.unit == "week" else (7, 28, LONG["day"])
    days = past.selling_days.astype(np.float64)
    means = [days[:, -n:].mean(axis=1) for n in (lag, 2 * lag, middle, 2 * middle, long)]
    short, half, recent, double, whole = means
    growth = (np.log((half + 0.3) / (double + 0.3)), np.log((recent + 0.3) / (whole + 0.3)))
    pieces = past.sales[:, -long:].sum(axis=1) / np.maximum(days[:, -long:].sum(axis=1), 1)
    largest = np.stack([past.largest[:, -n:].max(axis=1) for n in (lag, middle)] + [pieces], axis=1)
    return [np.stack([short, half, recent, double, whole, *growth], axis=1), largest / scale]


def _prices(past: SalesMatrix) -> list[Doubles]:
    """Mean price, and the recent one against it; nan without prices."""
    lag, middle, long = (1, 4, LONG["week"]) if past.unit == "week" else (7, 28, LONG["day"])

    def price(n: int) -> Doubles:
        money, pieces = past.revenue[:, -n:].sum(axis=1), past.sales[:, -n:].sum(axis=1)
        known = (money > 0) & (pieces > 0)
        return np.where(known, money, np.nan) / np.where(known, pieces, 1)

    whole = price(past.num_periods)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        figures = (np.log(whole), np.log(price(lag) / whole), np.log(price(middle) / price(long)))
    return [np.stack(figures, axis=1)]
