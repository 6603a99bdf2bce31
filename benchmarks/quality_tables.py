"""Rows of the tables that `benchmarks.quality` prints: means over seeds, the spread (n - 1) behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rec_sys.recommenders.graph.fit_item_factors import FACTORS_NEARLY_ALONE
from rec_sys.recommenders.graph.scorer import GRAPH_MODEL

Report = Mapping[str, Any]
Row = dict[str, Any]
FIGURES = ("recall@10", "ndcg@10")
NEARLY_ALONE = f"{FACTORS_NEARLY_ALONE:g}"  # as a report writes it
HELD_OUT_PRODUCTS = "held-out products R@50"


def mean(values: Sequence[float]) -> str:
    """Four digits, with the spread where there are several."""
    spread = f" ±{np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _ranking(reports: Sequence[Report]) -> Row:
    """R@10 and N@10, filtered and unfiltered, of one model over its seeds."""
    return {
        f"{figure[0].upper()}@10 {kind}": mean([report[kind][figure] for report in reports])
        for kind in ("filtered", "unfiltered")
        for figure in FIGURES
    } | {"users": str(reports[0]["num_users"]), "seeds": len(reports)}


def graph_rows(runs: Sequence[Report]) -> list[Row]:
    """The graph model, with and without item factors, on known users."""
    facts = [run["facts"] for run in runs]
    took = {
        "train s": mean_of(facts, "train_seconds"),
        "epochs": mean_of(facts, "epochs"),
        "peak MiB": mean_of(facts, "peak_mib"),
    }
    return [
        {"model": model, **_ranking([run["ranking"][model] for run in runs if model in run["ranking"]]), **took}
        for model in runs[0]["ranking"]
    ]


def mean_of(facts: Sequence[Report], key: str) -> int:
    """A rounded mean of one fact."""
    return round(float(np.mean([each[key] for each in facts])))


def baseline_rows(evaluation: Report) -> list[Row]:
    """Every model on the test reviews; the difference is from the first one, with its 95 % interval."""
    apart = evaluation["differences"]["models"]
    rows = []
    for name, report in evaluation["models"].items():
        found = [d for d in apart.get(name, []) if d["metric"] == "ndcg@10" and d["filtered"]]
        difference = f"{found[0]['difference']:+.4f} [{found[0]['low']:+.4f}, {found[0]['high']:+.4f}]" if found else ""
        rows.append(
            {
                "model": name,
                **{
                    f"{figure[0].upper()}@{figure.partition('@')[2]} {kind}": round(report[kind][figure], 4)
                    for kind in ("filtered", "unfiltered")
                    for figure in ("recall@5", "recall@10", "recall@20", "ndcg@10", "coverage@10")
                },
                "N@10 difference": difference,
                "fit s": None if report["fit_seconds"] is None else round(report["fit_seconds"], 1),
                "fit MiB": None if report["fit_mib"] is None else round(report["fit_mib"]),
            }
        )
    return rows


def held_out_rows(runs: Sequence[Report]) -> list[Row]:
    """Held-out users beside known ones of the same training, and held-out products."""
    rows = []
    for model in (key for key in runs[0]["ranking"] if all(_plain(key) in _plains(run["ranking"]) for run in runs)):
        row: Row = {"model": _plain(model)}
        for title, part, figure in (
            ("known users R@10", "ranking", "recall@10"),
            ("held-out users R@10", "held_out_users", "recall@10"),
            ("held-out users N@10", "held_out_users", "ndcg@10"),
            (HELD_OUT_PRODUCTS, "held_out_products", "recall@50"),
        ):
            values = [_plains(run[part])[_plain(model)]["filtered"][figure] for run in runs if run[part]]
            row[title] = mean(values) if values else "-"
        rows.append(row)
    chance = [run["facts"]["chance"]["recall@50"] for run in runs if run["facts"]["chance"]]
    if chance:
        rows.append({**dict.fromkeys(rows[0], "-"), "model": "by chance", HELD_OUT_PRODUCTS: mean(chance)})
    return rows


def _plain(name: str) -> str:
    """A name without the settings chosen on validation, which may differ between splits."""
    return name.partition(" (")[0]


def _plains(reports: Mapping[str, Report]) -> dict[str, Report]:
    return {_plain(name): report for name, report in reports.items()}


def ablation_rows(variants: Mapping[str, Sequence[Report]]) -> list[Row]:
    """Figures on validation, seen items filtered: the network alone, with item factors, and these nearly alone."""
    rows = []
    for change, runs in variants.items():
        best = [run["epochs"][run["best_epoch"] - 1] for run in runs]
        tried = [run["facts"].get("item_factors", {}).get("ndcg@10") for run in runs]
        with_item_factors = [
            max(value for weight, value in figures.items() if weight != NEARLY_ALONE) for figures in tried if figures
        ]
        alone = [figures[NEARLY_ALONE] for figures in tried if figures]
        ratings = {
            key: [figures[f"valid/rating_{key}"] for figures in best if f"valid/rating_{key}" in figures]
            for key in ("mae", "mse")
        }
        rows.append(
            {
                "change": change,
                "R@10": mean([figures["valid/recall_at_10"] for figures in best]),
                "N@10": mean([figures["valid/ndcg_at_10"] for figures in best]),
                "N@10 with item factors": mean(with_item_factors) if with_item_factors else "-",
                "N@10 item factors alone": mean(alone) if alone else "-",
                "rating MAE": mean(ratings["mae"]) if ratings["mae"] else "-",
                "rating MSE": mean(ratings["mse"]) if ratings["mse"] else "-",
                "seeds": len(runs),
            }
        )
    return rows


def rating_rows(runs: Sequence[Report]) -> list[Row]:
    """Predicted ratings of the test reviews."""
    return [
        {"model": model, **{key: mean([run["ratings"][model][key] for run in runs]) for key in KEYS}}
        for model in (runs[0]["ratings"] if GRAPH_MODEL in runs[0]["ratings"] else ())
    ]


KEYS = ("mae", "mse", "accuracy", "f1")
