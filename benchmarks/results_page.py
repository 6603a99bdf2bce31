"""The tables of README.md, docs/results.md and docs/speed.md, from the result files in benchmarks/results.

    uv run -m benchmarks.results_page [--check]

What stands between `<!-- table: NAME -->` and `<!-- end of table -->` is written anew, everything else is left alone.
A test compares pages and files, so that no figure is typed by hand. --check writes nothing and names the pages that
are behind.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks import peers_tables, trending_tables
from benchmarks.quality_results import DATA_SETS, ROOT, Measured, Quality, Row
from rec_sys.files import atomic_file

RESULTS = ROOT / "benchmarks/results"
PAGES = tuple(ROOT / page for page in ("README.md", "docs/results.md", "docs/speed.md"))
BLOCK = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

Columns = dict[str, tuple[str, ...]]  # header: names in the result file, the newest first
RANKING: Columns = {
    "Recall@10, seen items filtered": ("R@10 filtered", "R@10 masked"),
    "NDCG@10, seen items filtered": ("N@10 filtered", "N@10 masked"),
    "Recall@10, not filtered": ("R@10 unfiltered", "R@10 unmasked"),
    "NDCG@10, not filtered": ("N@10 unfiltered", "N@10 unmasked"),
}
CUTOFFS: Columns = {
    "Recall@5, seen items filtered": ("R@5 filtered", "R@5 masked"),
    "Recall@20, seen items filtered": ("R@20 filtered", "R@20 masked"),
    "Coverage@10, seen items filtered": ("C@10 filtered", "C@10 masked"),
    "Recall@5, not filtered": ("R@5 unfiltered", "R@5 unmasked"),
    "Recall@20, not filtered": ("R@20 unfiltered", "R@20 unmasked"),
    "Coverage@10, not filtered": ("C@10 unfiltered", "C@10 unmasked"),
}
HELD_OUT: Columns = {
    "Known users, Recall@10": ("known users R@10", "known people R@10"),
    "Held-out users, Recall@10": ("held-out users R@10", "new people R@10"),
    "Held-out users, NDCG@10": ("held-out users N@10", "new people N@10"),
    "Held-out products, Recall@50": ("held-out products R@50", "new products R@50"),
}
RATINGS: Columns = {
    "Mean absolute error": ("mae", "loss"),
    "Mean squared error": ("mse",),
    "Accuracy": ("accuracy",),
    "F1": ("f1",),
}
ABLATION: Columns = {
    "Recall@10, graph alone": ("R@10",),
    "NDCG@10, graph alone": ("N@10",),
    "NDCG@10, with item factors": ("N@10 with item factors", "N@10 with memory"),
    "NDCG@10, item factors alone": ("N@10 item factors alone", "N@10 memory alone"),
    "Mean absolute error of ratings": ("rating MAE", "rating loss"),
    "Mean squared error of ratings": ("rating MSE",),
}
CHANGES = {
    "as it is": "Default settings",
    "star only": "No texts, no two-hop pass",
    "+ two hops": "No texts",
    "texts, no learned vectors": "No learned product vectors",
    "texts, no two hops": "No two-hop pass",
    "memory without texts": "Item factors without texts",
    "learned from earlier reviews only": "Trained on earlier reviews only",
    "ranking loss alone": "Ranking loss alone",
    "rating loss alone": "Rating loss alone",
}


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: words to the left, everything after the first column to the right."""
    lines = [list(headers), ["---", *["---:"] * (len(headers) - 1)], *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def short(value: float | None, digits: int = 4) -> str:
    """A number as the tables have it; a share without its leading zero."""
    return "-" if value is None else re.sub(r"^(-?)0\.", r"\1.", f"{value:,.{digits}f}")


def _bold_if(text: str, best: str) -> str:
    return f"**{text}**" if text == best else text


def _means(rows: Sequence[Row], columns: Columns, mark_best: bool = True, first: str = "Model") -> str:
    lines = [[row.name, *(short(_mean(row.figure(*names))) for names in columns.values())] for row in rows]
    if mark_best:
        for column in range(1, len(columns) + 1):
            best = max((line[column] for line in lines if line[column] != "-"), default="")
            for line in lines:
                line[column] = _bold_if(line[column], best)
    return table([first, *columns], lines)


def _mean(figure: Measured | None) -> float | None:
    return None if figure is None else figure.mean


def _spreads(rows: Sequence[Row], columns: Columns, first: str = "Model") -> str:
    lines = []
    for row in rows:
        figures = [row.figure(*names) for names in columns.values()]
        if any(figure is not None and figure.spread is not None for figure in figures):
            lines.append([row.name, *(short(None if figure is None else figure.spread) for figure in figures)])
    return table([first, *columns], lines)


# ---- quality --------------------------------------------------------------------------------------------------------


def summary(quality: Quality) -> str:
    """NDCG@10 with seen items filtered: one model per row, one set per column, the best of each set bold."""
    ranking = {data_set.title: {row.name: row for row in quality.ranking(data_set.key)} for data_set in DATA_SETS}
    names = list(dict.fromkeys(name for rows in ranking.values() for name in rows))
    column = RANKING["NDCG@10, seen items filtered"]
    cells = {
        title: {name: short(_mean(row.figure(*column))) for name, row in rows.items()}
        for title, rows in ranking.items()
    }
    lines = [
        [name, *(_bold_if(found.get(name, "needs texts"), max(found.values())) for found in cells.values())]
        for name in names
    ]
    return table(["Model", *cells], lines)


def differences(rows: Sequence[Row]) -> str:
    found = [(row.name, interval) for row in rows if (interval := row.interval()) is not None]
    lines = [[name, *(f"{value:+.4f}".replace("0.", ".", 1) for value in interval)] for name, interval in found]
    return table(["Model", "NDCG@10 minus that of EASE", "Lower end of the 95 % interval", "Upper end"], lines)


def costs(rows: Sequence[Row]) -> str:
    """Settings that validation chose, time and memory."""
    lines = []
    for row in rows:
        training, peak = row.figure("train s"), row.figure("peak MiB")  # of the graph model
        seconds, mib = row.figure("fit s"), row.figure("fit MiB")  # of all others
        if (training or seconds) is not None:
            where = "of the whole process" if training else "above the start"
            digits = 0 if training else 1
            lines.append(
                [
                    row.name,
                    row.settings or "-",
                    short(_mean(training or seconds), digits),
                    short(_mean(peak or mib), 0),
                    where,
                ]
            )
    return table(
        ["Model", "Settings chosen on validation", "Seconds to fit", "Memory, MiB", "Memory is counted"], lines
    )


def _ablation(quality: Quality, key: str) -> list[Row]:
    rows = quality.rows(key, "ablation")
    return [Row(CHANGES.get(row.name, row.name), row.settings, row.cells) for row in rows]


def _quality_tables(quality: Quality) -> dict[str, str]:
    tables = {"summary": summary(quality)}
    for data_set in DATA_SETS:
        key = data_set.key
        ranking, graph = quality.ranking(key), quality.rows(key, "graph model")
        cutoffs = [row for row in ranking if row.figure(*CUTOFFS["Recall@5, seen items filtered"])]
        held_out, ablation = quality.rows(key, "held_out", "strangers"), _ablation(quality, key)
        ratings = quality.rows(key, "ratings")
        of_set = {
            "ranking": _means(ranking, RANKING),
            "spread": _spreads(graph, RANKING),
            "differences": differences(ranking),
            "cutoffs": _means(cutoffs, CUTOFFS),
            "costs": costs(ranking),
            "held out": _means(held_out, HELD_OUT),
            "held out spread": _spreads(held_out, HELD_OUT),
            "ratings": _means(ratings, RATINGS, mark_best=False),
            "ratings spread": _spreads(ratings, RATINGS),
            "ablation": _means(ablation, ABLATION, mark_best=False, first="Change"),
            "ablation spread": _spreads(ablation, ABLATION, first="Change"),
        }
        tables |= {f"{key} {name}": text for name, text in of_set.items()}
    return tables


# ---- speed ----------------------------------------------------------------------------------------------------------


def measured_with(facts: dict[str, Any], more: Sequence[Sequence[str]] = ()) -> str:
    """Date, machine, seeds and versions of a result file, and further lines."""
    seeds = facts["seeds"] if "seeds" in facts else [facts["seed"]]
    lines = [
        ["Date", facts["time"][:10]],
        ["Machine", f"{facts['cpus']} cores of an {facts['cpu']}, no GPU"],
        ["Seeds", ", ".join(map(str, seeds))],
        ["Commit", f"`{facts['commit'][:7]}`{' with uncommitted changes' if facts['uncommitted_changes'] else ''}"],
        ["Python", facts["python"]],
        *([["Load of the machine before", short(facts["load_before"], 1)]] if "load_before" in facts else []),
        *([package, version] for package, version in facts["versions"].items()),
        *more,
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in [["What", "Value"], ["---", "---"], *lines])


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_bytes())
    return found


def embedding(facts: dict[str, Any]) -> str:
    lines = [
        [
            row["way"],
            short(row["texts_per_second"], 0),
            short(row["ratio"], 2),
            short(row["mean_cosine"], 5),
            short(row["min_cosine"], 5),
        ]
        for row in facts["rows"]
    ]
    headers = ["Way", "Texts per second", "Times the first row", "Mean cosine to the first row", "Lowest cosine"]
    return table(headers, lines)


def pipeline(facts: dict[str, Any]) -> str:
    steps = ("read and check", "embed", "train", "vector base")
    columns = {f"{step}, {unit}": f"{step}, {unit}" for step in steps for unit in ("min", "GiB")} | {
        "all, min": "all, min"
    }
    lines = [
        [f"{row['reviews']:,}", *(short(row[name], 2) for name in columns.values()), short(row["disk, GiB"], 2)]
        for row in facts["rows"]
    ]
    headers = ["Reviews", *(_words(header) for header in columns), "Disk, GiB"]
    return table(headers, lines)


def _words(header: str) -> str:
    return header.replace(", min", ", minutes").capitalize().replace("gib", "GiB")


def load(facts: dict[str, Any], question: str) -> str:
    """Latency and throughput of one question, one way and number of clients per row."""
    lines = [
        [
            row["way"],
            str(row["clients"]),
            short(row["p50, ms"], 2),
            short(row["p95, ms"], 2),
            short(row["p99, ms"], 2),
            short(row["requests/s"], 1),
            short(row["CPU, ms each"], 2),
        ]
        for row in facts["rows"]
        if row["what"] == question
    ]
    headers = ["Way", "Clients", "p50, ms", "p95, ms", "p99, ms", "Answers per second", "CPU per answer, ms"]
    return table(headers, lines)


def ranking_time(facts: dict[str, Any]) -> str:
    lines = [[row["scores"], short(row["seconds"], 2), short(row["peak, MiB"], 0)] for row in facts["rows"]]
    return table(["Scores", "Seconds", "Memory, MiB"], lines)


def cross_validated(facts: dict[str, Any], data: str) -> str:
    lines = [
        [row["model"], short(row["RMSE"]), short(row["MAE"]), short(row["fit, s"], 3)]
        for row in facts["rows"]
        if row["data"] == data
    ]
    return table(["Model", "RMSE", "MAE", "Seconds to fit"], lines)


def rating_speed(facts: dict[str, Any]) -> str:
    lines = [
        [row["model"], row["data"], short(row["pairs"], 0), short(row["predictions per second"], 0)]
        for row in facts["speed"]
    ]
    return table(["What is asked", "Data", "Pairs", "Predictions per second"], lines)


def start_up(facts: dict[str, Any]) -> str:
    names = [f"{what}{which}" for what in ("CPU s", "wall s") for which in ("", ", lowest", ", highest")]
    lines = [
        [_started(row["what"]), short(row["target"], 1), *(short(row[name], 2) for name in names)]
        for row in facts["rows"]
    ]
    headers = ["CPU s, median", "Lowest", "Highest", "Wall s, median", "Lowest", "Highest"]
    return table(["What is started", "CPU s, at most", *headers], lines)


def _started(what: str) -> str:
    """Words that are typed stand in backticks."""
    typed = r"^(import rec_sys|train --help|train(?=,)|create_vectorbase|infer|rec_sys\.load|uv run)"
    return re.sub(typed, r"`\1`", what)


def _speed_tables() -> dict[str, str]:
    serving = _result("serving")
    tables = {
        "embedding": embedding(_result("embedding")),
        "embedding one thread": embedding(_result("embedding_one_thread")),
        "pipeline": pipeline(_result("pipeline")),
        "ranking": ranking_time(_result("ranking")),
        "start_up": start_up(_result("start_up")),
    }
    for question in dict.fromkeys(row["what"] for row in serving["rows"]):
        tables[f"serving {question.replace(',', '')}"] = load(serving, question)
    ratings = _result("ratings")
    tables["ratings"] = rating_speed(ratings)
    for data in dict.fromkeys(row["data"] for row in ratings["rows"]):
        tables[f"ratings {data}"] = cross_validated(ratings, data)
    trending = _result("trending")
    for ahead in dict.fromkeys(row["ahead"] for row in trending["rows"]):
        lines = trending_tables.forecast_lines(trending["rows"], ahead, short)
        tables[f"trending {ahead}"] = table(trending_tables.HEADERS, lines)
    for name in (
        "quality",
        "embedding",
        "embedding_one_thread",
        "pipeline",
        "ranking",
        "ratings",
        "start_up",
        "serving",
        "trending",
    ):
        tables[f"{name} measured with"] = measured_with(_result(name))
    return tables


# ---- other libraries ------------------------------------------------------------------------------------------------


def _peers_tables() -> dict[str, str]:
    facts = _result("peers")
    rows, ratings = facts["rows"], facts["ratings"]
    tables: dict[str, str] = {}
    for data in dict.fromkeys(row["data"] for row in rows):
        tables |= {
            f"peers {data} ranking": table(peers_tables.RANKING_HEADERS, peers_tables.ranking_lines(rows, data, short)),
            f"peers {data} beside ours": table(
                peers_tables.BESIDE_HEADERS, peers_tables.beside_lines(facts["beside_ours"], data)
            ),
            f"peers {data} settings": table(peers_tables.SETTINGS_HEADERS, peers_tables.settings_lines(rows, data)),
            f"peers {data} ratings": table(
                peers_tables.RATINGS_HEADERS, peers_tables.ratings_lines(ratings, data, short)
            ),
        }
    versions = [["Libraries", peers_tables.versions([*rows, *ratings])]]
    tables["peers measured with"] = measured_with(facts, versions)
    return tables


def all_tables() -> dict[str, str]:
    """Every table by the name that pages give it."""
    return _quality_tables(Quality()) | _speed_tables() | _peers_tables()


def rewrite(text: str, tables: dict[str, str]) -> str:
    """A page with its tables made anew.

    Raises:
        KeyError: the page names a table that nobody makes.
    """
    return BLOCK.sub(lambda match: f"{match[1]}{tables[match[2]]}{match[3]}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where a page is behind")
    check, tables = parser.parse_args().check, all_tables()
    behind = [page for page in PAGES if rewrite(page.read_text(), tables) != page.read_text()]
    for page in behind:
        print(f"{page.relative_to(ROOT)}: {'behind its result files' if check else 'written'}")
        if not check:
            with atomic_file(page) as temporary:
                temporary.write_text(rewrite(page.read_text(), tables))
    sys.exit(1 if check and behind else 0)


if __name__ == "__main__":
    main()
