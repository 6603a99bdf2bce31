"""The ranking protocol: every model ranks all products for the same users, seen items filtered and not filtered.

Figures are means over users: a user with several held-out reviews counts once, with the mean of these.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError, RecSysError
from rec_sys.metrics.groups import BY_HISTORY, BY_TRAINING, Groups, group_figures, mean_of_groups, one_vote_each
from rec_sys.metrics.ranking import (
    CUTOFFS,
    Ranks,
    first_products,
    metrics_of_ranks,
    rank_both_ways,
    rank_targets,
    values_of_ranks,
)
from rec_sys.metrics.scorer import Scorer, TwoWayScorer
from rec_sys.metrics.validation import users_at_once
from rec_sys.progress import ProgressCallback, tracked
from rec_sys.tables import short, text_table

COVERAGE_AT = 10


@dataclass(frozen=True)
class UserRanks:
    """The rank of each held-out product, so that two models can be compared user by user."""

    target: Ints  # (num_targets,) review numbers
    user: Ints  # (num_targets,) user numbers
    filtered: Ranks  # (num_seeds, num_targets)
    unfiltered: Ranks  # (num_seeds, num_targets)

    def per_user(self, metric: str, filtered: bool = True) -> Ranks:
        """(num_users,) a metric of each user, ascending by user number: mean over seeds, then over targets.

        Raises:
            ValueError: `metric` does not follow from ranks.
        """
        values = values_of_ranks(self.filtered if filtered else self.unfiltered, metric).mean(axis=0)
        _, place, times = np.unique(self.user, return_inverse=True, return_counts=True)
        means: Ranks = np.bincount(place, weights=values) / times
        return means


@dataclass(frozen=True)
class RankingReport:
    """One model on one set of held-out reviews.

    The metrics are recall@k, ndcg@k, mrr and coverage@10 (the part of the catalogue in some user's first ten).
    *filtered*: seen items, those of the user's whole history, are left out of the ranking, the held-out product never
    is. *unfiltered*: nothing is left out.
    """

    model: str
    filtered: dict[str, float]
    unfiltered: dict[str, float]
    num_users: int
    num_products: int
    history_limit: int  # the model read at most this many newest reviews of a user: its own `max_history`
    seconds: float  # scoring and ranking, without fitting
    num_seeds: int = 1
    filtered_spread: dict[str, float] = field(default_factory=dict)  # standard deviation over seeds
    unfiltered_spread: dict[str, float] = field(default_factory=dict)
    groups: Groups = field(default_factory=dict)  # users and products, each hot, warm and cold
    fit_seconds: float | None = None  # of fitting, choosing on validation included
    fit_mib: float | None = None  # by which memory rose meanwhile, see `resources.measured`
    ranks: UserRanks | None = field(default=None, repr=False, compare=False)
    beside: RankingReport | None = field(default=None, repr=False, compare=False)  # shown with it, such as popularity

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: everything but the ranks and the report beside it."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("ranks", "beside")}

    def __str__(self) -> str:
        rows = {self.model: self}
        if self.beside is not None:
            rows.setdefault(self.beside.model, self.beside)
        return format_table(rows)


def evaluate(
    model: Scorer,
    table: ReviewTable,
    targets: Ints,
    batch_size: int | None = None,
    progress: ProgressCallback | None = None,
    cutoffs: Sequence[int] = CUTOFFS,
    train: Ints | None = None,
    among: Ints | None = None,
) -> RankingReport:
    """Rank the product of each target review by what its user had reviewed before it.

    Args:
        model: fitted; it is given as many of the newest reviews as it reads, `model.max_history`.
        table: the reviews, with the vectors of their texts where the model reads these.
        targets: review numbers: `split.valid` to choose, `split.test` or `split.held_out_users` to report.
        batch_size: users scored at once; (batch_size, num_products) scores are in memory;
            None: what suits the catalogue.
        progress: told after each batch.
        cutoffs: the k of recall@k and ndcg@k.
        train: review numbers that were learned from; given, products are grouped by how many of these are theirs.
        among: ascending review numbers that histories may hold: `split.in_histories`; None: all.

    Raises:
        DataError: there are no targets.
        RecSysError: the model's scores have the wrong shape or are not finite.
    """
    if not len(targets):
        raise DataError("no held-out reviews to rank; use a part of the split that holds some")
    started = time.perf_counter()
    histories = histories_before(table, targets, among)
    shown = np.zeros((2, table.num_products), dtype=bool)  # in some user's first ten; filtered, unfiltered
    ranks = np.empty((2, len(targets)))  # filtered, unfiltered
    batch_size = batch_size or users_at_once(table.num_products)
    starts = range(0, len(targets), batch_size)
    for start in tracked(starts, f"rank {model.name}", len(starts), "batches", progress):
        batch, asked = histories.part(start, start + batch_size), targets[start : start + batch_size]
        query = Query(
            batch.last(model.max_history), reviews=table, users=table.user[asked], time=table.timestamp[asked]
        )
        scores_filtered, scores = _scores_both_ways(model, query, table.num_products)
        owned = batch.matrix(table.num_products)  # of the whole histories, also beyond what the model reads
        try:
            if scores_filtered is scores:
                both = rank_both_ways(scores, table.product[asked], owned)
            else:
                both = (
                    rank_targets(scores_filtered, table.product[asked], owned),
                    rank_targets(scores, table.product[asked]),
                )
        except RecSysError as error:
            raise RecSysError(f"{model.name}: {error}") from error
        ranks[:, start : start + batch_size] = both
        shown[0, first_products(scores_filtered, COVERAGE_AT, owned)] = True
        shown[1, first_products(scores, COVERAGE_AT)] = True
    seconds = time.perf_counter() - started
    user = table.user[targets]
    filtered, unfiltered = (
        metrics_of_ranks(ranks[kind], cutoffs, one_vote_each(user))
        | {f"coverage@{COVERAGE_AT}": float(shown[kind].mean())}
        for kind in (0, 1)
    )
    groups = {"users": group_figures(ranks[0], ranks[1], user, histories.lengths, BY_HISTORY)}
    if train is not None:
        reviews = np.bincount(table.product[train], minlength=table.num_products)[table.product[targets]]
        groups["products"] = group_figures(ranks[0], ranks[1], user, reviews, BY_TRAINING)
    return RankingReport(
        model=model.name,
        filtered=filtered,
        unfiltered=unfiltered,
        num_users=len(np.unique(user)),
        num_products=table.num_products,
        history_limit=model.max_history,
        seconds=seconds,
        groups=groups,
        ranks=UserRanks(targets, user, ranks[:1], ranks[1:]),
    )


def _scores_both_ways(model: Scorer, query: Query, num_products: int) -> tuple[Floats, Floats]:
    """Scores to filter seen items from, and scores not to; the same array where the model makes no difference."""
    if isinstance(model, TwoWayScorer):
        filtered, scores = model.score_both_ways(query)
    else:
        filtered = scores = model.score(query)
    for each in (scores, filtered):
        if each.shape != (len(query), num_products):
            raise RecSysError(
                f"{model.name} gave scores of shape {each.shape}, expected {(len(query), num_products)} "
                f"(users, products); was it fitted on another table?"
            )
    return filtered, scores


def mean_of_seeds(reports: Sequence[RankingReport]) -> RankingReport:
    """One report of several runs that differ in their seed: means, and the standard deviation (n - 1) as the spread.

    The ranks of all runs are kept where these ranked the same held-out reviews.

    Raises:
        ValueError: there is none, or they are of different models, users or history limits.
    """
    kinds = {(report.model, report.num_users, report.num_products, report.history_limit) for report in reports}
    if len(kinds) != 1:
        raise ValueError(f"reports of one model on the same users are expected, got {sorted(kinds) or 'none'}")

    def over_seeds(metrics: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
        values = {name: [run[name] for run in metrics] for name in metrics[0]}
        spread = {name: float(np.std(runs, ddof=1)) for name, runs in values.items() if len(runs) > 1}
        return {name: float(np.mean(runs)) for name, runs in values.items()}, spread

    filtered, filtered_spread = over_seeds([report.filtered for report in reports])
    unfiltered, unfiltered_spread = over_seeds([report.unfiltered for report in reports])
    first = reports[0]
    kept = [report.ranks for report in reports if report.ranks is not None]
    same = len(kept) == len(reports) and all(np.array_equal(ranks.target, kept[0].target) for ranks in kept)
    seconds = [report.fit_seconds for report in reports if report.fit_seconds is not None]
    mib = [report.fit_mib for report in reports if report.fit_mib is not None]
    kinds_of_groups = [kind for kind in first.groups if all(kind in report.groups for report in reports)]
    return RankingReport(
        model=first.model,
        filtered=filtered,
        unfiltered=unfiltered,
        num_users=first.num_users,
        num_products=first.num_products,
        history_limit=first.history_limit,
        seconds=float(np.mean([report.seconds for report in reports])),
        num_seeds=len(reports),
        filtered_spread=filtered_spread,
        unfiltered_spread=unfiltered_spread,
        groups={kind: mean_of_groups([report.groups[kind] for report in reports]) for kind in kinds_of_groups},
        fit_seconds=float(np.mean(seconds)) if seconds else None,
        fit_mib=max(mib) if mib else None,
        ranks=UserRanks(
            kept[0].target,
            kept[0].user,
            np.concatenate([ranks.filtered for ranks in kept]),
            np.concatenate([ranks.unfiltered for ranks in kept]),
        )
        if same
        else None,
    )


def format_table(
    rows: Mapping[str, RankingReport],
    markdown: bool = False,
    metrics: Sequence[str] = ("recall@10", "ndcg@10", "coverage@10"),
) -> str:
    """Reports side by side, for a terminal (aligned) or for Markdown; `rows` names each report."""
    kinds = ("filtered", "unfiltered")
    head = ["model", *(f"{short(name)} {kind}" for kind in kinds for name in metrics), "users", "seconds"]
    with_fit = any(report.fit_seconds is not None for report in rows.values())
    lines = [[*head, "fit seconds", "fit MiB"] if with_fit else head]
    for name, report in rows.items():
        cells = [name]
        for values, spread in (
            (report.filtered, report.filtered_spread),
            (report.unfiltered, report.unfiltered_spread),
        ):
            cells += [
                f"{values[metric]:.4f}" + (f" ±{spread[metric]:.4f}" if metric in spread else "") for metric in metrics
            ]
        cells += [f"{report.num_users:,}", f"{report.seconds:.1f}"]
        if with_fit:
            cells += ["-" if report.fit_seconds is None else f"{report.fit_seconds:,.1f}"]
            cells += ["-" if report.fit_mib is None else f"{report.fit_mib:,.0f}"]
        lines.append(cells)
    return text_table(lines, markdown)
