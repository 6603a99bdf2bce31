"""The one search over candidates: score each on validation, keep the best, the first one of equals."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class GridSearch(Generic[K, T]):
    """What a search found; of the candidates only the best one is kept, since each may be a large model."""

    key: K  # of the best
    best: T
    value: float  # of the best
    tried: dict[K, float]  # values by key, in the order given


def grid_search(candidates: Iterable[tuple[K, T]], score: Callable[[T], float]) -> GridSearch[K, T]:
    """Score every candidate; the first of equally good ones wins.

    Args:
        candidates: what tells them apart, and the candidate, made one by one: each may be fitted when its turn comes.
        score: higher is better.

    Raises:
        ValueError: there is no candidate.
    """
    tried: dict[K, float] = {}
    best: tuple[K, T, float] | None = None
    for key, candidate in candidates:
        value = tried[key] = score(candidate)
        if best is None or value > best[2]:
            best = (key, candidate, value)
    if best is None:
        raise ValueError("a grid search needs at least one candidate")
    return GridSearch(*best, tried)
