"""How well questions are answered: recall and NDCG of sources, blend and ranker, and what became of recommendations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.events import EventTable
from rec_sys.metrics.bootstrap import bootstrap_intervals
from rec_sys.recommenders.two_stage.candidates import Candidates, Flags, places

Column = Literal["anything", "new only"]
COLUMNS: tuple[Column, ...] = ("anything", "new only")
CUTOFF = 10
NOT_GIVEN = 1_000_000

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answered:
    """Questions of one round or several, with their candidates."""

    candidates: Candidates  # rows are the questions
    values: Floats  # (m, num_features)
    label: Flags  # (m,) whether the user took it
    answers: Ints  # (n,) answers of each question, also those that are no candidates
    new_answers: Ints  # (n,) of these, the ones that were new to the user

    def among(self, column: Column) -> Flags | None:
        """(m,) candidates of a column; None: all."""
        return self.candidates.is_new if column == "new only" else None

    def asked(self, column: Column) -> Flags:
        """(n,) questions of a column: those with an answer in it."""
        flags: Flags = (self.new_answers if column == "new only" else self.answers) > 0
        return flags

    def places_by(self, source: int, column: Column) -> Ints:
        """(m,) of each candidate in the order of a source; the number of sources: of the blend."""
        return self.candidates.places_by(source, len(self.answers), self.among(column))

    def given_by(self, source: int, column: Column) -> Ints:
        """(m,) the same, what the source does not give out of reach: the source alone, without the blend behind it."""
        place = self.places_by(source, column)
        if source == self.candidates.rank.shape[1]:
            return place
        return np.where(np.isnan(self.candidates.rank[:, source]), NOT_GIVEN, place)

    def places_of(self, scores: Values, column: Column) -> Ints:
        """(m,) of each candidate by scores."""
        return places(self.candidates.row, [scores], len(self.answers), self.among(column))

    def figures(self, place: Ints, column: Column) -> tuple[Values, Values]:
        """Recall@10 and NDCG@10, (num_asked,) each, of the questions of a column."""
        found = self.label & (place < CUTOFF)
        if column == "new only":
            found &= self.candidates.is_new
        wanted = self.new_answers if column == "new only" else self.answers
        row, count = self.candidates.row[found], len(wanted)
        hits = np.bincount(row, minlength=count)
        gain = np.bincount(row, weights=1 / np.log2(place[found] + 2.0), minlength=count)
        ideal = np.concatenate([[1.0], np.cumsum(1 / np.log2(np.arange(CUTOFF) + 2.0))])
        asked = self.asked(column)
        recall: Values = (hits / np.maximum(wanted, 1))[asked]
        ndcg: Values = (gain / ideal[np.minimum(wanted, CUTOFF)])[asked]
        return recall, ndcg

    def reach(self, column: Column, source: int | None = None) -> float:
        """Share of the answers that a source gives at all, or that are candidates: nothing can rank more."""
        wanted = self.new_answers if column == "new only" else self.answers
        found = self.label if column == "anything" else self.label & self.candidates.is_new
        if source is not None:
            found = found & ~np.isnan(self.candidates.rank[:, source])
        return float(np.count_nonzero(found) / max(wanted.sum(), 1))


def joined(parts: list[Answered]) -> Answered:
    """Those of several rounds one after another."""
    candidates = [part.candidates for part in parts]
    starts = np.cumsum([0, *(len(part.answers) for part in parts)])
    return Answered(
        Candidates(
            np.concatenate([each.row + start for each, start in zip(candidates, starts[:-1], strict=True)]),
            np.concatenate([each.product for each in candidates]),
            np.concatenate([each.pair for each in candidates]),
            np.concatenate([each.score for each in candidates]),
            np.concatenate([each.rank for each in candidates]),
            np.concatenate([each.blend for each in candidates]),
        ),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.answers for part in parts]),
        np.concatenate([part.new_answers for part in parts]),
    )


def interval(differences: Values) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over questions."""
    low, high = bootstrap_intervals(differences[:, None])
    return float(low[0]), float(high[0])


def became(user: Ints, since: Ints, row: Ints, product: Ints, later: EventTable) -> dict[str, float]:
    """Of products recommended, the share that has an event of each kind afterwards.

    Args:
        user: (n,) of each question.
        since: (n,) times of the questions.
        row: (m,) question of each recommended product.
        product: (m,) recommended products.
        later: events; those of the user and the product from the question on count.
    """
    num_products, count = len(later.products), max(len(row), 1)
    shares = {}
    for kind, name in enumerate(later.kinds):
        rows = np.flatnonzero(later.kind == kind)
        keys = later.user[rows] * num_products + later.product[rows]
        order = np.lexsort((later.timestamp[rows], keys))
        keys, newest = keys[order], later.timestamp[rows][order]
        wanted = user[row] * num_products + product
        at = np.searchsorted(keys, wanted, side="right") - 1
        happened = (at >= 0) & (keys[at] == wanted) & (newest[at] >= since[row]) if len(keys) else np.zeros(len(row))
        shares[name] = float(np.count_nonzero(happened) / count)
    return shares
