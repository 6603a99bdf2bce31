"""The one search over candidates: score each on validation, keep the best, the first one of equals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class GridSearch(Generic[T]):
    """What a search found."""

    best: T
    value: float  # of the best
    tried: list[tuple[Any, float]]  # label and score of each, in the order given


def grid_search(
    candidates: Iterable[T], score: Callable[[T], float], label: Callable[[T], Any] | None = None
) -> GridSearch[T]:
    """Score every candidate; the first of equally good ones wins.

    Args:
        candidates: made one by one, so that each may be fitted when its turn comes.
        score: higher is better.
        label: what `tried` keeps of a candidate; None: the candidate itself. With it, only the best of many large
            candidates stays in memory.

    Raises:
        ValueError: there is no candidate.
    """
    tried: list[tuple[Any, float]] = []
    best: tuple[T, float] | None = None
    for candidate in candidates:
        value = score(candidate)
        tried.append((candidate if label is None else label(candidate), value))
        if best is None or value > best[1]:
            best = (candidate, value)
    if best is None:
        raise ValueError("a grid search needs at least one candidate")
    return GridSearch(best[0], best[1], tried)
