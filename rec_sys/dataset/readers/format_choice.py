"""Which format a file of reviews is of, told by its header."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rec_sys.dataset.readers.column_aliases import ALIASES, find_columns
from rec_sys.dataset.readers.formats import FORMATS, NONE, ColumnNames, Names, ReviewFormat, read_number
from rec_sys.errors import DataError

INTERACTIONS = "interactions"  # the format of last resort: columns with usual names


def choose_format(
    header: Collection[str], columns: ColumnNames, path: Path, interactions: bool = False
) -> ReviewFormat:
    """The format of a file with a row per review.

    Args:
        header: its columns.
        columns: what the settings say about columns; they go before the format's own.
        path: the file, for messages.
        interactions: take the file as plain interactions, whatever format it looks like: user and product are enough,
            and without a column for the time the order of the file counts.

    Raises:
        DataError: no format fits, or a column is missing; the message lists what was found.
    """
    mapping = given_columns(header, columns, path)
    mapped: dict[str, Any] = {field: () if name == NONE else (name,) for field, name in mapping.items()}
    if mapped.get("order"):
        mapped.setdefault("timestamp", ())  # who names the order means it
    spared = {field for field in ("rating", "text") if mapping.get(field) == NONE}
    known = [
        replace(format_, **mapped, required=tuple(field for field in format_.required if field not in spared))
        for format_ in FORMATS
        if not format_.one_of or any(mark in header for mark in format_.one_of)
    ]
    generic = _by_aliases(header, mapped)
    if interactions:
        known = [generic] = [replace(generic, required=("user", "product"))]
    elif len(known) == 1 and not known[0].one_of:  # it looks like nothing in particular
        known.append(generic)
    chosen = next((format_ for format_ in known if not format_.missing(header)), None)
    if chosen is None:
        raise DataError(_what_is_missing(header, known, path, interactions))
    if mapping:
        chosen = replace(chosen, name=f"{chosen.name}, mapped columns")
    # A column that is nowhere in the file means "no ratings"; one that is empty in a row means a bad row.
    return chosen if any(name in header for name in chosen.rating) else replace(chosen, rating=())


def given_columns(header: Collection[str], columns: ColumnNames, path: Path) -> dict[str, str]:
    """The columns that the settings name, by field.

    Raises:
        DataError: the file does not have one of them.
    """
    given: dict[str, str] = columns.model_dump(exclude_none=True)
    for field, name in given.items():
        if name not in header and name != NONE:
            raise DataError(f"{path} has no column {name!r} (data.columns.{field}={name}); it has {_listed(header)}")
    return given


def _by_aliases(header: Collection[str], mapped: Mapping[str, Names]) -> ReviewFormat:
    """The format of a file whose columns bear usual names; what is settled by the settings is not looked for."""
    taken = {name for names in mapped.values() for name in names}
    found = find_columns([name for name in header if name not in taken])
    names: dict[str, Any] = {field: (found[field],) if field in found else () for field in ALIASES} | dict(mapped)
    return ReviewFormat(name=INTERACTIONS, one_of=(), **names, may_be_unrated=True)


def _what_is_missing(header: Collection[str], known: list[ReviewFormat], path: Path, interactions: bool) -> str:
    close = next((format_ for format_ in known if len(format_.missing(header)) == 1), None)
    if close is not None:
        field = close.missing(header)[0]
        names = list(dict.fromkeys(getattr(close, field) or ALIASES[field]))[:3]
        other = "" if interactions else "; or take what there is with data=interactions"
        return (
            f"{path} ({close.name}) has no column {' or '.join(map(repr, names))} for the {field}; it has "
            f"{_listed(header)}: name the right one with data.columns.{field}=...{other}"
        )
    formats = [f"{format_.name} ({', '.join(_required_names(format_))})" for format_ in FORMATS]
    usual = f"{INTERACTIONS} ({', '.join(ALIASES[field][0] for field in ('user', 'product', 'timestamp'))})"
    first = " (is this a row, and the header missing?)" if all(map(_is_number, header)) else ""
    return (
        f"{path} is of no known format: it has the columns {_listed(header)}{first}; known formats: "
        f"{', '.join([*formats, usual])}; for other files name the columns: data.columns.user=... "
        f"data.columns.product=... data.columns.timestamp=... and, where there are any, rating, text, title, "
        f"product_name"
    )


def _is_number(name: str) -> bool:
    return read_number(name) is not None


def _required_names(format_: ReviewFormat) -> list[str]:
    return [getattr(format_, field)[0] for field in format_.required]


def _listed(header: Collection[str]) -> str:
    names = [repr(name if len(name) <= 40 else name[:40] + "...") for name in header]
    return ", ".join(names[:20]) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")
