"""Whole columns as ids, times and numbers: the rules of `identities`, `dates` and `date_columns`, a column at a time.

What is usual, short codes and numbers, is settled by Polars. What is not goes through the same functions as the values
of reviews, each different value once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from rec_sys.dataset.readers.date_columns import DAY, EXCEL_EPOCH, DateForm
from rec_sys.dataset.readers.identities import MAX_EXACT, read_id
from rec_sys.dataset.readers.rejects import Reason

SECOND = 1_000  # milliseconds
LAST = 4_102_444_800 * SECOND  # 2100-01-01

_PLAIN_ID = r"^(?:[0-9]+|[A-Za-z0-9_]*[A-DF-Za-df-z_][A-Za-z0-9_]*)$"  # no blank, no sign, not 5e3
_POINT_ZERO = r"^[0-9]+\.0$"
_ISO = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z| UTC|\+00:?00)?$"


@dataclass(frozen=True)
class IdForm:
    """How the ids of a column are read."""

    nothing: frozenset[str] = frozenset()  # words that stand where there is none
    point_zero: bool = True  # 17850.0 is the id 17850: numbers that went through a column with gaps


def as_texts(values: pl.Series) -> pl.Series:
    """A column of any type as texts; whole numbers of a column of floats without a point, null where nothing stands."""
    kind = values.dtype
    if kind == pl.String:
        return values
    if kind.is_float():
        whole = values.is_finite() & (values == values.floor()) & (values.abs() < MAX_EXACT)
        frame = values.alias("x").to_frame().with_columns(whole.alias("whole"))
        x = pl.col("x").fill_nan(None)
        texts = pl.when("whole").then(x.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(x.cast(pl.String))
        return frame.select(texts.alias(values.name)).to_series()
    if kind == pl.Binary:
        return values.map_elements(lambda raw: raw.decode("utf-8", "replace"), return_dtype=pl.String)
    if kind.is_nested() or kind == pl.Boolean or kind == pl.Null:
        return values.map_elements(str, return_dtype=pl.String) if kind.is_nested() else values.cast(pl.String)
    return values.cast(pl.String)


def read_ids(values: pl.Series, form: IdForm) -> tuple[pl.Series, pl.Series, int]:
    """The ids of a column.

    Returns:
        Ids, null where none is; reasons for which an id is not the one that was meant, else null; and how many lost a
        ".0" that they did not have.
    """
    texts = as_texts(values)
    frame: pl.DataFrame = texts.alias("id").to_frame()
    plain = texts.str.contains(_PLAIN_ID)
    if not plain.fill_null(True).all():
        others = texts.filter(~plain.fill_null(True)).unique()
        found = [read_id(text) for text in others.to_list()]
        names = [None if isinstance(each, Reason) else each for each in found]
        reasons = [str(each) if isinstance(each, Reason) else None for each in found]
        schema = {"id": pl.String, "name": pl.String, "why": pl.String}
        read = pl.DataFrame({"id": others, "name": names, "why": reasons}, schema=schema).with_columns(other=True)
        frame = frame.join(read, on="id", how="left", maintain_order="left")
        frame = frame.select(pl.when(pl.col("other").is_null()).then("id").otherwise("name").alias("id"), pl.col("why"))
    else:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("why"))
    nothing = pl.col("id") == ""
    if form.nothing:
        nothing |= pl.col("id").is_in(sorted(form.nothing))
    frame = frame.with_columns(pl.when(nothing).then(None).otherwise(pl.col("id")).alias("id"))
    ids, shortened = frame["id"], 0
    if form.point_zero:
        has = ids.str.contains(_POINT_ZERO).fill_null(False)
        shortened = int(has.sum())
        if shortened:
            ids = ids.to_frame().select(pl.when(has).then(pl.col("id").str.head(-2)).otherwise("id"))["id"]
    return ids, frame["why"], shortened


def read_numbers(values: pl.Series) -> pl.Series:
    """Numbers of a column, null where there is none; decimals may stand behind a comma."""
    if values.dtype.is_numeric():
        return values.cast(pl.Float64).fill_nan(None)
    texts = as_texts(values).str.strip_chars()
    numbers = texts.cast(pl.Float64, strict=False)
    if texts.is_not_null().sum() > numbers.is_not_null().sum():
        comma = texts.str.contains(r"^[-+]?\d+,\d+$").fill_null(False)
        with_point = texts.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        numbers = pl.select(pl.when(comma).then(with_point).otherwise(numbers)).to_series()
    return pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()


def read_times(values: pl.Series, form: DateForm) -> pl.Series:
    """Milliseconds since 1970 UTC of a column, null where a value is no date between 1970 and 2100.

    Args:
        values: of the column.
        form: what they mean; not "counts".
    """
    kind = values.dtype
    if kind == pl.Datetime:
        if getattr(kind, "time_zone", None):
            values = values.dt.convert_time_zone("UTC")
        return _checked(values.dt.timestamp("ms"))
    if kind == pl.Date:
        return _checked(values.cast(pl.Datetime("ms")).dt.timestamp("ms"))
    if kind.is_numeric():
        return _checked(_of_numbers(values, form))
    texts = as_texts(values).str.strip_chars()
    whole = texts.cast(pl.Int64, strict=False)
    if whole.null_count() == texts.null_count():
        return _checked(_of_numbers(whole, form))
    numeric = texts.str.contains(r"^[-+]?\d+(?:\.\d*)?$").fill_null(False)
    found = _of_texts(texts, form)
    if not numeric.any():
        return _checked(found)
    numbers = _of_numbers(texts.cast(pl.Float64, strict=False), form)
    return _checked(pl.select(pl.when(numeric).then(numbers).otherwise(found)).to_series())


def _checked(times: pl.Series) -> pl.Series:
    return pl.select(pl.when((times >= 0) & (times < LAST)).then(times)).to_series()


def _of_numbers(values: pl.Series, form: DateForm) -> pl.Series:
    """Numbers as milliseconds."""
    if form.numbers in ("seconds", "none"):
        # Seconds, milli-, micro- or nanoseconds are told apart by their size, as `read_date` does.
        x = pl.col("x")
        frame = values.alias("x").to_frame()
        size = x.abs()
        ms = (
            pl.when(size <= 10**11)
            .then(x * SECOND)
            .when(size <= 10**14)
            .then(x)
            .when(size <= 10**17)
            .then(x // 1_000)
            .otherwise(x // 1_000_000)
        )
        return frame.select(ms.cast(pl.Int64, strict=False)).to_series()
    if form.numbers == "days of Excel":
        days = values.cast(pl.Float64)
        seconds = ((days - EXCEL_EPOCH) * DAY).round()
        whole = (seconds * SECOND).cast(pl.Int64, strict=False)
        return pl.select(pl.when(days >= EXCEL_EPOCH).then(whole)).to_series()
    return _by_value(values, form.read)


def _of_texts(texts: pl.Series, form: DateForm) -> pl.Series:
    """Texts as milliseconds: those in ISO 8601 by Polars, every other one through the reader of dates."""
    iso = texts.str.contains(_ISO).fill_null(False)
    clock = texts.str.slice(11, 12).str.replace(r"(?:Z| .*|\+.*)$", "")  # to milliseconds, without the zone, UTC
    ms = (
        (texts.str.slice(0, 10) + " " + clock)
        .filter(iso)
        .str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ms", strict=False)
        .dt.timestamp("ms")
    )
    found = pl.DataFrame({"place": iso.arg_true(), "ms": ms}).cast({"ms": pl.Int64})
    if not iso.all():
        others = pl.DataFrame({"place": (~iso).arg_true(), "ms": _by_value(texts.filter(~iso), form.read)})
        found = pl.concat([found, others]).sort("place")
    return found["ms"]


def _by_value(values: pl.Series, read: Callable[[Any], int | None]) -> pl.Series:
    """Milliseconds of seconds that a function reads of each different value."""
    different = values.drop_nulls().unique()
    seconds = [read(value) for value in different.to_list()]
    table = pl.DataFrame({"x": different, "ms": pl.Series(seconds, dtype=pl.Int64) * SECOND})
    return values.alias("x").to_frame().join(table, on="x", how="left", maintain_order="left")["ms"]


def shown_time(milliseconds: int) -> str:
    """A time as a date for messages."""
    return f"{datetime.fromtimestamp(milliseconds // SECOND, UTC):%Y-%m-%d}"
