"""Figures of README and documentation are those of the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.quality_results import DATA_SETS, GRAPH_MODEL, Quality
from benchmarks.results_chart import OUTPUT, bars, chart
from benchmarks.results_page import BLOCK, PAGES, all_tables, rewrite, summary

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def measured(tmp_path: Path) -> Quality:
    """Three sets with two models each; the last has one that needs texts."""

    def of(ours: str, ease: float) -> dict[str, Any]:
        row = {"model": "graph model", "N@10 filtered": ours}
        return {"graph model": [row], "all models": [{"model": "EASE (lambda 5)", "N@10 filtered": ease}, row]}

    sets = {data_set.key: of("0.0500 ±0.0020", 0.04) for data_set in DATA_SETS}
    sets[DATA_SETS[1].key]["all models"].append({"model": "text cosine (recency 0.8)", "N@10 masked": 0.05})
    file = tmp_path / "quality.json"
    file.write_text(json.dumps({"sets": sets}))
    return Quality(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_of_a_page_are_those_of_the_result_files(page: Path) -> None:
    assert BLOCK.search(page.read_text())
    assert rewrite(page.read_text(), all_tables()) == page.read_text(), "run: uv run -m benchmarks.results_page"


def test_the_chart_is_that_of_the_result_file() -> None:
    assert OUTPUT.read_text() == chart(bars(Quality())), "run: uv run -m benchmarks.results_chart"


def test_tables_have_one_figure_per_cell() -> None:
    for text in all_tables().values():
        cells = [cell for line in text.splitlines()[2:] for cell in line.strip("|").split("|")[2:]]
        assert [cell for cell in cells if "±" in cell or "/" in cell or ";" in cell] == []


def test_summary_has_a_row_per_model_and_the_best_of_each_set_bold(measured: Quality) -> None:
    assert [line.strip("| ").split(" | ") for line in summary(measured).splitlines()[2:]] == [
        ["Graph model", "**.0500**", "**.0500**", "**.0500**"],
        ["EASE", ".0400", ".0400", ".0400"],
        ["Text cosine", "needs texts", "**.0500**", "needs texts"],
    ]


def test_older_names_of_columns_and_settings_are_read(measured: Quality) -> None:
    row = measured.ranking(DATA_SETS[1].key)[-1]
    assert (row.name, row.settings) == ("Text cosine", "decay 0.8")
    figure = row.figure("N@10 filtered", "N@10 masked")
    assert figure is not None
    assert (figure.mean, figure.spread) == (0.05, None)


def test_bars_are_as_long_as_their_figures(measured: Quality) -> None:
    root = ElementTree.fromstring(chart(bars(measured)))
    lengths = [float(bar.get("width", "")) for bar in root.iter(f"{SVG}rect") if bar.get("class") in ("bar", "ours")]
    assert len(lengths) == 7
    assert sorted(set(lengths))[0] / max(lengths) == pytest.approx(0.8, abs=0.01)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts.count("needs texts") == 2
    assert texts.index(GRAPH_MODEL) < texts.index("EASE")


def test_a_table_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        rewrite("<!-- table: nothing -->\n<!-- end of table -->", {})
