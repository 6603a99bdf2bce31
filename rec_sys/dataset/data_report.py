"""The page about a raw file as HTML: one file with everything in it, written beside the reviews that were prepared.

All that comes from the file is escaped, and the page forbids its browser to fetch or run anything.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from rec_sys import columns
from rec_sys.dataset.data_plots import plots_of
from rec_sys.dataset.description import Description, percent
from rec_sys.dataset.description_text import NUMBERS, sample_cells, spread_cells
from rec_sys.dataset.html_page import html_table, html_text, whole_page
from rec_sys.files import atomic_file


def write_data_report(description: Description) -> Path:
    """Write the page into the prepared folder; returns its path."""
    path = description.prepared.folder / columns.REPORT_FILE
    with atomic_file(path) as temporary:
        temporary.write_text(data_page(description), encoding="utf-8")
    return path


def data_page(description: Description) -> str:
    """The page about a file."""
    prepared = description.prepared
    about = " · ".join(filter(None, (prepared.format, prepared.kind)))
    parts = [
        f"<h1>{html_text(prepared.source)}</h1>",
        f'<p class="about">What was read from this file: {html_text(about)}</p>',
        _warnings(description),
        _account(description),
        _samples(description),
        _columns(description),
        _left_out(description),
        _figures(description),
        _plots(description),
    ]
    return whole_page(f"{prepared.source}: what was read", parts)


def _warnings(description: Description) -> str:
    """The warnings, and whether this is enough to train and test."""
    enough = f'<div class="enough">{html_text(description.enough)}.</div>'
    if not description.warnings:
        return enough
    items = "".join(f"<li>{escape(warning)}</li>" for warning in description.warnings)
    title = "1 warning" if len(description.warnings) == 1 else f"{len(description.warnings)} warnings"
    testable = description.users.more if description.core is None else description.core.testable
    box = f'<div class="warnings"><h2>{title}</h2><ul>{items}</ul></div>'
    return f"{box}\n{enough}" if testable else box


def _account(description: Description) -> str:
    """What was found, taken and left out."""
    rows = []
    for name, count, words in description.prepared.account(with_columns=False):
        kind = ' class="detail"' if name.startswith(" ") else ""
        number = "" if count is None else f"{count:,}"
        rows.append(
            f'<tr><td{kind}>{html_text(name)}</td><td class="number">{number}</td>'
            f'<td dir="auto">{html_text(words)}</td></tr>'
        )
    table = "\n".join(rows)
    return f"<h2>Found, kept, left out</h2>\n<table><tbody>\n{table}\n</tbody></table>"


def _samples(description: Description) -> str:
    """The sample rows."""
    head, *lines = sample_cells(description.samples, description.prepared)
    numbers = [place for place, name in enumerate(head) if name in NUMBERS]
    return "<h2>The first rows as they were understood</h2>\n" + html_table(lines, head, numbers)


def _columns(description: Description) -> str:
    """Which columns became what, and which are not read."""
    prepared = description.prepared
    lines = [
        [name.replace("_", " "), column, prepared.examples.get(column, "")]
        for name, taken in prepared.columns.items()
        for column in taken
    ]
    lines += [["not read", column, prepared.examples.get(column, "")] for column in prepared.unread]
    if not lines:
        return ""
    return "<h2>Columns</h2>\n" + html_table(lines, ["read as", "column", "example"])


def _left_out(description: Description) -> str:
    """Rejected rows by reason, with examples."""
    prepared = description.prepared
    if not prepared.rejected:
        return "<h2>Rows left out</h2>\n<p>None.</p>"
    lines = []
    for reason, count in prepared.rejected.items():
        first = [reason, f"{count:,}", percent(count, prepared.read)]
        for reject in (reject for reject in description.rejects if reject.reason == reason):
            lines.append([*first, f"{reject.line:,}", reject.row])
            first = ["", "", ""]
    where = f"<p>All of them are in {html_text(str(prepared.folder / columns.REJECTS_FILE))}.</p>"
    head = ["reason", "rows", "share", "line", "what it held (examples)"]
    return "<h2>Rows left out</h2>\n" + html_table(lines, head, [1, 2, 3]) + where


def _figures(description: Description) -> str:
    """Reviews of each user and product, and the other figures."""
    head, *lines = spread_cells(description)
    return (
        f"<h2>{description.what.capitalize()} of each user and product</h2>\n"
        + html_table(lines, head, range(1, len(head)))
        + "\n<h2>More figures</h2>\n"
        + html_table([[name, words] for name, words in description.facts()])
    )


def _plots(description: Description) -> str:
    """The pictures, or why there are none."""
    plots = plots_of(description)
    if plots is None:
        return "<h2>Plots</h2>\n<p>None: matplotlib is not installed (pip install 'rec-sys[train]').</p>"
    figures = "\n".join(
        f'<figure><figcaption>{escape(plot.title)}</figcaption><img src="{plot.image}" alt="{escape(plot.title)}">'
        f"</figure>"
        for plot in plots
    )
    missing = [
        words
        for words, there in (
            ("No dates: the reviews have an order alone.", description.months),
            ("No ratings.", description.ratings),
            ("No texts.", description.texts),
        )
        if not there
    ]
    said = f"<p>{' '.join(missing)}</p>" if missing else ""
    return f'<h2>Plots</h2>\n{said}<div class="plots">\n{figures}\n</div>'
