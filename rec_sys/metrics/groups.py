"""Hot, warm and cold: how a model does for users with long and short histories, and on known and unknown products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.metrics.ranking import Ranks, metrics_of_ranks

# The least count that belongs to a group; the first that fits is taken.
BY_HISTORY = {"hot": 10, "warm": 5, "cold": 0}  # users: reviews in the history, all of it
BY_TRAINING = {"hot": 20, "warm": 5, "cold": 0}  # products: training reviews of the held-out one
CUTOFFS = (10,)


class Group(TypedDict):
    """Figures of some of the users; empty where there are none."""

    users: int
    filtered: dict[str, float]  # recall@10, ndcg@10
    unfiltered: dict[str, float]


Groups = dict[str, dict[str, Group]]  # "users" or "products", then "hot", "warm", "cold"


def group_figures(
    filtered: Ranks, unfiltered: Ranks, user: Ints, counts: Ints, bounds: dict[str, int]
) -> dict[str, Group]:
    """Figures of each group.

    Args:
        filtered: (n,) ranks.
        unfiltered: (n,) ranks.
        user: (n,) user numbers.
        counts: (n,) what decides on the group: the first of `bounds` that is not above it.
        bounds: least count by name, from high to low.
    """
    group = np.full(len(counts), -1)
    for number, least in reversed(list(enumerate(bounds.values()))):
        group[counts >= least] = number
    figures: dict[str, Group] = {}
    for number, name in enumerate(bounds):
        own = group == number
        weights = one_vote_each(user[own])
        figures[name] = Group(
            users=len(np.unique(user[own])),
            filtered=_without_mrr(filtered[own], weights),
            unfiltered=_without_mrr(unfiltered[own], weights),
        )
    return figures


def one_vote_each(user: Ints) -> Ranks:
    """(n,) weights of ranks: each user counts once, whatever the number of ranks."""
    _, place, times = np.unique(user, return_inverse=True, return_counts=True)
    weights: Ranks = 1 / times[place]
    return weights


def mean_of_groups(runs: Sequence[dict[str, Group]]) -> dict[str, Group]:
    """Means over seeds, of those in which a group has users; as users the fewest of these."""
    mean: dict[str, Group] = {}
    for name in runs[0]:
        filled = [run[name] for run in runs if run[name]["users"]] or [runs[0][name]]
        mean[name] = Group(
            users=min(group["users"] for group in filled),
            filtered={
                metric: float(np.mean([group["filtered"][metric] for group in filled]))
                for metric in filled[0]["filtered"]
            },
            unfiltered={
                metric: float(np.mean([group["unfiltered"][metric] for group in filled]))
                for metric in filled[0]["unfiltered"]
            },
        )
    return mean


def _without_mrr(ranks: Ranks, weights: Ranks) -> dict[str, float]:
    if not len(ranks):
        return {}
    return {name: value for name, value in metrics_of_ranks(ranks, CUTOFFS, weights).items() if name != "mrr"}
