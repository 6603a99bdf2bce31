"""Tables of text, for a terminal (aligned) or for Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(lines: Sequence[Sequence[str]], markdown: bool = False, words: int = 1) -> str:
    """Lay out cells in columns.

    Args:
        lines: the head, then the rows, all of the same length.
        markdown: with bars instead of plain columns.
        words: so many columns at the left hold words; the others hold figures and are set to the right.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [
            cell.ljust(width) if place < words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    rule = ["-" * width for width in widths]
    if markdown:
        rule = [*rule[:words], *(dashes[:-1] + ":" for dashes in rule[words:])]
        return "\n".join(f"| {' | '.join(line)} |" for line in [aligned[0], rule, *aligned[1:]])
    return "\n".join("  ".join(line).rstrip() for line in [aligned[0], rule, *aligned[1:]])


def short(metric: str) -> str:
    """A metric's name as the head of a column: R@10, N@10, cov@10."""
    return metric.replace("recall@", "R@").replace("ndcg@", "N@").replace("coverage@", "cov@")
