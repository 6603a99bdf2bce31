"""What the ranking protocol evaluates, seen from the protocol."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rec_sys.arrays import Floats
from rec_sys.dataset.histories import Histories


class Scorer(Protocol):
    """What the protocol judges: anything with a name that scores every product for what people have done so far."""

    @property
    def name(self) -> str: ...

    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products): higher is better. Products already had are not filtered here."""


@runtime_checkable
class TwoWayScorer(Scorer, Protocol):
    """A scorer that is asked otherwise where what a person has is taken out afterwards."""

    def score_both_ways(self, histories: Histories) -> tuple[Floats, Floats]:
        """Scores of which owned products will be taken out, and `score`'s; may be the same array."""
