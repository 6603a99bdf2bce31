"""Rows of an Excel workbook, read with fastexcel through Polars; the extra `excel` installs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rec_sys.dataset.readers.delimited import unique
from rec_sys.dataset.readers.identities import MAX_EXACT
from rec_sys.dataset.readers.row import Row, start_of
from rec_sys.errors import DataError


def workbook_rows(path: Path) -> Iterator[Row]:
    """The rows of the first sheet that holds any, below its header; blank rows are passed over.

    Raises:
        DataError: fastexcel is not installed, the workbook is damaged, or several sheets hold rows.
    """
    import polars as pl

    try:
        import fastexcel
    except ModuleNotFoundError:
        raise DataError(
            f"{path} is an Excel workbook; save it as CSV (UTF-8), or install what reads it: uv sync --extra excel"
        ) from None
    try:
        sheets = pl.read_excel(path, sheet_id=0, engine="calamine", infer_schema_length=None, raise_if_empty=False)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, ValueError) as error:
        raise DataError(
            f"{path} is an Excel workbook that cannot be read ({start_of(str(error))}); save it as CSV (UTF-8)"
        ) from error
    filled = {name: frame for name, frame in sheets.items() if len(frame)}
    if len(filled) > 1:
        raise DataError(
            f"{path} is an Excel workbook with rows on {len(filled)} sheets ({', '.join(map(repr, filled))}); save the "
            f"one that is meant as CSV (UTF-8)"
        )
    for frame in filled.values():
        names = list(unique([name.strip() for name in frame.columns]))
        for number, row in enumerate(frame.iter_rows(), 2):
            if any(value not in (None, "") for value in row):
                yield Row(number, dict(zip(names, map(_as_stored, row), strict=True)))


def _as_stored(value: Any) -> Any:
    """The value; a whole number that a workbook, which stores floats, does not hold exactly is a float again."""
    return float(value) if type(value) is int and abs(value) >= MAX_EXACT else value
