"""From sales to a forecast: rolling cut-offs, choice, intervals, and the forecast of the periods to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rec_sys.dataset.sales import SalesTable
from rec_sys.errors import DataError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.trending.choice import (
    PREDICTED,
    Choice,
    Totals,
    accuracy,
    choose,
    forecasts_of,
    mix,
)
from rec_sys.recommenders.trending.classical import SMOOTHED, classical_forecasts
from rec_sys.recommenders.trending.features import LEVEL, recent_level
from rec_sys.recommenders.trending.intervals import Intervals, intervals_of
from rec_sys.recommenders.trending.ratio_model import MEAN, RatioModel, RatioTrainer
from rec_sys.recommenders.trending.rolling import CutOff, Plan, of_range, plan, roll
from rec_sys.recommenders.trending.sales_matrix import Doubles, SalesMatrix, sales_matrix
from rec_sys.recommenders.trending.settings import TrendingSettings

TOO_SHORT = "mean of the days there are"


@dataclass(frozen=True)
class Rolled:
    """Everything that the rolling cut-offs gave."""

    matrix: SalesMatrix
    plan: Plan
    cutoffs: list[CutOff]
    choice: Choice
    totals: Totals | None

    @property
    def validation(self) -> list[CutOff]:
        return of_range(self.cutoffs, self.plan.validation)

    @property
    def backtest(self) -> list[CutOff]:
        return of_range(self.cutoffs, self.plan.backtest)


@dataclass(frozen=True)
class Forecast:
    """Of all products that were ever sold, for the periods after the last complete one."""

    start: np.datetime64  # first day of the first period
    predicted: Doubles  # (num_products,) expected sales of the whole horizon
    median: Doubles  # (num_products,) as often too high as too low
    recent: Doubles  # (num_products,) sales of the last periods, as many as the horizon, as of usual ones
    shares: Doubles  # (horizon,) of each period in the sum
    whole: Intervals | None  # of sums over the horizon; None: there was no backtest
    single: Intervals | None  # of single periods
    reason: str  # which method, and why
    model: RatioModel | None


def rolled_forecasts(matrix: SalesMatrix, settings: TrendingSettings, progress: ProgressCallback | None) -> Rolled:
    """Roll through the history and choose on the validation cut-offs."""
    planned = plan(matrix.num_periods, settings)
    level = f"{SMOOTHED} ({LEVEL[settings.unit]})"
    if not planned.backtest:
        only = {level: 1.0}
        choice = Choice(only, only, calibrated=False, classical=level, reason=f"{level}: {planned.reason}")
        return Rolled(matrix, planned, [], choice, None)
    cutoffs = roll(matrix, settings, planned, progress)
    learned = planned.learned and all(MEAN in each.forecasts for each in cutoffs)
    totals = Totals(cutoffs, {MEAN: 0.5, level: 0.5}) if learned else None
    choice = choose(of_range(cutoffs, planned.validation), totals, level, settings.top)
    if not learned:
        why = planned.reason or "there are too few sales to learn from"
        choice = Choice(choice.predicted, choice.median, False, choice.classical, f"{choice.classical}: {why}")
    return Rolled(matrix, planned, cutoffs, choice, totals)


def forecast_sales(
    sales: SalesTable, settings: TrendingSettings, progress: ProgressCallback | None = None
) -> tuple[Forecast, Rolled]:
    """Forecast the periods after the last complete one.

    Raises:
        DataError: nothing was sold.
        ConfigError: LightGBM is not installed.
    """
    if not len(sales) or not (sales.pieces > 0).any():
        raise DataError("Trending needs sales, and this data has none to learn from; give orders, events or reviews")
    matrix = sales_matrix(sales, settings.unit, settings.trust_last_day)
    if matrix.num_periods == 0 or not matrix.sales.any():
        return _of_days(sales, matrix, settings), rolled_forecasts(matrix.until(0), settings, None)
    rolled = rolled_forecasts(matrix, settings, progress)
    horizon, now = settings.horizon, matrix.num_periods
    forecasts = classical_forecasts(matrix, horizon)
    model = None
    if rolled.choice.calibrated:
        model = RatioTrainer(matrix, settings).fit(now)
        assert model is not None  # noqa: S101  a blend was chosen, so there were rows
        forecasts |= model.forecasts(matrix)
    predicted, median = blended(forecasts, rolled, now)
    weights, ahead = matrix.weights(horizon)
    known = weights[-horizon:].sum()
    recent = matrix.sales[:, -horizon:].sum(axis=1) / max(known, 1e-9) * ahead.sum()
    whole, single = fitted_intervals(rolled, rolled.validation + rolled.backtest, settings.coverage)
    return (
        Forecast(
            start=matrix.start(now),
            predicted=predicted,
            median=median,
            recent=recent if known > 0 else recent_level(matrix) * ahead.sum(),
            shares=ahead / ahead.sum() if ahead.sum() > 0 else np.full(horizon, 1 / horizon),
            whole=whole,
            single=single,
            reason=rolled.choice.reason,
            model=model,
        ),
        rolled,
    )


def blended(forecasts: Mapping[str, Doubles], rolled: Rolled, period: int) -> tuple[Doubles, Doubles]:
    """`predicted` and `median` of the methods' forecasts at a cut-off."""
    choice = rolled.choice
    if choice.calibrated and rolled.totals is not None:
        predicted = rolled.totals.calibrated(forecasts, choice.predicted, period)
    else:
        predicted = mix(forecasts, choice.predicted)
    return np.maximum(predicted, 0), np.maximum(mix(forecasts, choice.median), 0)


def fitted_intervals(
    rolled: Rolled, cutoffs: list[CutOff], coverage: float
) -> tuple[Intervals | None, Intervals | None]:
    """Intervals of sums over the horizon and of single periods, from these cut-offs."""
    if not cutoffs:
        return None, None
    forecasts = forecasts_of(cutoffs, rolled.choice, rolled.totals)[PREDICTED]
    whole = intervals_of(forecasts, [each.total for each in cutoffs], coverage)
    periods = [forecast[:, None] * each.shares for forecast, each in zip(forecasts, cutoffs, strict=True)]
    return whole, intervals_of(periods, [each.truth for each in cutoffs], coverage)


def measured_coverage(rolled: Rolled, coverage: float) -> tuple[float, float]:
    """Share of the backtest's sales within intervals made from the validation alone: sums, single periods."""
    whole, single = fitted_intervals(rolled, rolled.validation, coverage)
    if whole is None or single is None:
        return float("nan"), float("nan")
    backtest = rolled.backtest
    forecasts = forecasts_of(backtest, rolled.choice, rolled.totals)[PREDICTED]
    sums = [whole.covered(forecast, each.total) for forecast, each in zip(forecasts, backtest, strict=True)]
    parts = [
        single.covered(forecast[:, None] * each.shares, each.truth)
        for forecast, each in zip(forecasts, backtest, strict=True)
    ]
    return float(np.mean(sums)), float(np.mean(parts))


def backtest_rows(rolled: Rolled, settings: TrendingSettings) -> list[dict[str, object]]:
    """Errors of all methods in the backtest, those of the forecast last."""
    cutoffs = rolled.backtest
    if not cutoffs:
        return []
    names = [name for name in cutoffs[-1].forecasts if all(name in each.forecasts for each in cutoffs)]
    found = {name: [each.forecasts[name] for each in cutoffs] for name in names}
    used = forecasts_of(cutoffs, rolled.choice, rolled.totals)
    found |= {f"Trending, {name}": forecasts for name, forecasts in used.items()}
    return [{"method": name, **accuracy(cutoffs, forecasts, settings.top).row()} for name, forecasts in found.items()]


def _of_days(sales: SalesTable, matrix: SalesMatrix, settings: TrendingSettings) -> Forecast:
    """Where no period is complete: what was sold, divided by the days of the data."""
    pieces = np.bincount(sales.product, sales.pieces.astype(np.float64), minlength=len(sales.products))
    days = sales.last_day - sales.first_day + 1
    length = matrix.days * settings.horizon
    predicted = np.maximum(pieces, 0) / days * length
    return Forecast(
        start=np.datetime64(sales.last_day + 1, "D"),
        predicted=predicted,
        median=predicted,
        recent=predicted,
        shares=np.full(settings.horizon, 1 / settings.horizon),
        whole=None,
        single=None,
        reason=f"{TOO_SHORT}: {days} days from {np.datetime64(sales.first_day, 'D')} hold no complete {matrix.unit}",
        model=None,
    )
