"""The bar chart of README and documentation, from benchmarks/results/quality.json.

    uv run -m benchmarks.results_chart [--output docs/results.svg]

An SVG without fonts, scripts or pictures of its own; light or dark as the reader's system is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.quality_results import DATA_SETS, GRAPH_MODEL, ROOT, DataSet, Quality
from rec_sys.files import atomic_file

OUTPUT = ROOT / "docs/results.svg"
COLUMN = ("N@10 filtered", "N@10 masked")  # the second in older result files

LABELS, PANEL, GAP, TOP, LINE, BAR, MARGIN = 232, 196, 26, 92, 25, 15, 20  # in pixels
VALUE = 46  # room for the figure behind the longest bar
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .card { fill: #ffffff; stroke: #d1d9e0; } .title { font-size: 16px; font-weight: 600; } .head { font-weight: 600; }
  .small { font-size: 12px; fill: #59636e; } .axis { stroke: #b7bfc8; } .bar { fill: #8fa3b8; } .ours { fill: #0f766e; }
  .strong { font-weight: 600; } .end { text-anchor: end; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .card { fill: #14181e; stroke: #3d444d; } .small { fill: #9198a1; }
    .axis { stroke: #565e68; } .bar { fill: #5b6f86; } .ours { fill: #2dd4bf; }
  }
"""

Bars = dict[str, dict[str, float]]  # model: data set: figure


def bars(quality: Quality) -> Bars:
    """NDCG@10 by model and set; the graph model first, then by the mean over the sets that all models have."""
    figures: Bars = {}
    for data_set in DATA_SETS:
        for row in quality.ranking(data_set.key):
            if (figure := row.figure(*COLUMN)) is not None:
                figures.setdefault(row.name, {})[data_set.key] = figure.mean
    common = [s.key for s in DATA_SETS if all(s.key in found for found in figures.values())]

    def order(model: str) -> tuple[bool, float]:
        return model != GRAPH_MODEL, -sum(figures[model][key] for key in common)

    return {model: figures[model] for model in sorted(figures, key=order)}


def chart(figures: Bars, data_sets: Sequence[DataSet] = DATA_SETS) -> str:
    """The chart as the text of an SVG file."""
    longest = max(value for found in figures.values() for value in found.values())
    width = MARGIN + LABELS + len(data_sets) * (PANEL + GAP) - GAP + MARGIN
    height = TOP + len(figures) * LINE + MARGIN
    bottom = height - MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="NDCG@10 of {len(figures)} models on {len(data_sets)} sets of reviews">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="{MARGIN}" y="30">NDCG@10 on the test reviews, seen items filtered</text>',
    ]
    for line, model in enumerate(figures):
        strong = " strong" if model == GRAPH_MODEL else ""
        parts.append(_text(MARGIN + LABELS - 10, _middle(line), model, f"end{strong}"))
    for number, data_set in enumerate(data_sets):
        left = MARGIN + LABELS + number * (PANEL + GAP)
        parts.append(_text(left, TOP - 30, data_set.title, "head"))
        parts.append(_text(left, TOP - 13, f"{data_set.users:,} users, {data_set.products:,} products", "small"))
        for line, (model, found) in enumerate(figures.items()):
            parts += _bar(left, line, model, found.get(data_set.key), longest)
        parts.append(f'<line class="axis" x1="{left}" y1="{TOP - 4}" x2="{left}" y2="{bottom}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(left: float, line: int, model: str, value: float | None, longest: float) -> list[str]:
    if value is None:
        return [_text(left + 7, _middle(line), "needs texts", "small")]
    long = round(value / longest * (PANEL - VALUE), 1)
    kind, strong = ("ours", "strong") if model == GRAPH_MODEL else ("bar", "")
    top = TOP + line * LINE + (LINE - BAR) / 2
    return [
        f'<rect class="{kind}" x="{left}" y="{top:g}" width="{long:g}" height="{BAR}"/>',
        _text(left + long + 6, _middle(line), f"{value:.4f}".removeprefix("0"), strong),
    ]


def _middle(line: int) -> float:
    return TOP + (line + 0.5) * LINE + 4.5


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    with atomic_file(output) as temporary:
        temporary.write_text(chart(bars(Quality())))
    print(f"written to {output}")


if __name__ == "__main__":
    main()
