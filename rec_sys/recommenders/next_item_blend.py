"""The parts of the next item's score, what they are weighed with, and how the weights are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.query import Query
from rec_sys.metrics.grid_search import grid_search
from rec_sys.metrics.next_basket import Baskets, steps_of
from rec_sys.recommenders.questions import BareReviews

Grids = Mapping[str, Sequence[float]]

# What is tried, in this order; each line is chosen with what the lines above it chose.
# Popularity is never 0: it answers those of whose history nothing is known.
FOR_NEW: tuple[Grids, ...] = (  # by the column of new products: these parts rank what the customer never had
    {"decay": (1.0, 0.9, 0.8, 0.6)},
    {"patterns": (0.0, 0.1, 0.3), "popularity": (0.001, 0.02, 0.05, 0.1, 0.2, 0.5)},
)
FOR_ALL: tuple[
    Grids, ...
] = (  # by the column of all products: these place the customer's own products among the others
    {"own_decay": (1.0, 0.9, 0.8), "trend": (0.0, 0.5, 1.0)},
    {"own": (-2.0, 0.0, 0.2, 0.4, 0.8, 1.6, 3.0)},
)


@dataclass(frozen=True)
class Blend:
    """Weights of the parts of a score."""

    linear: float = 1.0  # of the linear item-item part
    patterns: float = 0.1  # of the patterns of the history, mean over it
    popularity: float = 0.05  # of popularity, 1 for the most popular product
    own: float = 0.4  # of one time that the customer took the product
    decay: float = 0.9  # weight of the products of a day, per later day of the history
    own_decay: float = 0.9  # the same for `own`
    trend: float = 0.5  # power of how much more a product is taken lately than before, for `own`
    regularisation: float = 100.0  # of the linear part
    half_life: float = 0.0  # days after which what was taken weighs half in the linear part; 0: never

    def array(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """What is saved."""
        return np.array(list(asdict(self).values()), dtype=np.float64)

    @classmethod
    def of_array(cls, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Blend:
        """What `array` gave."""
        return cls(**dict(zip([each.name for each in fields(cls)], values.tolist(), strict=True)))


@dataclass(frozen=True)
class Parts:
    """What was learned, seen from scoring. num_products is the length of `popular`."""

    linear: Floats | None  # (num_products, num_products) row: product of a history, column: product scored; None: none
    lift: sp.csr_matrix  # (num_products, num_products) the same of patterns
    popular: Floats  # (num_products,) 1 at the most
    trend: Floats  # (num_products,) how much more a product is taken lately than before
    dated: bool  # timestamps are times

    @property
    def num_products(self) -> int:
        return len(self.popular)

    def scores(self, query: Query, blend: Blend) -> Floats:
        """(len(query), num_products)"""
        age = ages(query, self.dated)
        return self.own(query, age, blend, self.association(query, age, blend))

    def association(self, query: Query, age: Ints, blend: Blend) -> Floats:
        """(len(query), num_products) all parts but the customers' own products."""
        scores = np.tile(np.float32(blend.popularity) * self.popular, (len(query), 1))
        newest = newest_weights(query, age, blend.decay, self.num_products)
        if blend.linear and self.linear is not None:
            scores += np.float32(blend.linear) * (newest @ self.linear)
        if blend.patterns:
            scores += np.float32(blend.patterns) * self.followed(newest)
        return scores

    def followed(self, newest: sp.csr_matrix) -> Floats:
        """(n, num_products) mean lift over the products of each history, by their weights."""
        total = np.maximum(np.asarray(newest.sum(axis=1)), np.finfo(np.float32).tiny)
        lift: Floats = (newest @ self.lift).toarray() / total
        return lift

    def own(self, query: Query, age: Ints, blend: Blend, scores: Floats) -> Floats:
        """`scores`, changed, with what speaks for the customers' own products."""
        if blend.own:
            product = query.histories.product
            times = blend.own * blend.own_decay**age * self.trend[product] ** blend.trend
            np.add.at(scores, (query.histories.row, product), times.astype(np.float32))
        return scores


def ages(query: Query, dated: bool) -> Ints:
    """(num_entries,) on how many later days of its history something was taken, 0 for those of the newest day.

    Where no times are known, of data in an order or of a history that is a mere list, each entry is a day of its own.
    """
    histories, reviews = query.histories, query.reviews
    if reviews is None or isinstance(reviews, BareReviews):
        return histories.age
    step = steps_of(reviews.timestamp[histories.review], dated)
    row = histories.row
    is_later = np.zeros(len(row), dtype=np.int64)
    is_later[1:] = (row[1:] == row[:-1]) & (step[1:] != step[:-1])
    day = np.cumsum(is_later)  # counts on from one history to the next
    newest = day[np.maximum(histories.indptr[1:] - 1, 0)] if len(day) else np.zeros(len(histories), dtype=np.int64)
    later: Ints = np.repeat(newest, histories.lengths) - day
    return later


def newest_weights(query: Query, age: Ints, decay: float, num_products: int) -> sp.csr_matrix:
    """(len(query), num_products) decay ** age of the newest time that each history holds a product."""
    histories = query.histories
    pair = (histories.row * num_products + histories.product)[::-1]  # newest first
    pair, place = np.unique(pair, return_index=True)  # the first place of each, so the newest
    weight = (decay ** age[::-1][place].astype(np.float64)).astype(np.float32)
    row, product = np.divmod(pair, num_products)
    indptr = np.searchsorted(row, np.arange(len(query) + 1))
    return sp.csr_matrix((weight, product, indptr), shape=(len(query), num_products))


@dataclass(frozen=True)
class Choice:
    """Weights, and what they were chosen on."""

    blend: Blend
    baskets: int  # 0: too few, so the defaults


def choose(
    parts: Parts,
    linear: Callable[[float, float], Floats | None],
    baskets: Baskets,
    grids: Grids,
    fixed: Mapping[str, float],
) -> Choice:
    """Choose the weights by which later baskets are found best: by the sum of HR, Recall and NDCG at 10.

    Args:
        parts: learned before these baskets, without the linear part.
        linear: that part by its regularisation and half-life.
        baskets: to be found, with as much of their histories as the model reads.
        grids: regularisations and half-lives to try.
        fixed: weights that are given.
    """
    start = replace(Blend(), **fixed)
    age = ages(baskets.query, parts.dated)
    column = "new" if baskets.sizes("new").any() else "all"

    def figure(scores: Floats, column: str) -> float:
        return sum(float(values.mean()) for values in baskets.figures(scores, column).values())

    def found(blend: Blend, parts: Parts) -> float:
        scores = parts.association(baskets.query, age, blend)
        return figure(scores, column)

    best: tuple[float, Blend, Parts] | None = None
    first = replace(start, **{name: 0.0 for name in ("patterns", "popularity") if name not in fixed})
    for regularisation in grids["regularisation"]:
        for half_life in grids["half_life"]:
            with_linear = replace(parts, linear=linear(regularisation, half_life))
            tried = replace(first, regularisation=regularisation, half_life=half_life)
            if with_linear.linear is None:  # nothing yet that tells products apart
                tried = replace(tried, patterns=fixed.get("patterns", 1.0))
            search = grid_search(candidates(tried, FOR_NEW[0], fixed), lambda blend: found(blend, with_linear))  # noqa: B023
            if best is None or search.value > best[0]:
                best = (search.value, search.best, with_linear)
    assert best is not None  # noqa: S101  the grids are not empty
    _, blend, parts = best
    newest = newest_weights(baskets.query, age, blend.decay, parts.num_products)
    base = np.float32(blend.linear) * (newest @ parts.linear) if parts.linear is not None else np.float32(0)
    lift = parts.followed(newest)

    def mixed(blend: Blend) -> Floats:
        scores: Floats = base + np.float32(blend.patterns) * lift + np.float32(blend.popularity) * parts.popular
        return scores

    blend = grid_search(candidates(blend, FOR_NEW[1], fixed), lambda blend: figure(mixed(blend), column)).best
    others = mixed(blend)
    for grid in FOR_ALL:
        blend = grid_search(
            candidates(blend, grid, fixed),
            lambda blend: figure(parts.own(baskets.query, age, blend, others.copy()), "all"),
        ).best
    return Choice(blend, len(baskets))


def candidates(blend: Blend, grid: Grids, fixed: Mapping[str, float]) -> list[Blend]:
    """All combinations of a grid, what is fixed left as it is."""
    found = [blend]
    for name, values in grid.items():
        if name not in fixed:
            found = [replace(each, **{name: value}) for each in found for value in values]
    return found
