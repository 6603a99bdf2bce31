"""Whether the file about products speaks of the reviewed products, and what is wrong where it does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.errors import DataError

LITTLE = 0.1  # share of the reviewed products below which a match is suspicious
LOOKED_AT = 100_000  # ids of products without a review that are compared
ROWS = 1_000  # rows whose other columns are looked at

_GUESSES: Sequence[tuple[str, Callable[[str], str]]] = (
    ("leading zeros differ", lambda name: name.lstrip("0")),
    ("upper and lower case differ", str.casefold),
    ("one side has a prefix or other characters around the number", lambda name: re.sub(r"\D", "", name).lstrip("0")),
    ("blanks and punctuation differ", lambda name: re.sub(r"[\W_]+", "", name).casefold()),
)


def check_join(path: Path, reviewed: Collection[str], matched: int, unmatched: Sequence[str]) -> list[str]:
    """Refuse a file that speaks of none of the reviewed products.

    Args:
        path: of the file about products.
        reviewed: ids of the reviewed products.
        matched: how many of them it knows.
        unmatched: ids that nobody reviewed, LOOKED_AT at most.

    Returns:
        What to say of a file that speaks of few of them.

    Raises:
        DataError: of none; names ids of both sides, and the likely cause.
    """
    if matched >= LITTLE * len(reviewed):
        return []
    missing = list(islice(reviewed, 2)) if not matched else []
    sides = f"the reviews have ids such as {_two(missing or reviewed)}, the file about products {_two(unmatched)}"
    guess = _guess(path, reviewed, unmatched)
    found = f"{path} speaks of {matched or 'none'} of the {len(reviewed):,} reviewed products: {sides}{guess}"
    if matched:
        return [found]
    raise DataError(f"{found}; bring the ids into one form, or go without the file: data.metadata=none")


def _two(ids: Iterable[str]) -> str:
    return " and ".join(map(repr, islice(ids, 2))) or "none"


def _guess(path: Path, reviewed: Collection[str], unmatched: Sequence[str]) -> str:
    """The likely cause in words; "" where none is seen."""
    known = set(reviewed)
    _, rows = peek(RawFile(path))
    hits: dict[str, int] = {}
    for row in islice(rows, ROWS):
        if isinstance(row.fields, Mapping):
            for column, value in row.fields.items():
                if _text(value) in known:
                    hits[column] = hits.get(column, 0) + 1
    if hits:
        return f" (its column {max(hits, key=lambda column: hits[column])!r} has ids of the reviews)"
    for what, plain in _GUESSES:
        ours = {short for name in reviewed if (short := plain(name))}
        if any(plain(name) in ours for name in unmatched):
            return f" ({what})"
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
