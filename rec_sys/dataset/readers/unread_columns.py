"""Columns that are not read although they look as if they should be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rec_sys.dataset.readers.column_aliases import EVENT_ALIASES, all_columns, is_unused, plain, speaks_of_people
from rec_sys.dataset.readers.event_kinds import KindNames, kinds_of_events
from rec_sys.dataset.readers.ratings import RatingColumn

LONG = 25  # characters of a text on average
RATING_NAME = re.compile("rat(?:e|ing)|star|score|grade|vote|punkt|bewert|stern|note|nota|puntu|valora|评|оцен")


def suspicious_columns(
    rows: Sequence[Mapping[str, Any]], unread: Sequence[str], taken: Mapping[str, Sequence[str]]
) -> list[str]:
    """What to say of columns that are not read and look like a text, a rating or an author.

    Args:
        rows: the first of the file.
        unread: columns that are not read.
        taken: columns by field.
    """
    said = []
    people = _distinct(rows, taken.get("user", ()))
    for name in unread:
        if is_unused(name):
            continue
        values = [row[name] for row in rows if row.get(name) not in (None, "")]
        if not values:
            continue
        if _looks_like_a_text(values):
            said.append(f"the column {name!r} looks like a text and is not read; data.columns.text={name} reads it")
        elif "rating" not in taken and RATING_NAME.search(plain(name)) and _looks_like_a_rating(name, values):
            said.append(f"the column {name!r} looks like a rating and is not read; data.columns.rating={name} reads it")
        elif speaks_of_people(name) and _distinct(rows, (name,)) > 1.2 * people:
            said.append(
                f"the column {name!r} may name people and tells more of them apart than {taken['user'][0]!r} does; "
                f"data.columns.user={name} takes it"
            )
    return said


def events_or_orders(rows: Sequence[Mapping[str, Any]], header: Sequence[str]) -> list[str]:
    """What to say of a file that is read as reviews, or as interactions, and looks like events or lines of invoices."""
    names = all_columns(header, aliases=EVENT_ALIASES)
    for name in names.get("kind", ()):
        found = kinds_of_events((row.get(name) for row in rows), KindNames(None))
        if len(found) > 1:
            return [
                f"the column {name!r} tells kinds of events apart ({', '.join(sorted(found))}) and is not read; "
                f"data=events reads them"
            ]
    if "basket" in names and "quantity" in names and not {"rating", "text"} & all_columns(header).keys():
        return [
            f"the columns {names['basket'][0]!r} and {names['quantity'][0]!r} look like lines of invoices and are not "
            f"read; data=orders nets returns and counts sales"
        ]
    return []


def _looks_like_a_text(values: Sequence[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < 0.5 * len(values) or not texts:
        return False
    long = sum(map(len, texts)) > LONG * len(texts)
    words = sum(" " in text.strip() or not text.isascii() for text in texts) > 0.7 * len(texts)
    return long and words and len(set(texts)) > 0.3 * len(texts)


def _looks_like_a_rating(name: str, values: Sequence[Any]) -> bool:
    column = RatingColumn(name)
    for value in values:
        column.add(value)
    return column.readable() > 0.9 and 1 < len(column.values) <= 21


def _distinct(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    return len({str(row[name]) for row in rows for name in names if row.get(name) not in (None, "")})
