"""Candidates: what the sources give, put together and cut to the best of the blend by reciprocal ranks."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.recommenders.two_stage.known_events import KnownEvents
from rec_sys.recommenders.two_stage.settings import TwoStageSettings
from rec_sys.recommenders.two_stage.sources import Scores, Sources

FUSION = 60  # of the blend 1 / (FUSION + rank): Cormack, Clarke and Buettcher, SIGIR 2009


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
    def is_new(self) -> npt.NDArray[np.bool_]:
        """(m,) whether the asker has no event of the product before the question."""
        flags: npt.NDArray[np.bool_] = self.pair < 0
        return flags

    def some(self, which: npt.NDArray[np.bool_] | Ints) -> Candidates:
        """Some of them, in ascending order; what is said of each stays as it was."""
        return Candidates(*(getattr(self, each.name)[which] for each in fields(self)))


def make_candidates(
    known: KnownEvents, sources: Sources, settings: TwoStageSettings
) -> tuple[Candidates, list[Scores]]:
    """The candidates of each asker, at most `settings.candidates`, and what every source says of all products.

    Every source gives the `per_source` products that it scores highest among those new to the asker; the asker's own
    products are candidates by themselves, since the newest `max_events` are read.
    """
    scores = sources.scores(known)
    pairs = known.pairs
    keys = [pairs.row * known.num_products + pairs.product]
    for each in scores[2:]:  # the first two give own products only
        row, product = best_new(each, known, settings.per_source)
        keys.append(row * known.num_products + product)
    key = np.unique(np.concatenate(keys))
    row, product = key // known.num_products, key % known.num_products
    pair = pairs.find(row, product)
    given = np.stack([values_at(each, row, product) for each in scores], axis=1)
    rank = _ranks(row, given, np.array([sp.issparse(each) for each in scores]), len(known))
    rank[rank > settings.per_source] = np.nan  # ranks up to here are those among all products
    blend = np.nansum(1 / (FUSION + rank), axis=1).astype(np.float32)
    whole = Candidates(row, product, pair, given, rank, blend)
    return whole.some(places(row, blend, len(known)) < settings.candidates), scores


def best_new(scores: Scores, known: KnownEvents, count: int) -> tuple[Ints, Ints]:
    """Asker and product of the `count` highest scores of each asker, own products left out; sparse ones above 0."""
    pairs = known.pairs
    bounds = np.searchsorted(pairs.row, np.arange(len(known) + 1))
    is_own = np.zeros(known.num_products, dtype=bool)
    found = []
    for row in range(len(known)):
        mine = pairs.product[bounds[row] : bounds[row + 1]]
        if sp.issparse(scores):
            of_row = slice(scores.indptr[row], scores.indptr[row + 1])
            product, value = scores.indices[of_row], scores.data[of_row]
            is_own[mine] = True
            keep = ~is_own[product]
            is_own[mine] = False
            product, value = product[keep], value[keep]
            best = product if len(value) <= count else product[_highest(value, count)]
        else:
            value = np.array(scores[row])
            value[mine] = -np.inf
            best = _highest(value, min(count, len(value) - len(mine)))
        found.append(best)
    row = np.repeat(np.arange(len(known)), [len(each) for each in found])
    return row, (np.concatenate(found) if found else np.zeros(0)).astype(np.int64)


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


def places(row: Ints, value: npt.NDArray[np.floating], num_rows: int) -> Ints:
    """(m,) 0 for the highest value of a row, 1 for the next, ...; of equal ones the earlier; `row` ascends."""
    order = np.lexsort((-value, row))
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row)) - np.searchsorted(row, np.arange(num_rows + 1))[row[order]]
    return place


def _ranks(row: Ints, given: Floats, is_sparse: npt.NDArray[np.bool_], num_rows: int) -> Floats:
    """(m, num_sources) the rank of each candidate among those of its asker; nan where a sparse source gives nothing."""
    ranks = np.empty(given.shape, dtype=np.float32)
    for source in range(given.shape[1]):
        ranks[:, source] = places(row, given[:, source], num_rows) + 1
        if is_sparse[source]:
            ranks[given[:, source] <= 0, source] = np.nan
    return ranks


def _highest(value: Floats, count: int) -> Ints:
    """Places of the highest values; of those equal to the last one, the first."""
    if count >= len(value):
        return np.arange(len(value))
    floor = -np.partition(-value, count - 1)[count - 1]
    above = np.flatnonzero(value > floor)
    return np.concatenate([above, np.flatnonzero(value == floor)[: count - len(above)]])
