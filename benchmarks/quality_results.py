"""What `benchmarks.quality` measured, read back from its result file for the chart and the documentation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/quality.json"
GRAPH_MODEL = "Graph model"
WITHOUT_FACTORS = "Graph model without item factors"

# Names in the file, older ones too: names in the documentation, in the order of its tables.
NAMES = {
    "graph model": GRAPH_MODEL,
    "graph model, no memory": WITHOUT_FACTORS,
    "graph model without item factors": WITHOUT_FACTORS,
    "EASE with texts": "EASE with texts",
    "EASE with neighbours": "EASE with consecutive pairs",
    "EASE": "EASE",
    "item kNN": "Item kNN",
    "ALS": "ALS",
    "SASRec": "SASRec",
    "BPR": "BPR",
    "text cosine": "Text cosine",
    "most popular": "Most popular",
    "user + product bias": "User + product bias",
    "by chance": "Random order",
}
ORDER = {name: place for place, name in enumerate(dict.fromkeys(NAMES.values()))}


@dataclass(frozen=True)
class DataSet:
    """One of the sets of reviews, in words and numbers."""

    key: str
    title: str
    has: str
    users: int
    products: int


DATA_SETS = (
    DataSet("musical_instruments_2014", "Musical Instruments 2014", "ratings, dates, review texts", 1_429, 900),
    DataSet("scientific_2018", "Scientific 2018", "order, product texts", 8_442, 4_385),
    DataSet("instruments_2018", "Instruments 2018", "order alone", 24_772, 9_922),
)


@dataclass(frozen=True)
class Measured:
    """A mean over seeds; `spread` is the standard deviation, where there were several."""

    mean: float
    spread: float | None = None


@dataclass(frozen=True)
class Row:
    """One model, or one change of the graph model."""

    name: str
    settings: str
    cells: dict[str, Any]

    def figure(self, *columns: str) -> Measured | None:
        """The figure of the first of the columns that the file has; none where the model has none."""
        value = next((self.cells[column] for column in columns if column in self.cells), None)
        if value is None or value in ("", "-"):
            return None
        mean, _, spread = str(value).partition("±")
        return Measured(float(mean), float(spread) if spread else None)

    def interval(self) -> tuple[float, float, float] | None:
        """Difference of NDCG@10 from the first model, lower and upper end of the 95 % interval."""
        text = str(self.cells.get("N@10 difference", "")).replace("[", "").replace("]", "").replace(",", "")
        if not text:
            return None
        difference, low, high = map(float, text.split())
        return difference, low, high


class Quality:
    """The result file of `benchmarks.quality`."""

    def __init__(self, path: Path = RESULTS) -> None:
        self.facts: dict[str, Any] = json.loads(path.read_bytes())

    def rows(self, data_set: str, *steps: str) -> list[Row]:
        """Rows of the first of the steps that the file has; none where it was not measured on this set."""
        measured = self.facts["sets"][data_set]
        rows = [_row(cells) for cells in next((measured[step] for step in steps if step in measured), [])]
        return sorted(rows, key=lambda row: ORDER.get(row.name, len(ORDER)))

    def ranking(self, data_set: str) -> list[Row]:
        """Every model on the test reviews; the graph model with its spread and with what stands in both tables."""
        graph = {row.name: row for row in self.rows(data_set, "graph model")}
        rows = {row.name: row for row in self.rows(data_set, "all models")}
        if GRAPH_MODEL in graph and GRAPH_MODEL in rows:
            merged = rows[GRAPH_MODEL].cells | graph[GRAPH_MODEL].cells
            rows[GRAPH_MODEL] = Row(GRAPH_MODEL, "", merged)
        return sorted({**graph, **rows}.values(), key=lambda row: ORDER.get(row.name, len(ORDER)))


def _row(cells: dict[str, Any]) -> Row:
    text = str(cells.get("model", cells.get("change")))
    name, _, settings = text.partition(" (")
    settings = settings.removesuffix(")").replace("recency", "decay")
    return Row(NAMES.get(name, text), settings, cells)
