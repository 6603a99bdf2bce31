"""Tables of text, for a terminal (aligned) or for Markdown: the one printer of the project."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FIRST = frozenset((0,))


def text_table(lines: Sequence[Sequence[str]], markdown: bool = False, left: Container[int] = FIRST) -> str:
    """Lay out cells in columns.

    Args:
        lines: the head, then the rows, all of the same length.
        markdown: with bars instead of plain columns.
        left: places of the columns that hold words; the others hold figures and are set to the right.
    """
    widths = [max(map(text_width, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [
            _padded(cell, width, to_left=place in left)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    rules = ["-" * width for width in widths]
    if markdown:
        rules = [rule if place in left else rule[:-1] + ":" for place, rule in enumerate(rules)]
        return "\n".join(f"| {' | '.join(line)} |" for line in [aligned[0], rules, *aligned[1:]])
    return "\n".join("  ".join(line).rstrip() for line in [aligned[0], rules, *aligned[1:]])


@dataclass(frozen=True)
class Chart:
    """Lines of a picture."""

    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]  # by name: x, y
    x: str  # names of the axes
    y: str


@dataclass(frozen=True)
class Section:
    """A part of a report: a table with a title, what a reader should know of it, and perhaps a picture."""

    title: str
    rows: Sequence[Mapping[str, Any]] = ()  # of the table, all with the same keys; plain values
    notes: Sequence[str] = ()  # sentences below it
    figures: Mapping[str, float] = field(default_factory=dict)  # for the tracked run, by name, such as "cv/rmse"
    chart: Chart | None = None

    def text(self, markdown: bool = False) -> str:
        """Title, table and notes."""
        return "\n\n".join([f"{self.title}:", *([rows_table(self.rows, markdown)] if self.rows else []), *self.notes])


def rows_table(rows: Sequence[Mapping[str, Any]], markdown: bool = False) -> str:
    """Rows of values as a table: columns from the keys of the first, words to the left, numbers to the right."""
    if not rows:
        return ""
    names = list(rows[0])
    left = {place for place, name in enumerate(names) if isinstance(rows[0][name], str)}
    return text_table([names, *([cell(row.get(name)) for name in names] for row in rows)], markdown, left)


def cell(value: Any) -> str:
    """A value as a cell: thousands apart, five digits that matter, - for None."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes: Chinese letters take two, accents set onto a letter none."""
    if text.isascii():
        return len(text)
    return sum(map(_letter_width, text))


def cut(text: str, width: int) -> str:
    """A text on one line of at most `width` columns, without what would steer a terminal; "…" where it was cut."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 4 * width + 100]).split())
    if text_width(text) <= width:
        return text
    taken, left = "", width - 1
    for letter in text:
        left -= _letter_width(letter)
        if left < 0:
            break
        taken += letter
    return taken.rstrip() + "…"


def _letter_width(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def _padded(cell: str, width: int, to_left: bool) -> str:
    blanks = " " * (width - text_width(cell))
    return cell + blanks if to_left else blanks + cell


def short(metric: str) -> str:
    """A metric's name as the head of a column: R@10, N@10, cov@10."""
    return metric.replace("recall@", "R@").replace("ndcg@", "N@").replace("coverage@", "cov@")
