"""An exploration as text for a terminal, and as one page of HTML that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rec_sys.dataset.exploration.charts import charts_of
from rec_sys.dataset.exploration.facts import Exploration
from rec_sys.dataset.exploration.findings import findings_of
from rec_sys.dataset.exploration.spread import Top
from rec_sys.dataset.html_page import html_table, html_text, whole_page
from rec_sys.files import atomic_file
from rec_sys.tables import text_table

OUTLIERS = 20  # of each kind, on the page


def exploration_text(facts: Exploration) -> str:
    """The findings, then the first products of each kind side by side."""
    lines = "\n".join(f"- {finding}" for finding in findings_of(facts))
    cells = _side_by_side(facts.tops)
    return f"{lines}\n\nfirst products by kind of event\n\n{text_table(cells, left=range(len(cells[0])))}"


def write_exploration(facts: Exploration, path: Path, account: Sequence[tuple[str, int | None, str]] = ()) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        facts: of the data.
        path: of the HTML file.
        account: what was read, kept and left out: name, count, words.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(_page(facts, account), encoding="utf-8")


def _page(facts: Exploration, account: Sequence[tuple[str, int | None, str]]) -> str:
    findings = "".join(f"<li>{escape(finding)}</li>" for finding in findings_of(facts))
    head, *rows = _side_by_side(facts.tops)
    parts = [
        f"<h1>{html_text(facts.name)}</h1>",
        '<p class="about">What this data shows before any model is fitted. Times are UTC.</p>',
        f"<h2>Findings</h2>\n<ul>{findings}</ul>",
        _plots(facts),
        "<h2>First products by kind of event</h2>\n" + html_table(rows, head),
        _steps(facts),
        _outliers(facts),
    ]
    if account:
        lines = [[name, "" if count is None else f"{count:,}", words] for name, count, words in account]
        parts.append("<h2>Found, kept, left out</h2>\n" + html_table(lines, numbers=[1]))
    return whole_page(f"{facts.name}: exploration", parts)


def _side_by_side(tops: Sequence[Top]) -> list[list[str]]:
    """A head, and a row for each place."""
    depth = max((len(top.products) for top in tops), default=0)
    head = ["place", *(f"most {top.kind}" for top in tops)]
    rows = [head]
    for place in range(depth):
        cells = [str(place + 1)]
        for top in tops:
            if place < len(top.products):
                number, name, count = top.products[place]
                cells.append(f"{name or number} ({count:,})")
            else:
                cells.append("")
        rows.append(cells)
    return rows


def _plots(facts: Exploration) -> str:
    plots = charts_of(facts)
    if plots is None:
        return "<h2>Plots</h2>\n<p>None: matplotlib is not installed (pip install 'rec-sys[train]').</p>"
    figures = "\n".join(
        f'<figure><figcaption>{escape(plot.title)}</figcaption><img src="{plot.image}" alt="{escape(plot.title)}">'
        f"</figure>"
        for plot in plots
    )
    return f'<h2>Plots</h2>\n<div class="plots">\n{figures}\n</div>'


def _steps(facts: Exploration) -> str:
    if not facts.funnel:
        return ""
    head = [
        "from",
        "to",
        "users",
        "of them on",
        "pairs",
        "of them on",
        "without the first",
        "in the wrong order",
        "hours",
    ]
    rows = [
        [
            step.start,
            step.end,
            *(f"{n:,}" for n in (step.users, step.users_on, step.pairs, step.pairs_on, step.without, step.backwards)),
            "-" if step.hours != step.hours else f"{step.hours:,.1f}",
        ]
        for step in facts.funnel
    ]
    return "<h2>From kind to kind</h2>\n" + html_table(rows, head, range(2, len(head)))


def _outliers(facts: Exploration) -> str:
    rows = [
        [spread.what, name, f"{count:,}"]
        for spread in (facts.users, facts.products)
        for name, count in spread.outliers[:OUTLIERS]
    ]
    if not rows:
        return ""
    return "<h2>Far beyond the others</h2>\n" + html_table(rows, ["what", "id", "events"], [2])
