"""What a file of reviews holds, told from all of its rows before one of them is read: columns, dates, ratings, people.

The first rows choose the columns: by their names, and by whether their values are what the name says. Then all rows
tell what the values mean, so that the reading itself knows one meaning of each and refuses the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from rec_sys.dataset.readers.column_aliases import all_columns, plain
from rec_sys.dataset.readers.date_columns import EARLIEST, DateColumn, DateForm, latest, parts_of_a_day
from rec_sys.dataset.readers.dates import LAST_TIMESTAMP
from rec_sys.dataset.readers.format_choice import choose_format
from rec_sys.dataset.readers.formats import FIELDS, NONE, ReviewFormat
from rec_sys.dataset.readers.identities import IdColumn, check_digits, is_nothing, read_id, too_frequent
from rec_sys.dataset.readers.nested import LIST_NAMES, flat, unrolled
from rec_sys.dataset.readers.ratings import RatingColumn, RatingForm, read_scale
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.review_reader import Reading, first
from rec_sys.dataset.readers.row import Row
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.dataset.readers.unread_columns import suspicious_columns
from rec_sys.errors import DataError

HEAD = 1_000  # rows by which the columns are chosen
MAX_EXAMPLE = 120  # characters of an example of a column's values
ENOUGH = 20  # rows from which a column that says the same in all of them is no id
READABLE = 0.5  # share of its values that must be what the name of a column says

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
        settings = _without_header(file, settings, values)
    format_ = choose_format(header, settings.columns, file.path, settings.format == "interactions")
    format_, replaced = _with_telling_ids(format_, header, values, settings)
    format_, warnings = _with_readable_rating(format_, header, values, settings)
    warnings = [*replaced, *warnings]
    format_, parts, clock = _with_readable_time(format_, header, values, settings, file)
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


def _without_header(file: RawFile, settings: ReadingSettings, head: list[dict[str, Any]]) -> ReadingSettings:
    """Settings with the columns of a file without a header: as they are told, or as MovieLens writes them.

    Raises:
        DataError: nobody said which column is which.
    """
    if settings.columns.user is not None and settings.columns.product is not None:
        return settings
    names = list(head[0])
    if len(names) == 4 and file.layout.separator in ("::", "\t"):
        rating, when = RatingColumn("3"), DateColumn("4")
        for row in head:
            rating.add(row["3"])
            when.add(row["4"])
        if rating.readable() == 1 and len(rating.values) <= 21 and when.form().numbers == "seconds" and when.numbers:
            guess = {"user": "1", "product": "2", "rating": "3", "timestamp": "4"}
            return settings.model_copy(update={"columns": settings.columns.model_copy(update=guess)})
    shown = ", ".join(f"{name}: {str(value)[:40]!r}" for name, value in head[0].items())
    raise DataError(
        f"{file.path} has no header (its first line is {shown}); say which column is which by their places: "
        f"data.columns.user=1 data.columns.product=2 and, where there are any, data.columns.rating=3 "
        f"data.columns.timestamp=4 data.columns.text=5"
    )


def _with_telling_ids(
    format_: ReviewFormat, header: list[str], head: list[dict[str, Any]], settings: ReadingSettings
) -> tuple[ReviewFormat, list[str]]:
    """The format with other columns of users and products where the first ones say the same in all rows."""
    said: list[str] = []
    for what in ("user", "product"):
        names: tuple[str, ...] = getattr(format_, what)
        given = getattr(settings.columns, what) is not None
        if given or not names or len(head) < ENOUGH or not _is_constant(head, names[0]):
            continue
        if isinstance(read_id(head[0].get(names[0])), Reason):
            continue  # the same, because its digits are lost
        taken = {name for each in FIELDS if each != what for name in getattr(format_, each)}
        others = [name for name in all_columns(header).get(what, ()) if name not in taken and name in header]
        if other := next((name for name in others if not _is_constant(head, name)), None):
            format_ = replace(format_, **dict[str, Any]({what: (other,)}))
            said.append(f"the column {names[0]!r} says the same in all rows; the {what} is read from {other!r}")
    return format_, said


def _is_constant(head: list[dict[str, Any]], name: str) -> bool:
    return len({str(row.get(name)) for row in head}) == 1


def _with_readable_rating(
    format_: ReviewFormat, header: list[str], head: list[dict[str, Any]], settings: ReadingSettings
) -> tuple[ReviewFormat, list[str]]:
    """The format with a column of ratings whose values are ratings; another one, or none, where they are not."""
    if not format_.rating or settings.columns.rating is not None or "rating" in format_.required:
        return format_, []
    taken = {name for each in FIELDS if each != "rating" for name in getattr(format_, each)}
    others = [name for name in all_columns(header).get("rating", ()) if name not in taken]
    for name in dict.fromkeys((*format_.rating, *others)):
        column = RatingColumn(name)
        for row in head:
            column.add(row.get(name))
        if not column.values or (column.readable() >= READABLE and not column.others):
            return replace(format_, rating=(name,) if name not in format_.rating else format_.rating), []
    name = format_.rating[0]
    texts = [row[name] for row in head if isinstance(row.get(name), str)]
    if not format_.text and sum(map(len, texts)) > 20 * len(texts) and settings.columns.text is None:
        return replace(format_, rating=(), text=(name,)), [
            f"the column {name!r} holds texts and no ratings; it is read as the text"
        ]
    shown = ", ".join(repr(text[:30]) for text in dict.fromkeys(texts[:3]))
    return replace(format_, rating=()), [f"the column {name!r} holds no ratings ({shown}) and is not read as such"]


def _with_readable_time(
    format_: ReviewFormat, header: list[str], head: list[dict[str, Any]], settings: ReadingSettings, file: RawFile
) -> tuple[ReviewFormat, tuple[str, str, str] | None, str | None]:
    """The format with columns of dates whose values are dates; with those of year, month and day; and the time of day.

    Raises:
        DataError: there is a column for the time, and its values are none.
    """
    if not format_.timestamp:
        return format_, None, None
    by_plain_name = {plain(name): name for name in header}
    given = settings.columns.timestamp
    taken = {name for each in FIELDS if each != "timestamp" for name in getattr(format_, each)}
    others = [] if given else [name for name in all_columns(header).get("timestamp", ()) if name not in taken]
    looked: dict[str, DateColumn] = {}
    for name in dict.fromkeys((*format_.timestamp, *others)):
        looked[name] = DateColumn(name)
        for row in head:
            looked[name].add(row.get(name))
    dated = {name: _kind(column) for name, column in looked.items()}
    own = tuple(name for name in format_.timestamp if dated[name] == "dates")
    parts = None if given else parts_of_a_day(by_plain_name)
    if own or any(kind == "dates" for kind in dated.values()):
        names = own or tuple(name for name, kind in dated.items() if kind == "dates")[:1]
        clock = next(
            (by_plain_name[name] for name in ("time", "uhrzeit", "heure", "hora") if name in by_plain_name), None
        )
        return replace(format_, timestamp=names), None, _beside(names, clock, looked, head, taken)
    if parts is not None:
        return replace(format_, timestamp=(parts[0],), order=()), parts, None
    counts = tuple(name for name, kind in dated.items() if kind == "counts")
    if counts:
        return replace(format_, timestamp=counts[:1]), None, None
    if settings.format == "interactions" and not given:
        return replace(format_, timestamp=()), None, None
    empty = all(not column.count for column in looked.values())
    if empty:
        return format_, None, None
    name, column = next((name, column) for name, column in looked.items() if column.count)
    example = next(iter(column.examples.values()), None) or next((f"{number:g}" for number in column.numbers), "")
    raise DataError(
        f"{file.path}: the column {name!r} is called like a time and holds none ({example!r} and the like); name the "
        f"right one with data.columns.timestamp=..., an order with data.columns.order=..., or take the order of the "
        f"file with data=interactions data.columns.timestamp=none"
    )


def _kind(column: DateColumn) -> str:
    """What a column that is called like a time holds: "dates", "counts", or ""."""
    if not column.count or column.time_of_day():
        return ""
    if column.day_of_month() and plain(column.name) in ("day", "tag", "jour", "dia", "time", "at"):
        return ""  # the day of the month, or the hour
    if column.hour_and_minute() and plain(column.name) == "time":
        return ""
    try:
        form = column.form()
    except DataError:
        return "dates"  # of which day and month are not known yet
    if form.counts:
        return "counts"
    return "dates" if column.readable(form) >= READABLE or column.shapes else ""


def _beside(
    names: tuple[str, ...],
    clock: str | None,
    looked: Mapping[str, DateColumn],
    head: list[dict[str, Any]],
    taken: set[str],
) -> str | None:
    """The column of the time of the day, where the dates have none."""
    if clock is None or clock in taken or clock in names or len(names) != 1:
        return None
    if any(":" in shape for shape in looked[names[0]].shapes) or looked[names[0]].numbers:
        return None
    column = DateColumn(clock)
    for row in head:
        column.add(row.get(clock))
    return clock if column.time_of_day() else None


__all__ = ["NONE", "Profile", "find_profile", "first_values"]
