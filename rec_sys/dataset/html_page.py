"""Pages about data as HTML: one file with everything in it, which fetches and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from rec_sys.tables import cut

MAX_CELL = 60  # columns of a cell
WIDE = 30  # columns beyond which a cell may be broken into lines
MAX_LAST = 300  # of the last one of a row, where the longest texts stand

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
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


def whole_page(title: str, parts: Iterable[str]) -> str:
    """A page of HTML that fetches and runs nothing; the parts are HTML already, the title is text."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{html_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def html_text(text: str, width: int = MAX_LAST) -> str:
    """A text of the file as HTML: escaped, on one line, without control characters, shortened."""
    return escape(cut(text, width))


def html_table(lines: Iterable[Sequence[str]], head: Sequence[str] = (), numbers: Sequence[int] = ()) -> str:
    """A table of texts; columns at the places `numbers` are set to the right."""

    def row(cells: Sequence[str], tag: str) -> str:
        widths = [MAX_CELL] * (len(cells) - 1) + [MAX_LAST]
        kinds = [
            'class="number"' if place in numbers else 'class="wide" dir="auto"' if len(cell) > WIDE else 'dir="auto"'
            for place, cell in enumerate(cells)
        ]
        inner = (
            f"<{tag} {kind}>{html_text(cell, width)}</{tag}>"
            for cell, kind, width in zip(cells, kinds, widths, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    top = f"<thead>{row(head, 'th')}</thead>" if head else ""
    body = "\n".join(row(line, "td") for line in lines)
    return f'<div class="scroll"><table>{top}<tbody>\n{body}\n</tbody></table></div>'
