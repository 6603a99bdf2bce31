"""The sampled protocol of many papers: a held-out product ranked among drawn ones, for comparing with their figures.

Figures of it are far higher than those of a full ranking and may order models otherwise (Krichene and Rendle, KDD
2020), so nothing is chosen by them, and everything that comes from here is called *sampled*. The headline is
`protocol.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.query import Query
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.metrics.groups import one_vote_each
from rec_sys.metrics.ranking import Ranks, check_scores, metrics_of_ranks
from rec_sys.metrics.scorer import Scorer, TwoWayScorer
from rec_sys.metrics.validation import blocks_of, users_at_once
from rec_sys.progress import ProgressCallback, tracked

NUM_NEGATIVES = 99  # He et al. 2017


@dataclass(frozen=True)
class SampledReport:
    """One model, each held-out product ranked among drawn ones that its user does not have."""

    model: str
    figures: dict[str, float]  # sampled recall@k (the papers' hit rate), sampled ndcg@k and sampled mrr
    num_users: int
    num_negatives: int  # drawn for each held-out product
    num_short: int  # held-out products whose user lacks fewer products than that, so that all of these are taken
    seed: int  # of the draw
    ranks: Ranks = field(repr=False, compare=False)  # (num_targets,) 1 is best

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.figures.items())
        short = f"; {self.num_short:,} among fewer" if self.num_short else ""
        return f"{self.model}: {shown} ({self.num_users:,} users, among {self.num_negatives} drawn products{short})"


def draw_negatives(table: ReviewTable, targets: Ints, num_negatives: int = NUM_NEGATIVES, seed: int = 0) -> Ints:
    """Products for each target review that its user has never had, without repeats.

    The target itself and everything else that the user has in the table, earlier or later, is left out.

    Args:
        table: the reviews.
        targets: (num_targets,) review numbers.
        num_negatives: for each of them.
        seed: of the draw, which depends on nothing else but the table and the targets.

    Returns:
        (num_targets, num_negatives) product numbers; -1 behind the last where a user lacks fewer products than that.
    """
    random, indptr = np.random.default_rng(seed), table.indptr()
    found = np.full((len(targets), num_negatives), -1, dtype=np.int64)
    taken = min(num_negatives, table.num_products)
    size = users_at_once(table.num_products)
    for start in range(0, len(targets), size):
        user = table.user[targets[start : start + size]]
        lengths = np.diff(indptr)[user]
        ends = np.cumsum(lengths)
        own = np.arange(lengths.sum()) + np.repeat(indptr[user] - (ends - lengths), lengths)
        keys = random.random((len(user), table.num_products), dtype=np.float32)
        keys[np.repeat(np.arange(len(user)), lengths), table.product[own]] = np.inf
        lowest = np.argpartition(keys, taken - 1, axis=1)[:, :taken]
        of_lowest = np.take_along_axis(keys, lowest, axis=1)
        order = np.argsort(of_lowest, axis=1, kind="stable")
        drawn = np.take_along_axis(lowest, order, axis=1)
        is_own = np.isinf(np.take_along_axis(of_lowest, order, axis=1))
        found[start : start + size, :taken] = np.where(is_own, -1, drawn)
    return found


def evaluate_sampled(
    model: Scorer,
    table: ReviewTable,
    targets: Ints,
    num_negatives: int = NUM_NEGATIVES,
    seed: int = 0,
    cutoffs: Sequence[int] = (10,),
    among: Ints | None = None,
    progress: ProgressCallback | None = None,
) -> SampledReport:
    """Rank the product of each target review among drawn ones; the model is asked as `protocol.evaluate` asks it.

    Args:
        model: fitted.
        table: the reviews, with the vectors of their texts where the model reads these.
        targets: review numbers.
        num_negatives: drawn for each, see `draw_negatives`.
        seed: of the draw: the same one for models that are compared.
        cutoffs: the k of recall@k and ndcg@k.
        among: ascending review numbers that histories may hold: `split.in_histories`; None: all.
        progress: told after each batch.

    Raises:
        DataError: there are no targets.
        RecSysError: scores are not finite.
    """
    if not len(targets):
        raise DataError("no held-out reviews to rank; use a part of the split that holds some")
    negatives = draw_negatives(table, targets, num_negatives, seed)
    both = model.score_both_ways if isinstance(model, TwoWayScorer) else None
    score: Callable[[Query], Floats] = model.score if both is None else lambda query: both(query)[0]
    ranks, start = np.empty(len(targets)), 0
    blocks = blocks_of(table, targets, model.max_history, among)
    total = -(-len(targets) // users_at_once(table.num_products))
    for block in tracked(blocks, f"rank {model.name}, sampled", total, "batches", progress):
        stop = start + len(block.target)
        ranks[start:stop] = _ranks_among(score(block.query), block.target, negatives[start:stop])
        start = stop
    user = table.user[targets]
    figures = metrics_of_ranks(ranks, cutoffs, one_vote_each(user))
    return SampledReport(
        model=model.name,
        figures={f"sampled {name}": value for name, value in figures.items()},
        num_users=len(np.unique(user)),
        num_negatives=num_negatives,
        num_short=int((negatives < 0).any(axis=1).sum()),
        seed=seed,
        ranks=ranks,
    )


def _ranks_among(scores: Floats, targets: Ints, negatives: Ints) -> Ranks:
    """(n,) 1 + negatives scored higher + those scored the same / 2."""
    check_scores(scores)
    own = scores[np.arange(len(targets)), targets][:, None]
    drawn = np.take_along_axis(scores, np.maximum(negatives, 0), axis=1)
    is_drawn = negatives >= 0
    ranks: Ranks = 1 + ((drawn > own) & is_drawn).sum(axis=1) + ((drawn == own) & is_drawn).sum(axis=1) / 2
    return ranks
