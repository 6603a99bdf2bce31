"""Which columns of a file of events or orders hold what, by their names and by whether the first values are such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rec_sys.dataset.readers.column_aliases import EVENT_ALIASES, all_columns
from rec_sys.dataset.readers.date_columns import DateColumn
from rec_sys.dataset.readers.event_kinds import PURCHASE, KindNames, kinds_of_events
from rec_sys.dataset.readers.format_choice import given_columns
from rec_sys.dataset.readers.formats import NONE
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.rows import RawFile
from rec_sys.errors import DataError

Log = Literal["events", "orders"]  # what a file is a log of

REQUIRED: dict[Log, tuple[str, ...]] = {
    "events": ("user", "product", "timestamp", "kind"),
    "orders": ("user", "product", "timestamp"),
}
OPTIONAL: dict[Log, tuple[str, ...]] = {
    "events": ("basket", "quantity", "price", "product_name"),
    "orders": ("basket", "quantity", "price", "product_name"),
}
READABLE = 0.5  # share of the first values that must be what the name of a column says
WHAT = {
    "user": "the user",
    "product": "the product",
    "timestamp": "the time",
    "kind": "the kind of event",
}


@dataclass(frozen=True)
class EventColumns:
    """The column of each field; fields that the file does not have are left out."""

    log: Log
    names: dict[str, str]

    def __getitem__(self, field: str) -> str:
        return self.names[field]

    def get(self, field: str) -> str | None:
        return self.names.get(field)


def choose_columns(file: RawFile, header: Sequence[str], head: pl.DataFrame, settings: ReadingSettings) -> EventColumns:
    """The columns of a file of events or orders.

    Args:
        file: for messages.
        header: all of its columns.
        head: its first rows.
        settings: `columns` goes before the names; `format` is events or orders.

    Raises:
        DataError: a required column is missing; the message lists what was found.
    """
    log: Log = "orders" if settings.format == "orders" else "events"
    fields = (*REQUIRED[log], *OPTIONAL[log])
    given = given_columns(header, settings.columns, file.path, (*fields, "kind"))
    for field in given:
        if field not in fields and not (field == "kind" and given[field] == NONE):
            raise DataError(f"data.columns.{field}={given[field]}: {log} have no {field}; leave it out")
    if file.kind == "CSV" and not file.layout.has_header and not {"user", "product"} <= given.keys():
        raise _no_header(file, head)
    none = {field for field, name in given.items() if name == NONE}
    own = {field: name for field, name in given.items() if name != NONE}
    found = all_columns(header, own, EVENT_ALIASES)
    names: dict[str, str] = dict(own)
    for field in fields:  # in the order in which they matter: a column is one thing alone
        if field in names or field in none:
            continue
        left = [name for name in found.get(field, ()) if name not in names.values()]
        if field == "timestamp":
            left = _dated(left, head)
        elif field == "kind":
            left = _of_kinds(left, head, KindNames(settings.event_weights))
        if left:
            names[field] = left[0]
    if log == "orders" and "kind" not in none:
        _refuse_events(file, found.get("kind", ()), head, KindNames(settings.event_weights))
    for field in REQUIRED[log]:
        if field not in names:
            raise _missing(file, header, field, log, found.get(field, ()), head)
    return EventColumns(log, {field: names[field] for field in fields if field in names})


def _dated(names: Sequence[str], head: pl.DataFrame) -> list[str]:
    """Those of the columns whose values are dates; of the others none."""
    dated = []
    for name in names:
        column = DateColumn(name)
        for value in head[name].to_list():
            column.add(value)
        if not column.count or column.time_of_day() or column.day_of_month():
            continue
        try:
            form = column.form()
        except DataError:  # day and month are not told apart yet
            dated.append(name)
            continue
        if not form.counts and column.readable(form) >= READABLE:
            dated.append(name)
    return dated


def _of_kinds(names: Sequence[str], head: pl.DataFrame, kinds: KindNames) -> list[str]:
    """The columns with names of kinds first, so that `type` beside `event_type` does no harm."""

    def known(name: str) -> float:
        values = [str(value) for value in head[name].to_list() if value not in (None, "")]
        return sum(kinds.kind_of(value) is not None for value in values) / max(len(values), 1)

    return sorted(names, key=lambda name: known(name) < READABLE)


def _refuse_events(file: RawFile, columns: Sequence[str], head: pl.DataFrame, kinds: KindNames) -> None:
    """Refuse to count views as sales.

    Raises:
        DataError: a column names kinds of events, and not all are purchases.
    """
    for name in columns:
        found = kinds_of_events(head[name].to_list(), kinds)
        if found - {PURCHASE}:
            raise DataError(
                f"{file.path} has a column {name!r} of kinds of events ({', '.join(sorted(found))}), which are no "
                f"lines of invoices; data=events reads them apart, data.columns.kind=none takes all rows as purchases"
            )


def _no_header(file: RawFile, head: pl.DataFrame) -> DataError:
    shown = ", ".join(f"{name}: {str(head[name][0])[:40]!r}" for name in head.columns)
    return DataError(
        f"{file.path} has no header (its first line is {shown}); say which column is which by their places: "
        f"data.columns.user=1 data.columns.product=2 data.columns.timestamp=3 and, where there are any, kind, basket, "
        f"quantity, price"
    )


def _missing(
    file: RawFile, header: Sequence[str], field: str, log: Log, named: Sequence[str], head: pl.DataFrame
) -> DataError:
    listed = ", ".join(map(repr, header[:20])) + (f" and {len(header) - 20:,} more" if len(header) > 20 else "")
    if field == "timestamp" and named:
        value = next((str(value) for value in head[named[0]].to_list() if value not in (None, "")), "")
        return DataError(
            f"{file.path}: the column {named[0]!r} is called like a time and holds no dates ({value[:40]!r} and the "
            f"like); {log} need dates: name the right column with data.columns.timestamp=..., or read who took what in "
            f"the order of the file with data=interactions"
        )
    others = {
        "kind": "; if all rows are of one kind, data=interactions reads them",
        "timestamp": "; without times data=interactions reads who took what in the order of the file",
    }
    return DataError(
        f"{file.path} has no column for {WHAT[field]}, which {log} need; it has {listed}: name it with "
        f"data.columns.{field}=...{others.get(field, '')}"
    )
