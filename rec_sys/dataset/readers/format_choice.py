"""Which format a file of reviews is of, told by its header."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rec_sys.dataset.readers.column_aliases import ALIASES, all_columns, plain
from rec_sys.dataset.readers.dates import read_number
from rec_sys.dataset.readers.formats import (
    FIELDS,
    FORMATS,
    GENERIC,
    NONE,
    OF_EVENTS,
    ColumnNames,
    Names,
    ReviewFormat,
)
from rec_sys.errors import DataError


def choose_format(
    header: Collection[str],
    columns: ColumnNames,
    path: Path,
    interactions: bool = False,
    ratings: bool = False,
) -> ReviewFormat:
    """The format of a file with a row per review.

    Args:
        header: its columns.
        columns: what the settings say about columns; they go before the format's own.
        path: the file, for messages.
        interactions: take the file as plain interactions, whatever format it looks like: user and product are enough,
            and without a column for the time the order of the file counts.
        ratings: the same, but a rating is needed in every row, and no texts are read.

    Raises:
        DataError: no format fits, or a column is missing; the message lists what was found.
    """
    mapping = given_columns(header, columns, path)
    mapped: dict[str, Any] = {field: () if name == NONE else (name,) for field, name in mapping.items()}
    if mapped.get("order"):
        mapped.setdefault("timestamp", ())  # who names the order means it
    if ratings:
        mapped = {"text": (), "title": ()} | mapped
    spared = {field for field in ("rating", "text") if mapping.get(field) == NONE}
    present = {plain(name) for name in header}
    known = [
        replace(format_, **mapped, required=tuple(field for field in format_.required if field not in spared))
        for format_ in FORMATS
        if not format_.one_of or _looks_like(format_, present)
    ]
    needed = ("user", "product") if interactions or ratings else GENERIC.required
    generic = _fitted(replace(GENERIC, **mapped, required=needed), header, mapped)
    if ratings:
        generic = replace(generic, required=(*needed, "rating"), may_be_unrated=False, name="ratings")
    if interactions or ratings:
        known = [generic]
    chosen = next((_fitted(one, header, mapped) for one in known if not _as_written(one, header).missing(header)), None)
    if chosen is None and not generic.missing(header) and _has_what_its_kind_has(generic, known, header, mapped):
        chosen = generic
    if chosen is None:
        alone = interactions or ratings
        raise DataError(_what_is_missing(header, known if known[0].one_of else [*known, generic], path, alone))
    if mapping:
        chosen = replace(chosen, name=f"{chosen.name}, mapped columns")
    # A column that is nowhere in the file means "no ratings"; one that is empty in a row means a bad row.
    return chosen if any(name in header for name in chosen.rating) else replace(chosen, rating=())


def _looks_like(format_: ReviewFormat, present: Collection[str]) -> bool:
    """Whether there is a mark of the format, which may be a usual word, and a name of its users or products."""
    names = (*format_.user, *format_.product)
    return any(plain(mark) in present for mark in format_.one_of) and any(plain(name) in present for name in names)


def given_columns(
    header: Collection[str], columns: ColumnNames, path: Path, fields: Collection[str] = FIELDS
) -> dict[str, str]:
    """The columns that the settings name, by field.

    Args:
        header: of the file.
        columns: of the settings.
        path: the file, for messages.
        fields: that are read of such a file.

    Raises:
        DataError: the file does not have one of them, or a field of events is named for reviews.
    """
    given: dict[str, str] = columns.model_dump(exclude_none=True)
    if wrong := [field for field in OF_EVENTS if field in given and field not in fields]:
        raise DataError(
            f"data.columns.{wrong[0]}={given[wrong[0]]}: reviews have no {wrong[0]}; data=events reads events, "
            f"data=orders lines of invoices"
        )
    written = {plain(name): name for name in header}
    for field, name in given.items():
        if name not in header and name != NONE:
            if plain(name) not in written:
                raise DataError(
                    f"{path} has no column {name!r} (data.columns.{field}={name}); it has {_listed(header)}"
                )
            given[field] = written[plain(name)]
    return given


def _as_written(format_: ReviewFormat, header: Collection[str]) -> ReviewFormat:
    """The format with the names of its columns as the file writes them; those it lacks are left out."""
    written: dict[str, str] = {}
    for name in header:
        written.setdefault(plain(name), name)

    def own(field: str) -> Names:
        names = getattr(format_, field)
        found = (name if name in header else written.get(plain(name)) for name in names)
        return tuple(dict.fromkeys(name for name in found if name is not None))

    return replace(format_, **dict[str, Any]({field: own(field) for field in FIELDS}))


def _fitted(format_: ReviewFormat, header: Collection[str], mapped: Mapping[str, Names]) -> ReviewFormat:
    """The format as the file writes it, each field that it leaves empty filled with a column of a usual name."""
    own = _as_written(format_, header)
    given = {field: getattr(own, field)[0] for field in FIELDS if getattr(own, field)}
    taken = {name for field in FIELDS for name in getattr(own, field)}
    usual = all_columns([name for name in header if name not in taken or name in given.values()], given)
    left = [field for field in FIELDS if field in usual and field not in given and field not in mapped]
    filled: dict[str, Any] = {field: usual[field][:1] for field in left}
    if "timestamp" in given or "timestamp" in filled:
        filled.pop("order", None)
    return replace(own, **filled)


def _has_what_its_kind_has(
    generic: ReviewFormat, known: list[ReviewFormat], header: Collection[str], mapped: Mapping[str, Names]
) -> bool:
    """Whether a file that looks like a known format has, by usual names, all that this format needs."""
    needed = set(known[0].required) - mapped.keys() if known[0].one_of else set()
    return all(any(name in header for name in getattr(generic, field)) for field in needed)


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
    usual = f"{GENERIC.name} ({', '.join(ALIASES[field][0] for field in ('user', 'product', 'timestamp'))})"
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
