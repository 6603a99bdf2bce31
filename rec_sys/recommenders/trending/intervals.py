"""Intervals from what forecasts missed by: quantiles of sold / forecast, by how much was forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rec_sys.recommenders.trending.sales_matrix import Doubles

LEVELS = 10  # groups of forecasts of equal size
LEAST = 200  # forecasts of a group; fewer groups are made of fewer
FLOOR = 0.5  # pieces added to a forecast, so that a ratio to it exists


@dataclass(frozen=True)
class Intervals:
    """Low and high of a forecast; a group of forecasts of alike size has its own."""

    edges: Doubles  # (groups - 1,) forecasts that part the groups, ascending
    low: Doubles  # (groups,) factors of forecast + FLOOR
    high: Doubles  # (groups,)

    def of(self, forecast: Doubles) -> tuple[Doubles, Doubles]:
        """Low and high, of the shape of the forecasts, which lie within."""
        group = np.searchsorted(self.edges, forecast, side="right")
        low, high = (forecast + FLOOR) * self.low[group], (forecast + FLOOR) * self.high[group]
        return np.minimum(low, forecast), np.maximum(high, forecast)

    def covered(self, forecast: Doubles, truth: Doubles) -> float:
        """Share of what was sold that lies within, the ends included."""
        low, high = self.of(forecast)
        return float(((truth >= low) & (truth <= high)).mean()) if truth.size else float("nan")


def intervals_of(forecasts: Sequence[Doubles], truths: Sequence[Doubles], coverage: float) -> Intervals:
    """Quantiles of the ratios of some cut-offs.

    Args:
        forecasts: arrays of forecasts.
        truths: what was sold, in the same shapes.
        coverage: share of the sales that shall lie between low and high, half of the rest on each side.
    """
    forecast = np.concatenate([each.reshape(-1) for each in forecasts])
    truth = np.concatenate([each.reshape(-1) for each in truths])
    groups = int(np.clip(len(forecast) // LEAST, 1, LEVELS))
    edges = np.unique(np.quantile(forecast, np.linspace(0, 1, groups + 1)[1:-1])) if len(forecast) else np.zeros(0)
    ratio, group = truth / (forecast + FLOOR), np.searchsorted(edges, forecast, side="right")
    tail = (1 - coverage) / 2
    low, high = np.zeros(len(edges) + 1), np.ones(len(edges) + 1)
    for each in range(len(edges) + 1):
        chosen = ratio[group == each]
        if len(chosen):
            low[each], high[each] = np.quantile(chosen, tail), np.quantile(chosen, 1 - tail)
    return Intervals(edges, low, high)
