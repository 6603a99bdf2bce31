"""One figure of a model on held-out reviews, for choosing: no groups, no coverage, and so several times as fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.metrics.ranking import Ranks, rank_targets, values_of_ranks
from rec_sys.metrics.scorer import Scorer, TwoWayScorer

if TYPE_CHECKING:
    import scipy.sparse as sp

# Scores in memory at once. Arrays of this size are kept by the allocator from one block to the next; larger ones are
# given back to the kernel and faulted in again, which costs more than the arithmetic on them.
SCORES_AT_ONCE = 4_000_000
METRIC = "ndcg@10"


@dataclass(frozen=True)
class Block:
    """Some of the held-out reviews."""

    query: Query  # what their users had done before
    target: Ints  # (n,) product numbers
    seen: sp.csr_matrix  # (n, num_products) what these users have


def users_at_once(num_products: int, scores_at_once: int = SCORES_AT_ONCE) -> int:
    """Users whose scores of all products are in memory at once, one at least."""
    return max(1, scores_at_once // max(1, num_products))


def blocks_of(
    table: ReviewTable, targets: Ints, max_history: int, among: Ints | None = None, scores_at_once: int = SCORES_AT_ONCE
) -> Iterator[Block]:
    """Held-out reviews in blocks whose scores fit into the cache of the allocator.

    Args:
        table: the reviews.
        targets: review numbers.
        max_history: newest entries of a history that the query holds; seen items are all of them.
        among: ascending review numbers that histories may hold; None: all.
        scores_at_once: products times users of a block, at most, one user at least.
    """
    histories = histories_before(table, targets, among)
    size = users_at_once(table.num_products, scores_at_once)
    for start in range(0, len(targets), size):
        batch, chosen = histories.part(start, start + size), targets[start : start + size]
        query = Query(batch.last(max_history), table, table.user[chosen], table.timestamp[chosen])
        yield Block(query, table.product[chosen], batch.matrix(table.num_products))


def mean_value(ranks: Ranks, metric: str = METRIC) -> float:
    """Mean of a metric over ranks, one per user."""
    return float(values_of_ranks(ranks, metric).mean())


def validation_score(
    model: Scorer, table: ReviewTable, targets: Ints, among: Ints | None = None, metric: str = METRIC
) -> float:
    """A metric with seen items filtered, mean over held-out reviews; arguments as those of `validation_ranks`."""
    return mean_value(validation_ranks(model, table, targets, among), metric)


def validation_ranks(model: Scorer, table: ReviewTable, targets: Ints, among: Ints | None = None) -> Ranks:
    """(len(targets),) the rank of each held-out product among all products, seen items filtered.

    Args:
        model: fitted.
        table: the reviews.
        targets: review numbers, one per user.
        among: ascending review numbers that histories may hold; None: all.
    """
    score: Callable[[Query], Floats] = model.score
    if isinstance(model, TwoWayScorer):
        both = model.score_both_ways

        def score(query: Query) -> Floats:
            return both(query)[0]

    ranks = [
        rank_targets(score(block.query), block.target, block.seen)
        for block in blocks_of(table, targets, model.max_history, among)
    ]
    return np.concatenate(ranks)
