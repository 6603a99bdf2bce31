"""Tables of text, for a terminal (aligned) or for Markdown: the one printer of the project."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

FIRST = frozenset((0,))


def text_table(lines: Sequence[Sequence[str]], markdown: bool = False, left: Container[int] = FIRST) -> str:
    """Lay out cells in columns.

    Args:
        lines: the head, then the rows, all of the same length.
        markdown: with bars instead of plain columns.
        left: places of the columns that hold words; the others hold figures and are set to the right.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    rules = ["-" * width for width in widths]
    if markdown:
        rules = [rule if place in left else rule[:-1] + ":" for place, rule in enumerate(rules)]
        return "\n".join(f"| {' | '.join(line)} |" for line in [aligned[0], rules, *aligned[1:]])
    return "\n".join("  ".join(line).rstrip() for line in [aligned[0], rules, *aligned[1:]])


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


def short(metric: str) -> str:
    """A metric's name as the head of a column: R@10, N@10, cov@10."""
    return metric.replace("recall@", "R@").replace("ndcg@", "N@").replace("coverage@", "cov@")
