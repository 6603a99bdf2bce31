"""What the ranking protocol evaluates, seen from the protocol."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from rec_sys.arrays import Floats, Ints
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
    """A scorer that returns other scores where seen items will be filtered afterwards."""

    def score_both_ways(self, query: Query) -> tuple[Floats, Floats]:
        """Scores for lists whose seen items will be filtered, and those of `score`; may be the same array."""


class MostPopular:
    """Products by their number of training reviews: the floor that any personal model has to beat.

    Args:
        product: (num_train,) product numbers of the training reviews.
        num_products: size of the catalogue.
    """

    name, max_history = "most popular", 1

    def __init__(self, product: Ints, num_products: int) -> None:
        self.counts: Floats = np.bincount(product, minlength=num_products).astype(np.float32)

    def score(self, query: Query) -> Floats:
        """(len(query), num_products): the same row for everybody."""
        return np.tile(self.counts, (len(query), 1))
