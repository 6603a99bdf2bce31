"""A data set as arrays for the scripts of other libraries, and figures of the rankings that they give back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peer_scripts.exchange import Lists, Task, figures, ranks
from benchmarks.peer_scripts.folds import Rated
from rec_sys.arrays import Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.ratings import ratings_of
from rec_sys.dataset.splits import histories_before
from rec_sys.metrics.bootstrap import bootstrap_intervals
from rec_sys.metrics.ranking import Ranks, values_of_ranks
from rec_sys.recommenders.cross_validation import folds_of


@dataclass(frozen=True)
class HeldOut:
    """What the benchmark keeps: the test items."""

    target: Ints  # (n,)
    history: Lists  # n lists, with the validation items


def task_of(dataset: Dataset) -> tuple[Task, HeldOut]:
    """What the scripts see of a data set, and what they do not."""
    table, split = dataset.table, dataset.split
    before = histories_before(table, split.valid)
    task = Task(
        num_users=table.num_users,
        num_items=table.num_products,
        user=table.user[split.train],
        item=table.product[split.train],
        test_user=table.user[split.test],
        valid_item=table.product[split.valid],
        valid_history=Lists(before.indptr, before.product),
    )
    return task, HeldOut(table.product[split.test], task.test.history)


def rated_of(dataset: Dataset, folds: int, seed: int) -> Rated:
    """All ratings with their folds: those of `rec_sys.recommenders.cross_validation`."""
    ratings = ratings_of(dataset.table, np.arange(len(dataset.table)))
    return Rated(ratings.user, ratings.product, ratings.rating, folds_of(len(ratings), folds, seed))


def ranks_of(file: Path, held_out: HeldOut) -> dict[str, Ranks]:
    """(n,) places of the test items in the rankings of a file, seen items filtered and not filtered."""
    with np.load(file, allow_pickle=False) as arrays:
        ranking = arrays["ranking"].astype(np.int64)
        # some of our models give another ranking where seen items will be left out
        filtered = arrays["ranking_filtered"].astype(np.int64) if "ranking_filtered" in arrays else ranking
    return {
        "filtered": ranks(filtered, held_out.target, held_out.history),
        "unfiltered": ranks(ranking, held_out.target),
    }


def figures_of(file: Path, held_out: HeldOut) -> dict[str, float]:
    """Recall@10 and NDCG@10 of the rankings in a file."""
    found: dict[str, float] = {}
    for kind, rank in ranks_of(file, held_out).items():
        recall, ndcg = figures(rank)
        found |= {f"R@10 {kind}": round(recall, 4), f"N@10 {kind}": round(ndcg, 4)}
    return found


def difference(ours: Path, peer: Path, held_out: HeldOut) -> dict[str, float]:
    """NDCG@10, seen items filtered, of a peer less that of ours on the same users, with a 95 % bootstrap interval."""
    values = [values_of_ranks(ranks_of(file, held_out)["filtered"], "ndcg@10") for file in (peer, ours)]
    gain = (values[0] - values[1])[:, None]
    low, high = bootstrap_intervals(gain)
    return {
        name: round(float(value), 4)
        for name, value in (("difference", gain.mean()), ("low", low[0]), ("high", high[0]))
    }
