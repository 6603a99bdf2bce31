"""Forecasts of sales beside the classical ones, in a rolling backtest on `online_retail`.

    uv run -m benchmarks.trending [--path FILE] [--refit 1] [--work-dir DIR]

By week, one and four weeks ahead, and by day, one day ahead. The models of the backtest are fitted at every cut-off, as
they would be in use; `fit s` is `fit` with the default settings, in processor seconds of one thread. The file is read
from $REC_SYS_SHARED_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rec_sys
from benchmarks.report import print_table, report
from rec_sys.dataset.dataset import Dataset
from rec_sys.recommenders.trending.choice import in_words
from rec_sys.recommenders.trending.forecasting import backtest_rows, measured_coverage, rolled_forecasts
from rec_sys.recommenders.trending.sales_matrix import sales_matrix
from rec_sys.recommenders.trending.settings import TrendingSettings

SHARED = Path(os.environ.get("REC_SYS_SHARED_DATA") or "../shared/data")
CASES: tuple[dict[str, Any], ...] = (
    {"unit": "week", "horizon": 1},
    {"unit": "week", "horizon": 4},
    {"unit": "day", "horizon": 1},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, default=SHARED / "online_retail/online_retail.csv.gz")
    parser.add_argument("--refit", type=int, default=1, help="cut-offs after which models are fitted again")
    parser.add_argument("--work-dir", type=Path, default=Path())
    args = parser.parse_args()
    data = rec_sys.load_dataset(args.path, format="orders", work_dir=args.work_dir)
    rows: list[dict[str, Any]] = []
    cases = []
    for case in CASES:
        found, facts = run(data, TrendingSettings(**case, refit=args.refit))
        print_table(found)
        print(facts["reason"])
        rows += found
        cases.append(facts)
    report(
        "trending",
        rows,
        data=f"{data.name}: sales of {len(data.sales.products):,} products in a rolling backtest; net of returns",
        seed=0,
        refit=args.refit,
        cases=cases,
        fit_cpu_seconds=fit_seconds(data),
        lightgbm=version("lightgbm"),
    )


def run(data: Dataset, settings: TrendingSettings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Errors of all methods, and what was chosen."""
    started = time.process_time()
    matrix = sales_matrix(data.sales, settings.unit)
    rolled = rolled_forecasts(matrix, settings, None)
    cutoffs = rolled.backtest
    sums, singles = measured_coverage(rolled, settings.coverage)
    sold = sum(float(each.truth.sum()) for each in cutoffs)
    unseen = sum(each.unseen for each in cutoffs)
    rows = [
        {"ahead": f"{settings.horizon} {settings.unit}", **{name: _rounded(value) for name, value in row.items()}}
        for row in backtest_rows(rolled, settings)
    ]
    return rows, {
        "unit": settings.unit,
        "horizon": settings.horizon,
        "periods": matrix.num_periods,
        "validation": [str(matrix.start(period)) for period in rolled.plan.validation],
        "backtest": [str(matrix.start(period)) for period in rolled.plan.backtest],
        "predicted": in_words(rolled.choice.predicted),
        "median": in_words(rolled.choice.median),
        "reason": rolled.choice.reason,
        "coverage_of_sums": round(sums, 4),
        "coverage_of_periods": round(singles, 4),
        "coverage_aimed_at": settings.coverage,
        "share_of_products_first_sold_later": round(unseen / (sold + unseen), 4),
        "left_out": list(rolled.matrix.left_out),
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def fit_seconds(data: Dataset) -> float:
    """Processor seconds of `fit` with the default settings."""
    whole = data.learned_whole()
    started = time.process_time()
    rec_sys.Trending().fit(whole)
    return round(time.process_time() - started, 1)


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
