"""The closing report of a training: figures beside the baselines in the same run, and the learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # files only: a server has no screen
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rec_sys.files import atomic_file, write_json
from rec_sys.metrics.protocol import RankingReport, format_table
from rec_sys.metrics.rating import RatingReport
from rec_sys.recommenders.graph.callbacks import Figures
from rec_sys.tables import Chart, Section, text_table
from rec_sys.train.final_test import TestFigures

METRICS = ("recall@10", "ndcg@10")  # shown; report.json holds all


@dataclass(frozen=True)
class TrainReport:
    """Everything a training found out. The test reviews were read once, after all choices had been made."""

    name: str
    figures: TestFigures
    history: list[Figures]  # of every epoch; empty where there are none
    best_epoch: int  # from 0; -1 where there are none
    facts: dict[str, Any] = field(default_factory=dict)  # data, split, seed, times, versions
    sections: Sequence[Section] = ()  # what only this kind of model has

    @property
    def ranking(self) -> dict[str, RankingReport]:
        """On the test reviews, by model; empty where they were not read."""
        return self.figures.ranking

    def text(self, markdown: bool = False) -> str:
        """The tables, for a terminal or for Markdown."""
        split = self.facts["split"]
        parts = [
            f"{self.facts['data']['name']}: {split['train']:,} training reviews, {split['test']:,} users tested "
            f"(last review of each), {self.facts['data']['products']:,} products ranked"
            + ("" if self.facts.get("seed") is None else f", seed {self.facts['seed']}"),
            *([format_table(self.ranking, markdown, METRICS)] if self.ranking else []),
            *self.figures.notes,
        ]
        if self.figures.held_out_users:
            parts += ["held-out users, never trained on:", format_table(self.figures.held_out_users, markdown, METRICS)]
        if self.figures.held_out_products:
            chance = ", ".join(f"R@{name.partition('@')[2]} {value:.4f}" for name, value in self.figures.chance.items())
            parts += [
                f"held-out products, never trained on, described by texts (by chance: {chance}):",
                format_table(self.figures.held_out_products, markdown, ("recall@10", "recall@50")),
            ]
        if self.figures.ratings:
            parts += ["predicted ratings of the same reviews:", _rating_table(self.figures.ratings, markdown)]
        parts += [section.text(markdown) for section in self.sections]
        return "\n\n".join(parts)

    def save(self, folder: Path) -> list[Path]:
        """Write report.json, report.md and, where there is something to draw, curves.png; returns their paths."""
        write_json(
            folder / "report.json",
            {
                "name": self.name,
                "facts": self.facts,
                "notes": self.figures.notes,
                "best_epoch": self.best_epoch + 1,
                "ranking": {name: report.to_dict() for name, report in self.ranking.items()},
                "held_out_users": {name: report.to_dict() for name, report in self.figures.held_out_users.items()},
                "held_out_products": {
                    name: report.to_dict() for name, report in self.figures.held_out_products.items()
                },
                "ratings": {name: report.to_dict() for name, report in self.figures.ratings.items()},
                "epochs": self.history,
                "sections": [
                    {"title": each.title, "rows": list(each.rows), "notes": list(each.notes), "figures": each.figures}
                    for each in self.sections
                ],
            },
        )
        with atomic_file(folder / "report.md") as temporary:
            temporary.write_text(f"# {self.name}\n\n{self.text(markdown=True)}\n", encoding="utf-8")
        names = ["report.json", "report.md"]
        if self.history or any(each.chart for each in self.sections):
            names.append("curves.png")
            with atomic_file(folder / "curves.png") as temporary:
                _plot(self, temporary)
        return [folder / name for name in names]


def _rating_table(rows: dict[str, RatingReport], markdown: bool) -> str:
    head = ["model", "MAE", "MSE", "accuracy", "F1", "reviews"]
    lines = [head] + [
        [name, *(f"{value:.4f}" for value in (r.mae, r.mse, r.accuracy, r.f1)), f"{r.num_reviews:,}"]
        for name, r in rows.items()
    ]
    return text_table(lines, markdown)


def _plot(report: TrainReport, path: Path) -> None:
    """Figures over the epochs, a line at the epoch that was kept, and the charts of the sections, side by side."""
    panels = {
        "training loss": ["train/ranking_loss", "train/rating_loss"],
        "validation ranking, filtered": ["valid/recall_at_10", "valid/ndcg_at_10"],
        "validation ratings": ["valid/rating_mae", "valid/rating_mse", "valid/rating_f1", "valid/rating_accuracy"],
    }
    present = {
        title: [name for name in names if any(name in figures for figures in report.history)]
        for title, names in panels.items()
    }
    curves = {title: names for title, names in present.items() if names}
    charts = [(each.title, each.chart) for each in report.sections if each.chart is not None]
    count = len(curves) + len(charts)
    figure, axes = plt.subplots(1, count, figsize=(5 * count, 3.6), squeeze=False, layout="constrained")
    for axis, (title, names) in zip(axes[0], curves.items(), strict=False):
        _draw_curves(axis, report, title, names)
    for axis, (title, chart) in zip(axes[0][len(curves) :], charts, strict=True):
        _draw_chart(axis, title, chart)
    kept = f" (kept: epoch {report.best_epoch + 1})" if report.history else ""
    figure.suptitle(f"{report.name}{kept}")
    figure.savefig(path, dpi=110, format="png")
    plt.close(figure)


def _draw_curves(axis: Axes, report: TrainReport, title: str, names: Sequence[str]) -> None:
    epochs = [int(figures["epoch"]) + 1 for figures in report.history]
    for name in names:
        values = [figures.get(name, float("nan")) for figures in report.history]
        axis.plot(epochs, values, marker=".", label=name.partition("/")[2].replace("_at_", "@").replace("_", " "))
    axis.axvline(report.best_epoch + 1, color="grey", linestyle=":", linewidth=1)
    axis.set(title=title, xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    axis.legend()


def _draw_chart(axis: Axes, title: str, chart: Chart) -> None:
    for name, (x, y) in chart.lines.items():
        axis.plot(x, y, marker=".", label=name)
    axis.set(title=title, xlabel=chart.x, ylabel=chart.y)
    axis.grid(alpha=0.3)
    axis.legend()
