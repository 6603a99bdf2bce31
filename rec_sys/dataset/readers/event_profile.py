"""What a file of events or orders holds, told from all of its rows before one of them is read.

As `profile` does it for reviews: which columns, what the times mean, which words stand for nobody, which kinds there
are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from rec_sys.dataset.readers.column_values import IdForm, as_texts
from rec_sys.dataset.readers.columnar import BROKEN, LINE, LINES, Columnar, SpanningQuotes
from rec_sys.dataset.readers.date_columns import EARLIEST, DateColumn, DateForm, latest
from rec_sys.dataset.readers.dates import LAST_TIMESTAMP
from rec_sys.dataset.readers.event_columns import EventColumns, choose_columns
from rec_sys.dataset.readers.event_kinds import KindNames
from rec_sys.dataset.readers.identities import EXCEL_DIGITS, IdColumn, check_digits, is_collective, is_nothing
from rec_sys.dataset.readers.profile import first_values
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.rows import RawFile
from rec_sys.errors import DataError
from rec_sys.progress import ProgressCallback, Stage

HEAD = 1_000  # rows by which the columns are chosen
SAMPLE = 20_000  # times of a column that are all looked at; of those behind them every STEP-th
STEP = 101
MAX_KINDS = 1_000  # different values of a column of kinds
SHARE_OF_A_KIND = 0.01  # of the ids, from which two kinds of them are worth a warning
IDS = ("user", "product", "basket")

_ID_KINDS = {
    "e-mail addresses": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "UUIDs": re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "numbers": re.compile(r"\d+(?:\.0)?"),
}


@dataclass(frozen=True)
class EventProfile:
    """All that is known of a file before its rows are read."""

    columns: EventColumns
    header: list[str]
    dates: DateForm
    ids: Mapping[str, IdForm]  # of the fields of IDS that the file has
    kinds: KindNames
    earliest: float  # seconds; earlier times are implausible
    latest: float
    collective: Mapping[str, int]  # names of the file that stand for many users, with their rows
    warnings: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)  # the first value of each column

    @property
    def unread(self) -> list[str]:
        """The columns that are not looked at."""
        read = set(self.columns.names.values())
        return [name for name in self.header if name not in read]


def find_event_profile(
    file: RawFile, settings: ReadingSettings, progress: ProgressCallback | None = None
) -> tuple[Columnar, EventProfile]:
    """Read a file through; returns it with the way it has to be read, and what it holds.

    Raises:
        DataError: it cannot be read, its columns are not known, or nobody can tell what the values mean.
    """
    reader = Columnar(file)
    try:
        return reader, _profile(reader, settings, progress)
    except SpanningQuotes:
        reader.way = "rows"
        return reader, _profile(reader, settings, progress)


def _profile(reader: Columnar, settings: ReadingSettings, progress: ProgressCallback | None) -> EventProfile:
    file, looked = reader.file, None
    columns, head = None, pl.DataFrame()
    stage = Stage(f"look through {file.path.name}", file.size, "bytes", progress)
    for frame in reader.frames():
        good = frame.filter(pl.col(BROKEN).is_null())
        if columns is None:
            head = good.head(HEAD).drop(LINE, LINES, BROKEN)
            if head.is_empty():
                continue
            columns = choose_columns(file, reader.header, head, settings)
            looked = _Columns(columns)
        assert looked is not None  # noqa: S101
        looked.add(good)
        stage.reach(file.position)
    stage.reach(file.size)
    if columns is None or looked is None:
        log = "orders" if settings.format == "orders" else "events"
        raise DataError(f"{file.path} ({file.kind}) holds no row that can be read; expected {log}, one row per line")
    try:
        return _told(looked, columns, reader.header, head, settings)
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None


class _Columns:
    """What the columns show when they are seen whole."""

    def __init__(self, columns: EventColumns) -> None:
        self.columns = columns
        self.dates = DateColumn(columns["timestamp"])
        self.rows = 0
        self.ids = {name: _Ids() for name in IDS if name in columns.names}
        self.kinds: Counter[str] = Counter()

    def add(self, frame: pl.DataFrame) -> None:
        times = frame[self.columns["timestamp"]]
        first = max(0, min(SAMPLE - self.rows, len(times)))
        for value in times.head(first).to_list():
            self.dates.add(value)
        rest = times.slice(first)
        if len(rest):
            if rest.dtype == pl.String:  # a date of another form may stand anywhere
                days = rest.str.slice(0, 10)
                rest = rest.filter((days != days.shift()).fill_null(True)).gather_every(1 + len(rest) // SAMPLE)
            else:
                rest = rest.gather_every(STEP)
            for value in rest.to_list():
                self.dates.add(value)
        self.rows += len(times)
        for name, ids in self.ids.items():
            ids.add(as_texts(frame[self.columns[name]]))
        if (kind := self.columns.get("kind")) is not None:
            self.kinds.update(dict(as_texts(frame[kind]).fill_null("").value_counts().iter_rows()))
            if len(self.kinds) > MAX_KINDS:
                raise DataError(
                    f"the column {kind!r} has more than {MAX_KINDS:,} different values, which are no kinds of events; "
                    f"name the right one with data.columns.kind=..."
                )


class _Ids:
    """The ids of a column: which words stand for nothing, which names for many, and of which kinds they are."""

    def __init__(self) -> None:
        self.words = IdColumn()  # only words for nothing, and how often nothing stands
        self.collective: Counter[str] = Counter()
        self.long: set[str] = set()
        self.decimal = False
        self.of_kind: Counter[str] = Counter()
        self.example: dict[str, str] = {}
        self.total = 0

    def add(self, texts: pl.Series) -> None:
        counts = texts.fill_null("").value_counts()
        values = counts.columns[0]
        short = counts.filter(pl.col(values).str.len_chars() <= 30)
        for text, rows in short.filter(~pl.col(values).str.contains(r"^[0-9A-Za-z_]*[0-9][0-9A-Za-z_]*$")).iter_rows():
            if not text.strip():
                self.words.empty += rows
            elif is_nothing(text):
                self.words.counts[text] += rows
            elif is_collective(text):
                self.collective[text] += rows
        long = counts.filter(pl.col(values).str.contains(rf"^\d{{{EXCEL_DIGITS + 1},}}$"))[values]
        if len(self.long) < SAMPLE:
            self.long.update(long.to_list())
        self.decimal = self.decimal or bool(counts[values].str.contains(r"^\d+\.\d*[1-9]\d*$").any())
        for text, rows in counts.head(SAMPLE).iter_rows():
            self.total += rows
            for name, pattern in _ID_KINDS.items():
                if pattern.fullmatch(text):
                    self.of_kind[name] += rows
                    self.example.setdefault(name, text)
                    break

    def two_kinds(self, column: str) -> str:
        """A warning where ids of two kinds stand in one column; "" where they do not."""
        found = [(name, rows) for name, rows in self.of_kind.most_common() if rows >= SHARE_OF_A_KIND * self.total]
        if len(found) < 2:
            return ""
        said = " and ".join(f"{name} such as {self.example[name]!r} ({rows / self.total:.0%})" for name, rows in found)
        return (
            f"the column {column!r} holds several kinds of ids: {said}; the same one under two ids counts as two: give "
            f"each one id before"
        )


def _told(
    looked: _Columns,
    columns: EventColumns,
    header: list[str],
    head: pl.DataFrame,
    settings: ReadingSettings,
) -> EventProfile:
    """What the columns tell.

    Raises:
        DataError: nobody can tell what the values mean.
    """
    warnings = [words for name in ("user", "product") if (words := looked.ids[name].two_kinds(columns[name]))]
    dates = looked.dates.form(settings.date_order)
    if dates.counts:
        raise DataError(
            f"the column {columns['timestamp']!r} counts from a start that nobody knows; {columns.log} need dates: "
            f"write the counts as dates, or name another column with data.columns.timestamp=..."
        )
    if settings.date_order and not looked.dates.has_day_and_month:
        warnings.append(f"data.date_order={settings.date_order} has no effect: no date needs it")
    if settings.rating_scale:
        warnings.append(f"data.rating_scale={settings.rating_scale} has no effect: {columns.log} have no ratings")
    ids = {}
    for name, seen in looked.ids.items():
        check_digits(seen.long, {"user": "people", "product": "products"}.get(name, "orders"))
        ids[name] = IdForm(_nothing(seen.words, columns[name], head, settings), point_zero=not seen.decimal)
    collective = {} if settings.max_share == 1 else dict(looked.ids["user"].collective)
    return EventProfile(
        columns=columns,
        header=header,
        dates=dates,
        ids=ids,
        kinds=KindNames(settings.event_weights),
        earliest=EARLIEST if settings.check_dates else 0,
        latest=latest() if settings.check_dates else LAST_TIMESTAMP,
        collective=collective,
        warnings=warnings,
        examples=first_values(header, head.iter_rows(named=True)),
    )


def _nothing(words: IdColumn, column: str, head: pl.DataFrame, settings: ReadingSettings) -> frozenset[str]:
    """Words that mean nothing in a column of ids."""
    if settings.nothing is not None:
        return frozenset(settings.nothing)
    if not words.counts:
        return frozenset()
    others: list[Any] = [value for name in head.columns if name != column for value in head[name].to_list()]
    elsewhere = {value for value in others if isinstance(value, str) and is_nothing(value)}
    return words.nothing(elsewhere, written_empty=any(value is None or value == "" for value in others))
