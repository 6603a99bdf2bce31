"""The page about a raw file as HTML: one file with everything in it, written beside the reviews that were prepared.

All that comes from the file is escaped, and the page forbids its browser to fetch or run anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from rec_sys import columns
from rec_sys.dataset.data_plots import plots_of
from rec_sys.dataset.description import Description, percent
from rec_sys.dataset.description_text import NUMBERS, sample_cells, spread_cells
from rec_sys.files import atomic_file
from rec_sys.tables import cut

MAX_CELL = 60  # columns of a cell
WIDE = 30  # columns beyond which a cell may be broken into lines
MAX_LAST = 300  # of the last one of a row, where the longest texts stand

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1d2430; background: #fff; max-width: 1120px;
       margin: 2em auto; padding: 0 1.2em; }
h1 { font-size: 1.5em; margin-bottom: .1em; overflow-wrap: anywhere; } h2 { font-size: 1.1em; margin: 1.8em 0 .5em; }
p.about { color: #5b6575; margin-top: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .25em .9em .25em 0; text-align: left; vertical-align: top; }
th { color: #5b6575; font-weight: 600; border-bottom: 1px solid #c9d0da; white-space: nowrap; }
td { border-bottom: 1px solid #edf0f4; white-space: nowrap; }
td.wide { white-space: normal; overflow-wrap: anywhere; min-width: 12em; }
td:last-child { white-space: normal; overflow-wrap: anywhere; min-width: 8em; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.detail { padding-left: 1.2em; color: #414b5a; }
.warnings { background: #fff4d6; border-left: 5px solid #d99a00; padding: .6em 1em; margin: 1.2em 0; }
.warnings h2 { margin: 0 0 .3em; } .warnings ul { margin: 0; padding-left: 1.2em; }
.warnings li { overflow-wrap: anywhere; }
.enough { background: #e8f1e4; border-left: 5px solid #5b9443; padding: .6em 1em; margin: 1.2em 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 1em; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: .95em; } img { width: 100%; height: auto; }
"""


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
        f"<h1>{_text(prepared.source)}</h1>",
        f'<p class="about">What was read from this file: {_text(about)}</p>',
        _warnings(description),
        _account(description),
        _samples(description),
        _columns(description),
        _left_out(description),
        _figures(description),
        _plots(description),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{_text(prepared.source)}: what was read</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def _text(text: str, width: int = MAX_LAST) -> str:
    """A text of the file as HTML: escaped, on one line, without control characters, shortened."""
    return escape(cut(text, width))


def _table(lines: Iterable[Sequence[str]], head: Sequence[str] = (), numbers: Sequence[int] = ()) -> str:
    """A table of texts; columns at the places `numbers` are set to the right."""

    def row(cells: Sequence[str], tag: str) -> str:
        widths = [MAX_CELL] * (len(cells) - 1) + [MAX_LAST]
        kinds = [
            'class="number"' if place in numbers else 'class="wide" dir="auto"' if len(cell) > WIDE else 'dir="auto"'
            for place, cell in enumerate(cells)
        ]
        inner = (
            f"<{tag} {kind}>{_text(cell, width)}</{tag}>"
            for cell, kind, width in zip(cells, kinds, widths, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    top = f"<thead>{row(head, 'th')}</thead>" if head else ""
    body = "\n".join(row(line, "td") for line in lines)
    return f'<div class="scroll"><table>{top}<tbody>\n{body}\n</tbody></table></div>'


def _warnings(description: Description) -> str:
    """The warnings, and whether this is enough to train and test."""
    enough = f'<div class="enough">{_text(description.enough)}.</div>'
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
            f'<tr><td{kind}>{_text(name)}</td><td class="number">{number}</td><td dir="auto">{_text(words)}</td></tr>'
        )
    table = "\n".join(rows)
    return f"<h2>Found, kept, left out</h2>\n<table><tbody>\n{table}\n</tbody></table>"


def _samples(description: Description) -> str:
    """The sample rows."""
    head, *lines = sample_cells(description.samples, description.prepared)
    numbers = [place for place, name in enumerate(head) if name in NUMBERS]
    return "<h2>The first rows as they were understood</h2>\n" + _table(lines, head, numbers)


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
    return "<h2>Columns</h2>\n" + _table(lines, ["read as", "column", "example"])


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
    where = f"<p>All of them are in {_text(str(prepared.folder / columns.REJECTS_FILE))}.</p>"
    head = ["reason", "rows", "share", "line", "what it held (examples)"]
    return "<h2>Rows left out</h2>\n" + _table(lines, head, [1, 2, 3]) + where


def _figures(description: Description) -> str:
    """Reviews of each user and product, and the other figures."""
    head, *lines = spread_cells(description)
    return (
        "<h2>Reviews of each user and product</h2>\n"
        + _table(lines, head, range(1, len(head)))
        + "\n<h2>More figures</h2>\n"
        + _table([[name, words] for name, words in description.facts()])
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
