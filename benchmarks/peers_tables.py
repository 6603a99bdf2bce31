"""Rows of the documentation's tables on other libraries, from the result file of `benchmarks.peers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
Lines = list[list[str]]
Short = Callable[[float | None, int], str]

DEFAULTS, CHOSEN = "defaults", "chosen on validation"
OURS = "rec_sys"
RANKING_HEADERS = [
    "Model",
    "Library",
    "NDCG@10 with defaults, seen items filtered",
    "Recall@10, seen items filtered",
    "NDCG@10, seen items filtered",
    "Recall@10, not filtered",
    "NDCG@10, not filtered",
    "Processor seconds to fit",
    "Memory, MiB",
]
SETTINGS_HEADERS = ["Model", "Library", "Settings chosen on validation", "Candidates tried"]
BESIDE_HEADERS = ["Model", "Library", "NDCG@10 minus that of ours", "Lower end of the 95 % interval", "Upper end"]
RATINGS_HEADERS = [
    "Model",
    "Library",
    "RMSE with defaults",
    "MAE with defaults",
    "RMSE, chosen",
    "MAE, chosen",
    "Processor seconds, defaults",
]


def both_ways(rows: list[Facts], data: str) -> list[tuple[Facts | None, Facts | None]]:
    """Of each model the row with defaults and the row with chosen settings; none where it failed."""
    found: dict[tuple[str, str], dict[str, Facts]] = {}
    for row in rows:
        if row["data"] == data:
            found.setdefault((row["library"], row["model"]), {})[row["way"]] = row
    return [(ways.get(DEFAULTS), ways.get(CHOSEN)) for ways in found.values()]


def named(row: Facts) -> list[str]:
    model = row["model"]
    return [model[:1].upper() + model[1:], row["library"]]


def ranking_lines(rows: list[Facts], data: str, short: Short) -> Lines:
    """Best first, by NDCG@10 with chosen settings, seen items filtered."""
    lines = []
    pairs = both_ways(rows, data)
    for defaults, chosen in sorted(pairs, key=lambda pair: -(pair[1] or pair[0] or {})["N@10 filtered"]):
        any_way = chosen or defaults or {}
        figures = [None if chosen is None else chosen[name] for name in ("R@10 filtered", "N@10 filtered")]
        figures += [None if chosen is None else chosen[name] for name in ("R@10 unfiltered", "N@10 unfiltered")]
        first = None if defaults is None else defaults["N@10 filtered"]
        cells = [short(figure, 4) for figure in (first, *figures)]
        cells += [short(None if chosen is None else chosen["fit CPU s"], 1)]
        cells += [short(None if chosen is None else chosen["fit MiB"], 0)]
        lines.append([*named(any_way), *cells])
    return lines


def settings_lines(rows: list[Facts], data: str) -> Lines:
    chosen = [row for row in rows if row["data"] == data and row["way"] == CHOSEN]
    return [[*named(row), row["settings"] or "defaults", str(row["tried"])] for row in chosen]


def beside_lines(beside: list[Facts], data: str) -> Lines:
    """What each peer's model gains over ours of the same method."""
    found = [row for row in beside if row["data"] == data]
    return [
        [*named(row), *(f"{row[name]:+.4f}".replace("0.", ".", 1) for name in ("difference", "low", "high"))]
        for row in sorted(found, key=lambda row: -row["difference"])
    ]


def ratings_lines(ratings: list[Facts], data: str, short: Short) -> Lines:
    """Best first, by RMSE with defaults."""
    lines = []
    for defaults, chosen in both_ways(ratings, data):
        cells = [None if row is None else row[name] for row in (defaults, chosen) for name in ("RMSE", "MAE")]
        seconds = None if defaults is None else defaults["fit CPU s"]
        names = named(defaults or chosen or {})
        lines.append([*names, *(short(cell, 4) for cell in cells), short(seconds, 1)])
    return sorted(lines, key=lambda line: line[2])


def versions(rows: list[Facts]) -> str:
    """Libraries with their versions, in one line."""
    found = {row["library"]: row["version"] for row in rows if row["library"] != OURS}
    return ", ".join(f"{library} {version}" for library, version in found.items())
