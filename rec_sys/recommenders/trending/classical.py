"""Classical forecasts: the floor of what is learned, and what is used where learning is not better.

Each is the sum of sales over a horizon, from the periods before a cut-off. Those "by open days" divide a period's sales
by its open days and multiply by the usual ones of the periods to come (`SalesMatrix.weights`).
"""

from __future__ import annotations

import numpy as np

from rec_sys.recommenders.trending.sales_matrix import Doubles, SalesMatrix

SMOOTHING = {"week": (0.1, 0.2, 0.3, 0.4, 0.5), "day": (0.02, 0.05, 0.1, 0.2)}  # alpha
MEANS = {"week": (2, 4, 8, 13), "day": (7, 14, 28)}  # periods
OPEN_MEANS = {"week": (4, 8), "day": (7, 28)}
SEASONS = {"week": (4, 52), "day": (7, 364)}  # periods; a method is compared where all cut-offs have it
SMOOTHED = "exponential smoothing"


def classical_forecasts(past: SalesMatrix, horizon: int) -> dict[str, Doubles]:
    """All of them by name, each (num_products,) sums over the horizon; at least one period must be known."""
    sales, unit, known = past.sales.astype(np.float64), past.unit, past.num_periods
    weights, ahead = past.weights(horizon)
    total = ahead.sum()
    rates = rates_of(past)
    is_open = weights > 0
    found = {"naive (last period)": sales[:, -1] * horizon}
    for season in SEASONS[unit]:
        if known >= season:
            step = known - season + np.arange(horizon) % season
            found[f"seasonal naive ({season} {unit}s)"] = sales[:, step].sum(axis=1)
    for n in MEANS[unit]:
        found[f"mean of {n} {unit}s"] = sales[:, -n:].mean(axis=1) * horizon
    for n in OPEN_MEANS[unit]:
        newest = slice(-n, None)
        found[f"open-day mean of {n} {unit}s"] = sales[:, newest].sum(axis=1) / max(weights[newest].sum(), 1e-9) * total
    for alpha in SMOOTHING[unit]:
        found[f"{SMOOTHED} ({alpha})"] = smoothed(rates[:, is_open], alpha) * total
    return found


def rates_of(past: SalesMatrix) -> Doubles:
    """(num_products, num_periods) sales as of a usual period; 0 where the shop was closed."""
    weights, _ = past.weights(1)
    rates: Doubles = past.sales / np.where(weights > 0, weights, np.inf)
    return rates


def smoothed(rates: Doubles, alpha: float) -> Doubles:
    """(num_products,) simple exponential smoothing from the first period on."""
    if not rates.shape[1]:
        return np.zeros(len(rates))
    age = np.arange(rates.shape[1])[::-1]
    share = alpha * (1 - alpha) ** age
    share[0] = (1 - alpha) ** age[0]  # the first value is where it starts
    level: Doubles = rates @ share
    return level
