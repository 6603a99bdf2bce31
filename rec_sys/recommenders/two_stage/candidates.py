"""Candidates: what the sources give, put together and cut to the best of the blend by reciprocal ranks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.recommenders.two_stage.known_events import KnownEvents
from rec_sys.recommenders.two_stage.settings import TwoStageSettings
from rec_sys.recommenders.two_stage.sources import OWN_SOURCES, Scores, Sources

FUSION = 60  # of the blend 1 / (FUSION + rank): Cormack, Clarke and Buettcher, SIGIR 2009

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Candidates:
    """Products to be ranked, sorted by asker, then product."""

    row: Ints  # (m,) asker
    product: Ints  # (m,)
    pair: Ints  # (m,) place among the own pairs of the askers; -1: a product that is new to the asker
    score: Floats  # (m, num_sources); 0: a sparse source does not give it
    rank: Floats  # (m, num_sources) 1 is best; nan: the source does not give it
    blend: Floats  # (m,) sum over the sources of 1 / (FUSION + rank)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def is_new(self) -> Flags:
        """(m,) whether the asker has no event of the product before the question."""
        flags: Flags = self.pair < 0
        return flags

    def some(self, which: Flags) -> Candidates:
        """Some of them; what is said of each stays as it was."""
        return Candidates(*(getattr(self, each.name)[which] for each in fields(self)))

    def places_by(self, source: int, num_askers: int, among: Flags | None = None) -> Ints:
        """(m,) 0 for what a source puts first, 1 for the next, ...; equals by the blend, then by product.

        Args:
            source: place of the source; the number of sources: the blend.
            num_askers: in all.
            among: candidates that have a place, the others come after them; None: all.
        """
        value = self.blend if source == self.score.shape[1] else self.score[:, source]
        return places(self.row, [self.blend, value], num_askers, among)


def make_candidates(known: KnownEvents, sources: Sources, settings: TwoStageSettings) -> Candidates:
    """The candidates of each asker, at most `settings.candidates`.

    Every source gives the `per_source` products that it scores highest among those new to the asker; the asker's own
    products are candidates by themselves. Of somebody of whom nothing is known there are none.
    """
    scores = sources.scores(known)
    pairs = known.pairs
    keys = [pairs.row * known.num_products + pairs.product]
    for each in scores[OWN_SOURCES:]:
        row, product = best_new(each, known, settings.per_source)
        keys.append(row * known.num_products + product)
    key = np.unique(np.concatenate(keys))
    row, product = key // known.num_products, key % known.num_products
    given = np.stack([values_at(each, row, product) for each in scores], axis=1)
    rank = np.empty(given.shape, dtype=np.float32)
    for source, each in enumerate(scores):
        rank[:, source] = places(row, [given[:, source]], len(known)) + 1
        if sp.issparse(each):
            rank[given[:, source] <= 0, source] = np.nan
    rank[rank > settings.per_source] = np.nan  # ranks up to here are those among all products
    blend = np.nansum(1 / (FUSION + rank), axis=1).astype(np.float32)
    whole = Candidates(row, product, pairs.find(row, product), given, rank, blend)
    return whole.some(places(row, [blend], len(known)) < settings.candidates)


def best_new(scores: Scores, known: KnownEvents, count: int) -> tuple[Ints, Ints]:
    """Asker and product of the `count` highest scores of each asker, own products left out; sparse ones above 0."""
    pairs = known.pairs
    bounds = np.searchsorted(pairs.row, np.arange(len(known) + 1))
    is_own = np.zeros(known.num_products, dtype=bool)
    found = []
    for row in range(len(known)):
        mine = pairs.product[bounds[row] : bounds[row + 1]]
        if not len(mine):
            best = mine
        elif sp.issparse(scores):
            of_row = slice(scores.indptr[row], scores.indptr[row + 1])
            product, value = scores.indices[of_row], scores.data[of_row]
            is_own[mine] = True
            keep = ~is_own[product]
            is_own[mine] = False
            product, value = product[keep], value[keep]
            best = product[_highest(value, count)].astype(np.int64)
        else:
            value = np.array(scores[row])
            value[mine] = -np.inf
            best = _highest(value, min(count, len(value) - len(mine)))
        found.append(best)
    rows = np.repeat(np.arange(len(known)), [len(each) for each in found])
    return rows, (np.concatenate(found) if found else np.zeros(0)).astype(np.int64)


def values_at(scores: Scores, row: Ints, product: Ints) -> Floats:
    """(m,) the scores of askers and products; `row` ascends."""
    if not sp.issparse(scores):
        dense: Floats = np.asarray(scores)[row, product]
        return dense
    found = np.zeros(len(row), dtype=np.float32)
    scratch = np.zeros(scores.shape[1], dtype=np.float32)
    bounds = np.searchsorted(row, np.arange(scores.shape[0] + 1))
    for asker in range(scores.shape[0]):
        of_row = slice(scores.indptr[asker], scores.indptr[asker + 1])
        mine = slice(bounds[asker], bounds[asker + 1])
        scratch[scores.indices[of_row]] = scores.data[of_row]
        found[mine] = scratch[product[mine]]
        scratch[scores.indices[of_row]] = 0
    return found


def places(row: Ints, keys: list[Numbers], num_rows: int, among: Flags | None = None) -> Ints:
    """(m,) 0 for the first of a row, 1 for the next, ...: by the last key, equals by the one before, then as given.

    Args:
        row: (m,) ascending.
        keys: each (m,), higher comes first; the last one counts first.
        num_rows: rows in all.
        among: (m,) which come first whatever their keys; None: no difference.
    """
    start = np.searchsorted(row, np.arange(num_rows + 1))
    width = int(np.diff(start).max(initial=0))
    column = np.arange(len(row)) - start[row]
    order = np.broadcast_to(np.arange(width), (num_rows, width))
    for key in keys if among is None else [*keys, among.astype(np.float32)]:
        padded = np.full((num_rows, width), np.inf, dtype=np.float32)  # behind the rows' ends
        padded[row, column] = -key
        by_key = np.argsort(np.take_along_axis(padded, order, axis=1), axis=1, kind="stable")
        order = np.take_along_axis(order, by_key, axis=1)
    place = np.empty((num_rows, width), dtype=np.int64)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(width), order.shape), axis=1)
    of_candidate: Ints = place[row, column]
    return of_candidate


def _highest(value: Floats, count: int) -> Ints:
    """Places of the highest values; of those equal to the last one, the first."""
    if count >= len(value):
        return np.arange(len(value))
    floor = -np.partition(-value, count - 1)[count - 1]
    above = np.flatnonzero(value > floor)
    return np.concatenate([above, np.flatnonzero(value == floor)[: count - len(above)]])
