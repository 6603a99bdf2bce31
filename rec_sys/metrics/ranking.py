"""Ranks of held-out products among all products, and the metrics that follow from ranks alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.errors import RecSysError

if TYPE_CHECKING:
    import scipy.sparse as sp  # a quarter of a second, and commands that only print help need none

Ranks = npt.NDArray[np.float64]
CUTOFFS = (5, 10, 20)
BLOCKS = 128  # products are looked at in this many groups when the first ones are searched for


def check_scores(scores: Floats) -> None:
    """Refuse scores that cannot be ordered.

    Raises:
        RecSysError: a score is nan or infinite; names the first one.
    """
    # nan passes through min and max, so two passes without a copy say that all is well
    if not scores.size or (np.isfinite(scores.max()) and np.isfinite(scores.min())):
        return
    finite = np.isfinite(scores)
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
        owned: (n, num_products), each stored product is filtered from its row, except the row's target.

    Raises:
        RecSysError: a score is nan or infinite.
    """
    unfiltered = _count_before(scores, targets)
    return unfiltered if owned is None else unfiltered - _owned_before(scores, targets, owned)


def rank_both_ways(scores: Floats, targets: Ints, owned: sp.csr_matrix) -> tuple[Ranks, Ranks]:
    """`rank_targets` with and without filtering the owned products, for the price of one: filtered, unfiltered."""
    unfiltered = _count_before(scores, targets)
    return unfiltered - _owned_before(scores, targets, owned), unfiltered


def _count_before(scores: Floats, targets: Ints) -> Ranks:
    """Ranks among all products."""
    check_scores(scores)
    own = scores[np.arange(len(targets)), targets]  # (n,)
    higher = np.count_nonzero(scores > own[:, None], axis=1)
    equal = np.count_nonzero(scores == own[:, None], axis=1) - 1  # the target itself is no other
    ranks: Ranks = 1 + higher + equal / 2
    return ranks


def _owned_before(scores: Floats, targets: Ints, owned: sp.csr_matrix) -> Ranks:
    """What the owned products other than the target add to each rank: no filtered copy of the scores is needed."""
    own = scores[np.arange(len(targets)), targets]
    row, product = _entries(owned)
    other = product != targets[row]
    row, product = row[other], product[other]
    before = (scores[row, product] > own[row]) + (scores[row, product] == own[row]) / 2
    return np.bincount(row, weights=before, minlength=len(targets)).astype(np.float64)


def first_products(scores: Floats, k: int, owned: sp.csr_matrix | None = None) -> Ints:
    """(n, min(k, num_products)) product numbers, best first, equal scores by product number.

    Products stored in `owned` come last: they appear only where a row has fewer than k others.
    """
    n, num_products = scores.shape
    k = min(k, num_products)
    left = scores
    if owned is not None:
        left = scores.copy()
        left[_entries(owned)] = -np.inf
    floor = _kth_highest(_block_maxima(left) if k <= BLOCKS < num_products else left, k)
    # At least k products reach the k-th highest of some of the scores, and hardly more: only these are sorted.
    near = left >= floor[:, None]
    crowded = np.flatnonzero(np.count_nonzero(near, axis=1) > 8 * k)  # very many are equal to it
    near[crowded] = left[crowded] > floor[crowded, None]
    for row in crowded[np.count_nonzero(near[crowded], axis=1) < k]:
        equal = np.flatnonzero(left[row] == floor[row])
        near[row, equal[: k - np.count_nonzero(near[row])]] = True
    row, product = np.divmod(np.flatnonzero(near), num_products)  # three times as fast as nonzero of two dimensions
    order = np.lexsort((product, -left[row, product], row))
    row, product = row[order], product[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    return product[place < k].reshape(n, k)


def _block_maxima(scores: Floats) -> Floats:
    """(n, BLOCKS): the highest of the products p with the same p % BLOCKS."""
    whole = scores.shape[1] // BLOCKS * BLOCKS
    maxima: Floats = scores[:, :whole].reshape(len(scores), -1, BLOCKS).max(axis=1)
    rest = scores[:, whole:]
    np.maximum(maxima[:, : rest.shape[1]], rest, out=maxima[:, : rest.shape[1]])
    return maxima


def _kth_highest(scores: Floats, k: int) -> Floats:
    """(n,) the k-th highest score of each row."""
    # lowest first: partitioning at the front is many times faster where most scores are 0
    floor: Floats = -np.partition(-scores, k - 1, axis=1)[:, k - 1]
    return floor


def values_of_ranks(ranks: Ranks, metric: str) -> Ranks:
    """What each rank is worth: recall@k (1 if rank <= k), ndcg@k (1 / log2(rank + 1) if rank <= k) or mrr (1 / rank).

    With one held-out product the ideal gain is 1, so DCG and NDCG are the same.

    Raises:
        ValueError: `metric` is none that follows from a rank.
    """
    if metric == "mrr":
        return 1 / ranks
    named = re.fullmatch(r"(recall|ndcg)@([1-9]\d*)", metric)
    if named is None:
        raise ValueError(f"metric {metric!r} does not follow from ranks; expected recall@K, ndcg@K or mrr")
    hit = (ranks <= int(named[2])).astype(np.float64)
    return hit if named[1] == "recall" else hit / np.log2(ranks + 1)


def metrics_of_ranks(ranks: Ranks, cutoffs: Sequence[int] = CUTOFFS, weights: Ranks | None = None) -> dict[str, float]:
    """Means of recall@k, ndcg@k and mrr over ranks, plain or by weights."""
    names = [f"{kind}@{k}" for k in cutoffs for kind in ("recall", "ndcg")]
    return {name: float(np.average(values_of_ranks(ranks, name), weights=weights)) for name in (*names, "mrr")}


def _entries(owned: sp.csr_matrix) -> tuple[Ints, Ints]:
    """Row and product of each stored entry, each pair once."""
    num_rows, num_products = owned.shape
    row = np.repeat(np.arange(num_rows), np.diff(owned.indptr))
    pairs = np.unique(row * num_products + owned.indices)
    return pairs // num_products, pairs % num_products
