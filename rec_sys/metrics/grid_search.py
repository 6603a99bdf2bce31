"""The one search over candidates: score each on validation, keep the best, the first one of equals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class GridSearch(Generic[T]):
    """What a search found."""

    best: T
    value: float  # of the best
    tried: list[tuple[T, float]]  # in the order given


def grid_search(candidates: Iterable[T], score: Callable[[T], float]) -> GridSearch[T]:
    """Score every candidate; the first of equally good ones wins.

    Args:
        candidates: made one by one, so that each may be fitted when its turn comes.
        score: higher is better.

    Raises:
        ValueError: there is no candidate.
    """
    tried: list[tuple[T, float]] = []
    best: tuple[T, float] | None = None
    for candidate in candidates:
        value = score(candidate)
        tried.append((candidate, value))
        if best is None or value > best[1]:
            best = (candidate, value)
    if best is None:
        raise ValueError("a grid search needs at least one candidate")
    return GridSearch(best[0], best[1], tried)
