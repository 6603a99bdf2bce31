"""What the ranking protocol evaluates, seen from the protocol."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rec_sys.arrays import Floats
from rec_sys.dataset.query import Query


class Scorer(Protocol):
    """Anything with a name that scores every product for a user's history."""

    @property
    def name(self) -> str: ...

    @property
    def max_history(self) -> int:
        """Newest entries of a history that are read; the protocol gives no more."""

    def score(self, query: Query) -> Floats:
        """(len(query), num_products): higher is better. Seen items are not filtered here."""


@runtime_checkable
class TwoWayScorer(Scorer, Protocol):
    """A scorer whose scores differ where seen items will be filtered afterwards."""

    def score_both_ways(self, query: Query) -> tuple[Floats, Floats]:
        """Scores for lists whose seen items will be filtered, and those of `score`; may be the same array."""
