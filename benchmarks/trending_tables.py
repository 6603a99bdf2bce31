"""Rows of the documentation's tables on forecasts of sales, from the result file of `benchmarks.trending`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HEADERS = ["Method", "RMSE", "MAE", "WAPE", "Bias of the total", "Share of the best 50 found"]


def forecast_lines(
    rows: list[dict[str, Any]], ahead: str, short: Callable[[float | None, int], str]
) -> list[list[str]]:
    """One method per row, in the order of the file."""
    return [
        [
            row["method"][:1].upper() + row["method"][1:],
            short(row["RMSE"], 2),
            short(row["MAE"], 2),
            short(row["WAPE"], 3),
            f"{row['bias']:+.1%}".replace("%", " %"),
            short(row["top found"], 3),
        ]
        for row in rows
        if row["ahead"] == ahead
    ]
