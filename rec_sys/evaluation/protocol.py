"""The ranking protocol: every model answers the same people, ranked among all products, masked and unmasked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import histories_before
from rec_sys.dataset.table import Floats, Ints, ReviewTable
from rec_sys.errors import DataError, RecSysError
from rec_sys.evaluation.ranking import CUTOFFS, Ranks, first_products, metrics_of_ranks, rank_targets

COVERAGE_AT = 10


class Scorer(Protocol):
    """What is judged: a fitted `Recommender`, or anything else that scores all products for histories."""

    @property
    def name(self) -> str: ...

    def score(self, histories: Histories) -> Floats: ...


@dataclass(frozen=True)
class RankingReport:
    """One model on one set of held-out reviews.

    The metrics are recall@k, ndcg@k, mrr and coverage@10 (the part of the catalogue that is among somebody's first
    ten). *masked*: what a person already had, in the whole history, is taken out, the held-out product never is.
    *unmasked*: nothing is taken out.
    """

    model: str
    masked: dict[str, float]
    unmasked: dict[str, float]
    num_people: int
    num_products: int
    history_limit: int  # the model saw at most this many newest reviews of a person
    seconds: float  # scoring and ranking, without fitting
    num_seeds: int = 1
    masked_spread: dict[str, float] = field(default_factory=dict)  # standard deviation over seeds
    unmasked_spread: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    model: Scorer,
    table: ReviewTable,
    targets: Ints,
    history_limit: int = 20,
    batch_size: int = 1024,
    progress: bool = False,
    cutoffs: Sequence[int] = CUTOFFS,
) -> RankingReport:
    """Rank the product of each target review by what its author had reviewed before it.

    Args:
        model: fitted.
        table: the reviews.
        targets: review numbers, one per person: `split.valid` to choose, `split.test` or `split.new` to judge.
        history_limit: the model sees at most this many newest reviews; masking uses all of them.
        batch_size: people scored at once; (batch_size, num_products) scores are in memory.
        progress: show a bar.
        cutoffs: the k of recall@k and ndcg@k.

    Raises:
        DataError: there are no targets.
        RecSysError: the model's scores have the wrong shape or are not finite.
    """
    if not len(targets):
        raise DataError("no held-out reviews to rank; use a part of the split that holds some")
    started = time.perf_counter()
    histories = histories_before(table, targets)
    shown = np.zeros((2, table.num_products), dtype=bool)  # in somebody's first ten; masked, unmasked
    ranks: tuple[list[Ranks], list[Ranks]] = ([], [])
    starts = range(0, len(targets), batch_size)
    for start in tqdm(starts, desc=f"ranking: {model.name}", unit="batch", disable=None if progress else True):
        batch = histories.part(start, start + batch_size)
        scores = model.score(batch.last(history_limit))
        if scores.shape != (len(batch), table.num_products):
            raise RecSysError(
                f"{model.name} gave scores of shape {scores.shape}, expected {(len(batch), table.num_products)} "
                f"(people, products); was it fitted on another table?"
            )
        held_out = table.product[targets[start : start + batch_size]]
        for kind, owned in enumerate((batch.matrix(table.num_products), None)):
            try:
                ranks[kind].append(rank_targets(scores, held_out, owned))
            except RecSysError as error:
                raise RecSysError(f"{model.name}: {error}") from error
            shown[kind, first_products(scores, COVERAGE_AT, owned)] = True
    masked, unmasked = (
        metrics_of_ranks(np.concatenate(ranks[kind]), cutoffs) | {f"coverage@{COVERAGE_AT}": float(shown[kind].mean())}
        for kind in (0, 1)
    )
    seconds = time.perf_counter() - started
    return RankingReport(model.name, masked, unmasked, len(targets), table.num_products, history_limit, seconds)


def mean_of_seeds(reports: Sequence[RankingReport]) -> RankingReport:
    """One report of several runs that differ in their seed: means, and the standard deviation (n - 1) as the spread.

    Raises:
        ValueError: there is none, or they are of different models, people or history limits.
    """
    kinds = {(report.model, report.num_people, report.num_products, report.history_limit) for report in reports}
    if len(kinds) != 1:
        raise ValueError(f"reports of one model on the same people are expected, got {sorted(kinds) or 'none'}")

    def over_seeds(metrics: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
        values = {name: [run[name] for run in metrics] for name in metrics[0]}
        spread = {name: float(np.std(runs, ddof=1)) for name, runs in values.items() if len(runs) > 1}
        return {name: float(np.mean(runs)) for name, runs in values.items()}, spread

    masked, masked_spread = over_seeds([report.masked for report in reports])
    unmasked, unmasked_spread = over_seeds([report.unmasked for report in reports])
    first = reports[0]
    return RankingReport(
        model=first.model,
        masked=masked,
        unmasked=unmasked,
        num_people=first.num_people,
        num_products=first.num_products,
        history_limit=first.history_limit,
        seconds=float(np.mean([report.seconds for report in reports])),
        num_seeds=len(reports),
        masked_spread=masked_spread,
        unmasked_spread=unmasked_spread,
    )


def format_table(
    rows: Mapping[str, RankingReport],
    markdown: bool = False,
    metrics: Sequence[str] = ("recall@10", "ndcg@10", "coverage@10"),
) -> str:
    """Reports side by side, for a terminal (aligned) or for Markdown; `rows` names each report."""
    short = [name.replace("recall@", "R@").replace("ndcg@", "N@").replace("coverage@", "cov@") for name in metrics]
    head = ["model", *(f"{name} {kind}" for kind in ("masked", "unmasked") for name in short), "people", "seconds"]
    lines = [head]
    for name, report in rows.items():
        cells = [name]
        for values, spread in ((report.masked, report.masked_spread), (report.unmasked, report.unmasked_spread)):
            cells += [
                f"{values[metric]:.4f}" + (f" ±{spread[metric]:.4f}" if metric in spread else "") for metric in metrics
            ]
        lines.append([*cells, f"{report.num_people:,}", f"{report.seconds:.1f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(line)]
        for line in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    rule = ["-" * width for width in widths]
    if markdown:
        rule = [rule[0], *(dashes[:-1] + ":" for dashes in rule[1:])]
        return "\n".join(f"| {' | '.join(line)} |" for line in [aligned[0], rule, *aligned[1:]])
    return "\n".join("  ".join(line).rstrip() for line in [aligned[0], rule, *aligned[1:]])
