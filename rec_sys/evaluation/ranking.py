"""Ranks of held-out products among all products, and the metrics that follow from ranks alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.dataset.table import Floats, Ints
from rec_sys.errors import RecSysError

Ranks = npt.NDArray[np.float64]
CUTOFFS = (5, 10, 20)


def check_scores(scores: Floats) -> None:
    """Refuse scores that cannot be ordered.

    Raises:
        RecSysError: a score is nan or infinite; names the first one.
    """
    finite = np.isfinite(scores)
    if not finite.all():
        row, product = np.argwhere(~finite)[0]
        raise RecSysError(
            f"{np.count_nonzero(~finite):,} of {scores.size:,} scores are not finite (first: {scores[row, product]} in "
            f"row {row}, product {product}), so products cannot be ranked; the model has diverged or divides by zero"
        )


def rank_targets(scores: Floats, targets: Ints, owned: sp.csr_matrix | None = None) -> Ranks:
    """The place of each row's target among all products; 1 is best, equal scores count half.

    rank = 1 + (products scored higher) + (other products scored the same) / 2: what a random order of the equal ones
    gives on average, so a model that scores everything alike earns nothing.

    Args:
        scores: (n, num_products), left as they are.
        targets: (n,) product numbers.
        owned: (n, num_products), each product that is stored is taken out of its row, except the row's target.

    Raises:
        RecSysError: a score is nan or infinite.
    """
    check_scores(scores)
    own = scores[np.arange(len(targets)), targets]  # (n,)
    higher = np.count_nonzero(scores > own[:, None], axis=1)
    equal = np.count_nonzero(scores == own[:, None], axis=1) - 1  # the target itself is no other
    if owned is not None:  # what the owned products added is taken off again: no masked copy of the scores
        row, product = _entries(owned)
        other = product != targets[row]
        row, product = row[other], product[other]
        higher -= np.bincount(row[scores[row, product] > own[row]], minlength=len(targets))
        equal -= np.bincount(row[scores[row, product] == own[row]], minlength=len(targets))
    ranks: Ranks = 1 + higher + equal / 2
    return ranks


def first_products(scores: Floats, k: int, owned: sp.csr_matrix | None = None) -> Ints:
    """(n, min(k, num_products)) product numbers, best first, equal scores by product number.

    Products stored in `owned` come last: they appear only where a row has fewer than k others.
    """
    k = min(k, scores.shape[1])
    cost = -scores  # best is lowest: partitioning at the front is many times faster where most scores are 0
    if owned is not None:
        cost[_entries(owned)] = np.inf
    first = np.argpartition(cost, k - 1, axis=1)[:, :k]
    last = np.take_along_axis(cost, first, axis=1).max(axis=1)
    # argpartition picks freely among products equal to the last one; those rows are chosen again, by number
    torn = np.count_nonzero(cost <= last[:, None], axis=1) > k
    for row in np.flatnonzero(torn):
        better = np.flatnonzero(cost[row] < last[row])
        equal = np.flatnonzero(cost[row] == last[row])
        first[row] = np.concatenate([better, equal])[:k]
    first.sort(axis=1)
    order = np.argsort(np.take_along_axis(cost, first, axis=1), axis=1, kind="stable")
    return np.take_along_axis(first, order, axis=1)


def metrics_of_ranks(ranks: Ranks, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, float]:
    """Means over people: recall@k (1 if rank <= k), ndcg@k (1 / log2(rank + 1) if rank <= k) and mrr (1 / rank).

    With one held-out product per person the ideal gain is 1, so DCG and NDCG are the same.
    """
    gain = 1 / np.log2(ranks + 1)
    metrics = {}
    for k in cutoffs:
        hit = ranks <= k
        metrics[f"recall@{k}"] = float(hit.mean())
        metrics[f"ndcg@{k}"] = float((gain * hit).mean())
    return metrics | {"mrr": float((1 / ranks).mean())}


def _entries(owned: sp.csr_matrix) -> tuple[Ints, Ints]:
    """Row and product of each stored entry, each pair once."""
    num_rows, num_products = owned.shape
    row = np.repeat(np.arange(num_rows), np.diff(owned.indptr))
    pairs = np.unique(row * num_products + owned.indices)
    return pairs // num_products, pairs % num_products
