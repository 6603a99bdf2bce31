"""What a file of reviews holds, told from all of its rows before one of them is read: columns, dates, ratings, people.

The first rows choose the columns: by their names, and by whether their values are what the name says. Then all rows
tell what the values mean, so that the reading itself knows one meaning of each and refuses the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from rec_sys.dataset.readers.column_aliases import plain
from rec_sys.dataset.readers.date_columns import EARLIEST, DateColumn, DateForm, latest
from rec_sys.dataset.readers.dates import LAST_TIMESTAMP
from rec_sys.dataset.readers.format_choice import choose_format
from rec_sys.dataset.readers.formats import FIELDS, ReviewFormat
from rec_sys.dataset.readers.identities import IdColumn, check_digits, is_nothing, too_frequent
from rec_sys.dataset.readers.nested import LIST_NAMES, flat, unrolled
from rec_sys.dataset.readers.ratings import RatingColumn, RatingForm, read_scale
from rec_sys.dataset.readers.readable_columns import (
    settings_without_header,
    with_readable_rating,
    with_readable_time,
    with_telling_ids,
)
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.review_reader import Reading, first
from rec_sys.dataset.readers.row import Row
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.dataset.readers.unread_columns import events_or_orders, suspicious_columns
from rec_sys.errors import DataError

HEAD = 1_000  # rows by which the columns are chosen
MAX_EXAMPLE = 120  # characters of an example of a column's values

Progress = Callable[[], None]


@dataclass(frozen=True)
class Profile:
    """All that is known of a file before its rows are read."""

    format: ReviewFormat
    reading: Reading
    header: list[str]
    nested: bool = False  # columns are fields inside fields
    list_name: str | None = None  # each row holds several reviews, in a list of this name
    collective: Mapping[str, int] = field(default_factory=dict)  # reviews of names that stand for many people
    warnings: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)  # the first value of each column

    @property
    def taken(self) -> dict[str, list[str]]:
        """The columns of each field that has any."""
        taken = {name: list(getattr(self.format, name)) for name in FIELDS if getattr(self.format, name)}
        if self.reading.day_parts:
            taken["timestamp"] = list(self.reading.day_parts)
        if self.reading.clock:
            taken["timestamp"] = [*taken["timestamp"], self.reading.clock]
        return taken

    @property
    def unread(self) -> list[str]:
        """The columns that are not looked at."""
        read = {name for names in self.taken.values() for name in names}
        return [name for name in self.header if name not in read]

    def rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Rows as the format sees them."""
        return _shaped(rows, self.nested, self.list_name)


def find_profile(file: RawFile, settings: ReadingSettings, progress: Progress = lambda: None) -> Profile:
    """Read a file through.

    Args:
        file: with a row per review.
        settings: what is told beside.
        progress: called now and then.

    Raises:
        DataError: it cannot be read, its columns are not known, or nobody can tell what the values mean.
    """
    header, rows = peek(file, HEAD)
    head = [row for row in islice(rows, HEAD) if isinstance(row.fields, dict)]
    nested, list_name = _shape(head)
    if nested or list_name:
        head = [row for row in _shaped(iter(head), nested, list_name) if isinstance(row.fields, dict)]
        header = list(dict.fromkeys(name for row in head for name in row.fields if isinstance(row.fields, dict)))
    values: list[dict[str, Any]] = [row.fields for row in head if isinstance(row.fields, dict)]
    if file.kind == "CSV" and not file.layout.has_header:
        settings = settings_without_header(file, settings, values)
    told = settings.format
    format_ = choose_format(header, settings.columns, file.path, told == "interactions", told == "ratings")
    format_, replaced = with_telling_ids(format_, header, values, settings)
    format_, warnings = with_readable_rating(format_, header, values, settings)
    warnings = [*replaced, *warnings]
    format_, parts, clock = with_readable_time(format_, header, values, settings, file)
    taken = {name for each in FIELDS for name in getattr(format_, each)} | {*(parts or ()), clock or ""}
    nested = nested and (list_name is not None or any("." in name for name in taken))  # else nobody looks inside
    columns = _Columns(format_)
    for count, row in enumerate(_shaped(file.rows(), nested, list_name)):
        if isinstance(row.fields, dict):
            columns.add(row.fields)
        if count % 10_000 == 0:
            progress()
    try:
        profile = _told(columns, format_, settings, header, values, parts, clock)
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None
    warnings += suspicious_columns(values, profile.unread, profile.taken)
    warnings += events_or_orders(values, header)
    return replace(
        profile,
        nested=nested,
        list_name=list_name,
        warnings=[*warnings, *profile.warnings],
        examples=first_values(header, values),
    )


def first_values(header: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The first value of each column that is there, shortened; columns that are empty in all rows are left out."""
    found: dict[str, str] = {}
    missing = list(header)
    for row in rows:
        for name in missing:
            if (value := first(row, (name,))) is not None:
                try:
                    shown = str(value)
                except RecursionError:  # nested deeper than anything that is read
                    shown = "..."
                found[name] = shown if len(shown) <= MAX_EXAMPLE else shown[: MAX_EXAMPLE - 1] + "…"
        missing = [name for name in missing if name not in found]
        if not missing:
            break
    return found


class _Columns:
    """The columns that tell something when they are seen whole."""

    def __init__(self, format_: ReviewFormat) -> None:
        self.format = format_
        self.users, self.products = IdColumn(), IdColumn()
        self.rating = RatingColumn(format_.rating[0]) if format_.rating else None
        self.dates = {name: DateColumn(name) for name in format_.timestamp}

    def add(self, row: Mapping[str, Any]) -> None:
        form = self.format
        self.users.add(row.get(form.user[0]) if len(form.user) == 1 else first(row, form.user))
        self.products.add(row.get(form.product[0]) if len(form.product) == 1 else first(row, form.product))
        if self.rating is not None:
            self.rating.add(row.get(form.rating[0]) if len(form.rating) == 1 else first(row, form.rating))
        for name, column in self.dates.items():
            column.add(row.get(name))


def _told(
    columns: _Columns,
    format_: ReviewFormat,
    settings: ReadingSettings,
    header: list[str],
    head: list[dict[str, Any]],
    parts: tuple[str, str, str] | None,
    clock: str | None,
) -> Profile:
    """What the columns tell.

    Raises:
        DataError: nobody can tell what the values mean.
    """
    warnings: list[str] = []
    dates: dict[str, DateForm] = {name: column.form(settings.date_order) for name, column in columns.dates.items()}
    if any(form.counts for form in dates.values()) and parts is None:
        counted = next(name for name, form in dates.items() if form.counts)
        format_ = replace(format_, timestamp=(), order=(counted,))
        warnings.append(
            f"the column {counted!r} counts from a start that nobody knows; it is taken as an order, without dates"
        )
    check_digits(columns.users.counts, "people")
    check_digits(columns.products.counts, "products")
    no_users, no_products = (
        _nothing(column, names, head, settings)
        for column, names in ((columns.users, format_.user), (columns.products, format_.product))
    )
    counts = {name: count for name, count in columns.users.counts.items() if name not in no_users}
    ratings = RatingForm()
    if columns.rating is not None:
        ratings = columns.rating.form(read_scale(settings.rating_scale) if settings.rating_scale else None)
    elif settings.rating_scale:
        warnings.append(f"data.rating_scale={settings.rating_scale} has no effect: no column of ratings is read")
    if settings.date_order and not any(column.has_day_and_month for column in columns.dates.values()):
        warnings.append(f"data.date_order={settings.date_order} has no effect: no date needs it")
    by_time = bool(format_.timestamp) and settings.check_dates
    reading = Reading(
        dates=dates,
        day_parts=parts,
        clock=clock,
        ratings=ratings,
        no_users=no_users,
        no_products=no_products,
        earliest=EARLIEST if by_time else 0,
        latest=latest() if by_time else LAST_TIMESTAMP,
    )
    return Profile(format_, reading, header, collective=too_frequent(counts, settings.max_share), warnings=warnings)


def _nothing(
    column: IdColumn, names: tuple[str, ...], head: list[dict[str, Any]], settings: ReadingSettings
) -> frozenset[str]:
    """Words that mean nothing in a column of ids."""
    if settings.nothing is not None:
        return frozenset(settings.nothing)
    if not any(is_nothing(name) for name in column.counts):
        return frozenset()
    others = [value for row in head for name, value in row.items() if name not in names]
    elsewhere = {value for value in others if isinstance(value, str) and is_nothing(value)}
    return column.nothing(elsewhere, written_empty=any(value is None or value == "" for value in others))


def _shape(head: list[Row]) -> tuple[bool, str | None]:
    """Whether rows have fields inside fields, and in which of them several reviews stand."""
    rows = [row.fields for row in head if isinstance(row.fields, dict)]
    for name in dict.fromkeys(name for row in rows for name in row):
        if plain(name) in LIST_NAMES:
            lists = [row[name] for row in rows if row.get(name)]
            if lists and all(isinstance(its, list) and all(isinstance(item, dict) for item in its) for its in lists):
                return True, name
    return any(isinstance(value, dict) for row in rows for value in row.values()), None


def _shaped(rows: Iterator[Row], nested: bool, list_name: str | None) -> Iterator[Row]:
    if list_name is None and not nested:
        yield from rows
        return
    for line, fields, lines in rows:
        if isinstance(fields, str):
            yield Row(line, fields, lines)
        elif list_name is None:
            yield Row(line, flat(fields), lines)
        else:
            for review in unrolled(fields, list_name):
                yield Row(line, flat(review), lines)
                lines = 0
            if lines:
                yield Row(line, f"no list of reviews in {list_name!r}", lines)
