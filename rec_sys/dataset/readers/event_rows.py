"""Frames of a raw file as checked rows of events or orders, with the reason beside each row that is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from rec_sys.dataset.readers.column_values import SECOND, as_texts, read_ids, read_numbers, read_times
from rec_sys.dataset.readers.columnar import BROKEN, LINE, LINES, Columnar
from rec_sys.dataset.readers.event_profile import EventProfile
from rec_sys.dataset.readers.rejects import Reason, Rejects
from rec_sys.dataset.readers.texts import on_one_line, read_text
from rec_sys.progress import ProgressCallback, Stage

# Columns of a checked frame.
ROW_LINE, USER, PRODUCT, TIME = "line", "user", "product", "time"  # time: milliseconds since 1970 UTC
KIND, BASKET, QUANTITY, PRICE, NAME = "kind", "basket", "quantity", "price", "name"
WHY, VALUE = "why", "value"  # the reason a row is left out for, and the value at fault; null
SHOWN = "shown:"  # before the raw columns that are shown of a row that is left out

LISTED = 200_000  # rows of one reason that are listed; more are counted


@dataclass
class RowCounts:
    """What became of the rows on the way."""

    read: int = 0  # rows
    lines: int = 0  # physical lines of rows that are not left out
    lines_left_out: int = 0
    point_zero: Counter[str] = field(default_factory=Counter)  # ids that lost a ".0", by field
    no_user: int = 0  # rows of orders without a customer
    nobody: int = 0  # rows of orders whose customer is a name that stands for many


class EventRows:
    """Reads a file whose profile is known.

    Args:
        reader: of the raw file.
        profile: of it.
        rejects: gets the rows that are left out.
    """

    def __init__(self, reader: Columnar, profile: EventProfile, rejects: Rejects) -> None:
        self.reader, self.profile, self.rejects = reader, profile, rejects
        self.counts = RowCounts()

    def frames(self, progress: ProgressCallback | None = None) -> Iterator[pl.DataFrame]:
        """Frames of the rows that are kept, see the names above; orders may have no user.

        Ids and kinds are categories, so that millions of rows stay small.
        """
        file = self.reader.file
        stage = Stage(f"read {file.path.name}", file.size, "bytes", progress)
        for raw in self.reader.frames(list(self.profile.columns.names.values())):
            self.counts.read += len(raw)
            yield self._kept(self._checked(raw))
            stage.reach(file.position)
        stage.reach(file.size)

    def reject(self, rows: pl.DataFrame, reason: Reason) -> None:
        """Leave out rows of frames that were yielded."""
        self.counts.lines -= len(rows)
        self.counts.lines_left_out += len(rows)
        shown = [name for name in (USER, PRODUCT, KIND, TIME, BASKET, QUANTITY, PRICE, NAME) if name in rows.columns]
        for line, *values in rows.select(ROW_LINE, *shown).iter_rows():
            self.rejects.add(line, reason, dict(zip(shown, values, strict=True)))

    def _checked(self, raw: pl.DataFrame) -> pl.DataFrame:
        """A raw frame with the values of its fields, and why a row is left out."""
        profile, columns = self.profile, self.profile.columns
        named = columns.names
        frame = raw.select(
            pl.col(LINE).alias(ROW_LINE),
            pl.col(LINES),
            pl.when(pl.col(BROKEN).is_not_null()).then(pl.lit(str(Reason.BROKEN))).alias(WHY),
            pl.col(BROKEN).alias(VALUE),
        ).hstack([as_texts(raw[name]).alias(f"{SHOWN}{name}") for name in named.values()])
        for name in ("user", "product", "basket"):
            if (column := columns.get(name)) is None:
                frame = frame.with_columns(pl.lit(None, pl.String).alias(name))
                continue
            ids, why, shortened = read_ids(raw[column], profile.ids[name])
            self.counts.point_zero[name] += shortened
            frame = frame.with_columns(ids.alias(name))
            if name != "basket":
                frame = _left_out(frame, why, as_texts(raw[column]))
        frame = self._without_ids(frame)
        frame = self._with_time(frame, raw[columns["timestamp"]])
        if (column := columns.get("kind")) is not None:
            frame = self._with_kind(frame, as_texts(raw[column]))
        for name in ("quantity", "price"):
            column = columns.get(name)
            numbers = pl.lit(None, pl.Float64) if column is None else read_numbers(raw[column])
            frame = frame.with_columns(numbers.alias(name))
        frame = self._with_quantity(frame)
        if (column := columns.get("product_name")) is not None:
            frame = frame.with_columns(as_texts(raw[column]).alias(NAME))
        return frame

    def _without_ids(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows without a product, and events without a user, are left out; orders without one count as sales."""
        nobody = pl.col(USER).is_in(sorted(self.profile.collective))
        if self.profile.columns.log == "events":
            frame = _because(frame, pl.col(USER).is_null(), Reason.NO_USER)
            frame = _because(frame, nobody, Reason.NOBODY, pl.col(USER))
        else:
            self.counts.nobody += frame.filter(nobody & pl.col(WHY).is_null()).height
            frame = frame.with_columns(pl.when(~nobody).then(pl.col(USER)).alias(USER))
        return _because(frame, pl.col(PRODUCT).is_null(), Reason.NO_PRODUCT)

    def _with_time(self, frame: pl.DataFrame, values: pl.Series) -> pl.DataFrame:
        profile = self.profile
        times = read_times(values, profile.dates)
        texts = as_texts(values).str.strip_chars()
        missing = texts.is_null() | (texts == "") | texts.str.contains(r"^0000-00-00(?:[ T]00:00:00)?$")
        frame = frame.with_columns(times.alias(TIME), texts.alias("text"), missing.fill_null(True).alias("missing"))
        frame = _because(frame, pl.col("missing"), Reason.NO_DATE)
        frame = _because(frame, pl.col(TIME).is_null(), Reason.BAD_DATE, pl.col("text"))
        within = pl.col(TIME).is_between(int(profile.earliest * SECOND), int(profile.latest * SECOND))
        return _because(frame, ~within, Reason.IMPLAUSIBLE_DATE, pl.col("text")).drop("text", "missing")

    def _with_kind(self, frame: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
        kinds = self.profile.kinds
        different = names.unique().drop_nulls().to_list()
        known = {name: kind for name in different if (kind := kinds.kind_of(name)) is not None}
        found = names.replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.String)
        frame = frame.with_columns(found.alias(KIND), names.alias("text"))
        frame = _because(frame, pl.col(KIND).is_null(), Reason.UNKNOWN_KIND, pl.col("text"))
        left_out = [kind for kind in set(known.values()) if kinds.is_left_out(kind)]
        return _because(frame, pl.col(KIND).is_in(left_out), Reason.KIND_LEFT_OUT, pl.col("text")).drop("text")

    def _with_quantity(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Pieces: of events above 0, one where none is written; of orders below 0 what came back."""
        if (column := self.profile.columns.get("quantity")) is None:
            return frame.with_columns(pl.lit(1.0).alias(QUANTITY))
        shown = pl.col(f"{SHOWN}{column}")
        if self.profile.columns.log == "orders":
            return _because(frame, pl.col(QUANTITY).is_null() | (pl.col(QUANTITY) == 0), Reason.BAD_QUANTITY, shown)
        written = shown.is_not_null() & (shown.str.strip_chars() != "")
        frame = _because(
            frame, written & (pl.col(QUANTITY).is_null() | (pl.col(QUANTITY) <= 0)), Reason.BAD_QUANTITY, shown
        )
        return frame.with_columns(pl.col(QUANTITY).fill_null(1.0))

    def _kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that are not left out; the others are listed."""
        left_out = frame.filter(pl.col(WHY).is_not_null())
        shown = [name for name in frame.columns if name.startswith(SHOWN)]
        raw_names = [name.removeprefix(SHOWN) for name in shown]
        for line, why, value, *values in left_out.select(ROW_LINE, WHY, VALUE, *shown).iter_rows():
            reason = Reason(why)
            row = value if reason == Reason.BROKEN else dict(zip(raw_names, values, strict=True))
            self.rejects.add(line, reason, row, None if reason == Reason.BROKEN else value)
        self.counts.lines_left_out += int(left_out[LINES].sum())
        kept = frame.filter(pl.col(WHY).is_null())
        self.counts.lines += int(kept[LINES].sum())
        self.counts.no_user += int(kept[USER].null_count())
        columns = [
            name
            for name in (ROW_LINE, USER, PRODUCT, TIME, KIND, BASKET, QUANTITY, PRICE, NAME)
            if name in kept.columns
        ]
        ids = [name for name in (USER, PRODUCT, BASKET, KIND, NAME) if name in columns]
        return kept.select(columns).with_columns(pl.col(ids).cast(pl.Categorical))


def _because(frame: pl.DataFrame, wrong: pl.Expr, reason: Reason, value: pl.Expr | None = None) -> pl.DataFrame:
    """The frame with a reason for rows that are wrong and have none yet."""
    now = pl.col(WHY).is_null() & wrong
    at_fault = pl.lit(None, pl.String) if value is None else value
    return frame.with_columns(
        pl.when(now).then(pl.lit(str(reason))).otherwise(pl.col(WHY)).alias(WHY),
        pl.when(now).then(at_fault).otherwise(pl.col(VALUE)).alias(VALUE),
    )


def _left_out(frame: pl.DataFrame, why: pl.Series, values: pl.Series) -> pl.DataFrame:
    """The frame with the reasons of a column for rows that have none yet."""
    if not why.is_not_null().any():
        return frame
    frame = frame.with_columns(why.alias("because"), values.alias("text"))
    now = pl.col(WHY).is_null() & pl.col("because").is_not_null()
    return frame.with_columns(
        pl.when(now).then(pl.col("because")).otherwise(pl.col(WHY)).alias(WHY),
        pl.when(now).then(pl.col("text")).otherwise(pl.col(VALUE)).alias(VALUE),
    ).drop("because", "text")


def product_names(counts: pl.DataFrame) -> dict[str, str]:
    """The most frequent name of each product, the first in the alphabet of equals.

    Args:
        counts: columns PRODUCT, NAME and "rows".
    """
    found = (
        counts.filter(pl.col(NAME).is_not_null())
        .group_by(PRODUCT, NAME)
        .agg(pl.col("rows").sum())
        .with_columns(pl.col(NAME).cast(pl.String), pl.col(PRODUCT).cast(pl.String))
        .sort("rows", NAME, descending=[True, False])
        .group_by(PRODUCT, maintain_order=True)
        .first()
    )
    names = {product: on_one_line(read_text(name)) for product, name in found.select(PRODUCT, NAME).iter_rows()}
    return {product: name for product, name in names.items() if name}
