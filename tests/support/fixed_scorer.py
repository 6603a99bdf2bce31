"""A scorer whose scores are known: what tests of the protocol evaluate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.query import Query


@dataclass
class FixedScorer:
    """Gives every user the same scores and keeps the queries."""

    scores: Floats
    queries: list[Query] = field(default_factory=list)
    name: str = "fixed"
    max_history: int = 20

    def score(self, query: Query) -> Floats:
        self.queries.append(query)
        return np.tile(self.scores, (len(query), 1))


def fixed(*scores: float) -> FixedScorer:
    return FixedScorer(np.array(scores, dtype=np.float32))
