"""Rolling cut-offs: at each one, forecasts from what was known before it, and what was sold after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.progress import ProgressCallback, tracked
from rec_sys.recommenders.trending.classical import classical_forecasts
from rec_sys.recommenders.trending.ratio_model import RatioTrainer, first_cutoff
from rec_sys.recommenders.trending.sales_matrix import Doubles, SalesMatrix
from rec_sys.recommenders.trending.settings import TrendingSettings

APART = {"week": 1, "day": 3}  # periods between cut-offs; of days every third: all weekdays in turn, over a month
LEAST_CUTOFFS = 4  # of the validation, and of the backtest
CALIBRATION = 8  # cut-offs before the first one of the validation, where there are as many


@dataclass(frozen=True)
class Plan:
    """Which cut-offs a history allows: those of the validation end before the first one of the backtest."""

    validation: range
    backtest: range
    learned: bool  # whether the history is long enough for the ratio model
    reason: str = ""  # why not, or why there are fewer cut-offs than asked for


@dataclass(frozen=True)
class CutOff:
    """Forecasts at one cut-off for the products that had been sold before, and what came.

    Forecasts are sums over the horizon.
    """

    period: int  # the first one that is forecast
    known: Ints  # (n,) product numbers
    truth: Doubles  # (n, horizon) sold
    unseen: float  # pieces of products first sold within the horizon: nobody could forecast them
    usual: float  # open days of the horizon as a share of what was expected
    shares: Doubles  # (horizon,) of each period in the sum
    forecasts: dict[str, Doubles]  # (n,) by method

    @property
    def total(self) -> Doubles:
        """(n,) sold in the whole horizon."""
        total: Doubles = self.truth.sum(axis=1)
        return total


def plan(num_periods: int, settings: TrendingSettings) -> Plan:
    """Cut-offs of validation and backtest.

    The truth of the last validation cut-off ends where the backtest begins, so nothing is chosen with its sales.
    """
    s, horizon, step = settings, settings.horizon, APART[settings.unit]
    last = num_periods - horizon
    gap = (horizon - 1) // step  # cut-offs between the two, whose sales belong to both
    for learned, first in ((True, first_cutoff(s.unit, horizon)), (False, 1)):
        free = (last - first) // step + 1 - gap if last >= first else 0
        if free >= s.cutoffs + s.validation:
            backtest, validation = s.cutoffs, s.validation
        elif free >= 2 * LEAST_CUTOFFS:
            backtest = min(free // 2, s.cutoffs)
            validation = min(free - backtest, s.validation)
        else:
            continue
        begin = last - (backtest - 1) * step
        end = begin - (gap + 1) * step  # the last one of the validation
        reason = ""
        if not learned:
            needed = first_cutoff(s.unit, horizon) + (gap + 2 * LEAST_CUTOFFS - 1) * step + horizon
            reason = f"{num_periods} {s.unit}s are too few to learn from: at least {needed} are needed"
        elif backtest < s.cutoffs or validation < s.validation:
            reason = (
                f"{num_periods} {s.unit}s allow {validation} and {backtest} cut-offs for validation and backtest, "
                f"instead of {s.validation} and {s.cutoffs}"
            )
        return Plan(
            validation=range(end - (validation - 1) * step, end + 1, step),
            backtest=range(begin, last + 1, step),
            learned=learned,
            reason=reason,
        )
    return Plan(
        range(0),
        range(0),
        learned=False,
        reason=f"{num_periods} complete {s.unit}s are too few for a backtest of {horizon} {s.unit}s ahead",
    )


def roll(
    matrix: SalesMatrix, settings: TrendingSettings, planned: Plan, progress: ProgressCallback | None = None
) -> list[CutOff]:
    """All cut-offs of a plan, in order, and those before them that calibrate the totals.

    A ratio model is fitted at every `refit`-th cut-off and used until the next: a later one could only know more.
    """
    if not planned.backtest:
        return []
    earliest = first_cutoff(settings.unit, settings.horizon) if planned.learned else 1
    step = planned.backtest.step
    before = CALIBRATION + (settings.horizon - 1) // step  # of these the first CALIBRATION have ended by the validation
    before = min(before, (planned.validation.start - earliest) // step)
    trainer = RatioTrainer(matrix, settings) if planned.learned else None
    model = None
    found = []
    cutoffs = range(planned.validation.start - before * step, planned.backtest.stop, step)
    for number, period in enumerate(tracked(cutoffs, "rolling forecasts", len(cutoffs), "cut-offs", progress)):
        if trainer is not None and number % settings.refit == 0:
            model = trainer.fit(period)
        past = matrix.until(period)
        forecasts = classical_forecasts(past, settings.horizon)
        if model is not None:
            forecasts |= model.forecasts(past)
        found.append(_cutoff(matrix, period, settings.horizon, forecasts))
    return found


def _cutoff(matrix: SalesMatrix, period: int, horizon: int, forecasts: dict[str, Doubles]) -> CutOff:
    past, later = matrix.until(period), matrix.until(period + horizon)
    is_known = (past.sales > 0).any(axis=1)
    truth = later.sales[:, period:].astype(np.float64)
    weights, _ = later.weights(1)
    _, ahead = past.weights(horizon)
    total = ahead.sum()
    return CutOff(
        period=period,
        known=np.flatnonzero(is_known),
        truth=truth[is_known],
        unseen=float(truth[~is_known].sum()),
        usual=float(weights[period:].sum() / max(total, 1e-9)),
        shares=ahead / total if total > 0 else np.full(horizon, 1 / horizon),
        forecasts={name: forecast[is_known] for name, forecast in forecasts.items()},
    )


def of_range(cutoffs: Sequence[CutOff], periods: range) -> list[CutOff]:
    """The cut-offs at these periods."""
    return [each for each in cutoffs if each.period in periods]
