"""Which columns hold what, where names alone mislead: told by whether the first values are what the names say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rec_sys.dataset.readers.column_aliases import all_columns, plain
from rec_sys.dataset.readers.date_columns import DateColumn, parts_of_a_day
from rec_sys.dataset.readers.formats import FIELDS, ReviewFormat
from rec_sys.dataset.readers.identities import read_id
from rec_sys.dataset.readers.ratings import RatingColumn
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.rows import RawFile
from rec_sys.errors import DataError

ENOUGH = 20  # rows from which a column that says the same in all of them is no id
READABLE = 0.5  # share of its values that must be what the name of a column says


def settings_without_header(file: RawFile, settings: ReadingSettings, head: list[dict[str, Any]]) -> ReadingSettings:
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


def with_telling_ids(
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


def with_readable_rating(
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


def with_readable_time(
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
    if settings.format in ("interactions", "ratings") and not given:
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
