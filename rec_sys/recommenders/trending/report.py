"""Trending in the report of its training: the backtest beside the classical methods, and totals as a picture."""

from __future__ import annotations

import numpy as np

from rec_sys.dataset.sales import SalesTable
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.trending.choice import PREDICTED, TYPICAL, forecasts_of, in_words
from rec_sys.recommenders.trending.forecasting import (
    Forecast,
    Rolled,
    backtest_rows,
    forecast_sales,
    measured_coverage,
)
from rec_sys.recommenders.trending.settings import TrendingSettings
from rec_sys.tables import Chart, Section


def report_sections(
    sales: SalesTable, settings: TrendingSettings, progress: ProgressCallback | None = None
) -> list[Section]:
    """The backtest of all sales, what was left out, and the chart."""
    forecast, rolled = forecast_sales(sales, settings, progress)
    ahead = f"{settings.horizon} {settings.unit}{'s' if settings.horizon > 1 else ''}"
    notes = [f"Used: {forecast.reason}."]
    rows = backtest_rows(rolled, settings)
    figures: dict[str, float] = {}
    if rows:
        notes += _notes(rolled, settings, sales.unit)
        for name in (PREDICTED, TYPICAL):
            row = next(row for row in rows if row["method"] == f"Trending, {name}")
            figures |= {
                f"backtest/{name}/{key.lower().replace(' ', '_')}": float(str(row[key]))
                for key in row
                if key != "method"
            }
    notes += [f"{each}." for each in rolled.matrix.left_out]
    return [
        Section(
            title=f"Backtest: {sales.unit} of a product in {ahead}",
            rows=rows,
            notes=notes,
            figures=figures,
            chart=_chart(forecast, rolled, sales.unit) if rolled.matrix.num_periods > 1 else None,
        )
    ]


def _notes(rolled: Rolled, settings: TrendingSettings, counted: str) -> list[str]:
    cutoffs, choice = rolled.backtest, rolled.choice
    matrix, unit = rolled.matrix, settings.unit
    unseen = sum(each.unseen for each in cutoffs)
    sold = sum(float(each.truth.sum()) for each in cutoffs)
    sums, singles = measured_coverage(rolled, settings.coverage)
    notes = [
        f"{len(cutoffs)} cut-offs from {matrix.start(cutoffs[0].period)} to {matrix.start(cutoffs[-1].period)}, each "
        f"forecast from the {unit}s before it; the method was chosen on {len(rolled.validation)} earlier ones, whose "
        f"sales end before {matrix.start(cutoffs[0].period)}.",
        f"Products first sold after a cut-off cannot be forecast and are left out: {unseen:,.0f} {counted}, "
        f"{unseen / max(sold + unseen, 1e-9):.1%}.",
        f"Of what was sold, {sums:.1%} lies between low and high of the sums and {singles:.1%} of single {unit}s; "
        f"{settings.coverage:.0%} was aimed at, with intervals from the validation cut-offs alone.",
    ]
    if choice.calibrated:
        notes.append(
            f"predicted is the expected number, right in sums; median ({in_words(choice.median)}) has the smaller "
            f"absolute error and is too low in sums."
        )
    if rolled.plan.reason and rolled.plan.reason not in choice.reason:
        notes.append(f"{rolled.plan.reason}.")
    return notes


def _chart(forecast: Forecast, rolled: Rolled, counted: str) -> Chart:
    """Total sales by period; what was forecast for each horizon of the backtest, spread over it; what is to come."""
    matrix = rolled.matrix
    total = matrix.sales.sum(axis=0)
    lines = {"sold": ([float(each) for each in range(matrix.num_periods)], [float(each) for each in total])}
    horizon = len(forecast.shares)
    if rolled.backtest:
        made = forecasts_of(rolled.backtest, rolled.choice, rolled.totals)[PREDICTED]
        lines["forecast in the backtest"] = (
            [each.period + (horizon - 1) / 2 for each in rolled.backtest],
            [float(each.sum()) / horizon for each in made],
        )
    coming = forecast.predicted.sum() * forecast.shares
    lines["forecast"] = (
        [float(matrix.num_periods + step) for step in range(horizon)],
        [float(each) for each in np.asarray(coming)],
    )
    return Chart(lines, x=f"{matrix.unit}s from {matrix.start(0)}", y=counted)
