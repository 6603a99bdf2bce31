"""Models side by side: figures, groups, differences from the first one, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rec_sys.dataset.splits import Part
from rec_sys.metrics.bootstrap import DRAWS, LEVEL, METRICS, Difference, differences
from rec_sys.metrics.groups import BY_HISTORY, BY_TRAINING, CUTOFFS
from rec_sys.metrics.protocol import RankingReport, format_table
from rec_sys.tables import short, text_table

BOUNDS = {"users": BY_HISTORY, "products": BY_TRAINING}
HELD_OUT_REVIEWS: dict[Part, str] = {
    "valid": "validation review of each user",
    "test": "last review of each user",
    "held_out_users": "last review of each held-out user",
    "held_out_products": "reviews of held-out products",
}


@dataclass(frozen=True)
class Comparison:
    """Figures of some models on one part of one split."""

    name: str
    part: Part
    reports: Mapping[str, RankingReport]  # by model
    facts: dict[str, Any]  # data, split, seeds, time
    chance: dict[str, float] = field(default_factory=dict)  # recall@k, seen items filtered, of a random order
    notes: list[str] = field(default_factory=list)  # what a reader of the tables should know
    differences: dict[str, list[Difference]] = field(init=False)  # of each model but the first

    def __post_init__(self) -> None:
        object.__setattr__(self, "differences", differences(self.reports))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "part": self.part,
            "facts": self.facts,
            "notes": self.notes,
            "chance": self.chance,
            "models": {name: report.to_dict() for name, report in self.reports.items()},
            "differences": {
                "from": next(iter(self.reports), None),
                "interval": f"{LEVEL:.0%}, paired bootstrap over users, {DRAWS:,} draws",
                "models": {name: [each.to_dict() for each in found] for name, found in self.differences.items()},
            },
        }

    def text(self, markdown: bool = False) -> str:
        """The tables, for a terminal or for Markdown."""
        if not self.reports:
            return "\n\n".join(self.notes)
        first = next(iter(self.reports.values()))
        metrics = ["recall@10", "ndcg@10", *(["recall@50"] if "recall@50" in first.filtered else []), "coverage@10"]
        data, split = self.facts["data"], self.facts["split"]
        parts = [
            f"{data['name']}: {split['train']:,} training reviews, {first.num_users:,} users "
            f"({HELD_OUT_REVIEWS[self.part]}), {data['products']:,} products ranked",
            format_table(self.reports, markdown, metrics),
        ]
        if self.chance:
            parts.append("random order, filtered: " + ", ".join(f"{short(k)} {v:.4f}" for k, v in self.chance.items()))
        parts += self.notes
        for filtered in (True, False):
            parts.append(
                f"{_kind(filtered)}, R@10 / N@10 by group (users in it):\n\n{self._groups(filtered, markdown)}"
            )
        if self.differences:
            parts.append(
                f"less {next(iter(self.reports))} on the same users, 95 % intervals (* without 0):\n\n"
                f"{self._differences(markdown)}"
            )
        return "\n\n".join(parts)

    def _groups(self, filtered: bool, markdown: bool) -> str:
        first = next(iter(self.reports.values()))
        named = [(kind, name) for kind, groups in first.groups.items() for name in groups]
        head = ["model"]
        for kind, name in named:
            users = first.groups[kind][name]["users"]
            head.append(f"{kind} {_range(BOUNDS[kind], name)} ({users:,})")
        lines = [head]
        for model, report in self.reports.items():
            cells = [model]
            for kind, name in named:
                group = report.groups[kind][name]
                values = group["filtered"] if filtered else group["unfiltered"]
                cells.append(
                    f"{values[f'recall@{CUTOFFS[0]}']:.4f} / {values[f'ndcg@{CUTOFFS[0]}']:.4f}" if values else "-"
                )
            lines.append(cells)
        return text_table(lines, markdown)

    def _differences(self, markdown: bool) -> str:
        lines = [["model", *(f"{short(metric)} {_kind(filtered)}" for filtered in (True, False) for metric in METRICS)]]
        for model, found in self.differences.items():
            lines.append(
                [
                    model,
                    *(f"{d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}]{'*' if d.is_clear else ' '}" for d in found),
                ]
            )
        return text_table(lines, markdown)


def _kind(filtered: bool) -> str:
    return "filtered" if filtered else "unfiltered"


def _range(bounds: Mapping[str, int], name: str) -> str:
    """A group with its bounds: hot >=10, warm 5-9, cold <5."""
    names, least = list(bounds), list(bounds.values())
    place = names.index(name)
    if place == 0:
        return f"{name} >={least[0]}"
    above = least[place - 1]
    return f"{name} <{above}" if place == len(names) - 1 else f"{name} {least[place]}-{above - 1}"
