"""The interface that every recommender keeps, so that one protocol judges them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, Self, runtime_checkable

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import Floats, Ints, ReviewTable


class Scorer(Protocol):
    """What the protocol judges: anything with a name that scores every product for what people have done so far."""

    @property
    def name(self) -> str: ...

    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products): higher is better. Products already had are not masked here."""


@runtime_checkable
class TwoWayScorer(Scorer, Protocol):
    """A scorer that is asked otherwise where what a person has is taken out afterwards."""

    def score_both_ways(self, histories: Histories) -> tuple[Floats, Floats]:
        """Scores of which owned products will be taken out, and `score`'s; may be the same array."""


class Recommender(ABC):
    """A scorer that learns from reviews by itself."""

    name: str

    @abstractmethod
    def fit(self, table: ReviewTable, train: Ints) -> Self:
        """Learn from the reviews `train` (review numbers) of the table, and from nothing else in it."""

    @abstractmethod
    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products): higher is better. Products already had are not masked here."""
