"""The interface that every recommender keeps, so that one protocol judges them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable


class Recommender(ABC):
    """A scorer that learns from reviews by itself."""

    name: str

    @abstractmethod
    def fit(self, table: ReviewTable, train: Ints) -> Self:
        """Learn from the reviews `train` (review numbers) of the table, and from nothing else in it."""

    @abstractmethod
    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products): higher is better. Products already had are not filtered here."""
