"""Features from the properties of products, as they were at the time of the question."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.recommenders.two_stage.candidates import Candidates
from rec_sys.recommenders.two_stage.known_events import KnownEvents

LONG = 1 << 33  # seconds: one number sorts by product and time


class DatedProperties(Protocol):
    """What is read of the properties of a data set."""

    @property
    def product(self) -> Ints:
        """(num_changes,) product numbers."""

    @property
    def time(self) -> Ints:
        """(num_changes,) seconds since 1970 UTC from which a value holds."""

    @property
    def parent(self) -> Ints:
        """(num_categories,) category numbers; -1: a root."""

    def category_of(self, product: Ints, time: Ints) -> Ints:
        """(n,) category numbers; -1: unknown yet."""

    def availability_of(self, product: Ints, time: Ints) -> Floats:
        """(n,) 1: could be had, 0: could not, nan: unknown yet."""


@dataclass(frozen=True)
class PropertyHistory:
    """Category and availability of products from each change on; what a model keeps of the properties.

    Nothing is known of a product before its first change.
    """

    product: Ints  # (num_changes,) ascending
    time: Ints  # (num_changes,) seconds since 1970 UTC, ascending within a product
    category: Ints  # (num_changes,) -1: unknown
    available: Floats  # (num_changes,) 1, 0, nan: unknown
    parent: Ints  # (num_categories,) -1: a root

    @classmethod
    def of(cls, properties: DatedProperties) -> PropertyHistory:
        """Every time at which either changes."""
        keys = np.unique(properties.product * LONG + properties.time)
        product, time = keys // LONG, keys % LONG
        category, available = properties.category_of(product, time), properties.availability_of(product, time)
        changed = np.ones(len(keys), dtype=bool)
        same = (product[1:] == product[:-1]) & (category[1:] == category[:-1])
        changed[1:] = ~(same & (np.nan_to_num(available[1:], nan=-1) == np.nan_to_num(available[:-1], nan=-1)))
        return cls(product[changed], time[changed], category[changed], available[changed], properties.parent)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """By name of the argument that takes each back."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def at(self, product: Ints, time: Ints) -> tuple[Ints, Floats]:
        """(n,) category and availability of products at times; -1 and nan where nothing is known yet."""
        if not len(self.product):
            return np.full(len(product), -1, dtype=np.int64), np.full(len(product), np.nan, dtype=np.float32)
        place = np.searchsorted(self._keys, product * LONG + time, side="right") - 1
        known = (place >= 0) & (self.product[place.clip(0)] == product)
        place = place.clip(0)
        return (
            np.where(known, self.category[place], -1),
            np.where(known, self.available[place], np.nan).astype(np.float32),
        )

    @cached_property
    def _keys(self) -> Ints:
        return self.product * LONG + self.time

    def above(self, category: Ints) -> Ints:
        """(n,) the category above each, a root itself; -1 stays."""
        up = np.append(self.parent, -1)[category]
        return np.where(up >= 0, up, category)


def property_features(
    properties: PropertyHistory, known: KnownEvents, candidates: Candidates
) -> dict[str, npt.NDArray[np.floating[Any]]]:
    """Availability, and how much of the asker's own products is in the candidate's category and the one above it.

    Categories are those of the time of the question, also of products that the asker touched earlier.
    """
    pairs = known.pairs
    category, available = properties.at(candidates.product, known.now[candidates.row])
    of_pair, _ = properties.at(pairs.product, known.now[pairs.row])
    columns: dict[str, npt.NDArray[np.floating[Any]]] = {"available": available}
    newest = np.where(pairs.place == 0, 1.0, 0.0)
    for name, wanted, own in (
        ("category", category, of_pair),
        ("category above", properties.above(category), properties.above(of_pair)),
    ):
        for what, weight in (("own products", np.ones(len(own))), ("newest product", newest)):
            share = _shares(candidates.row, wanted, pairs.row, own, weight, len(known))
            columns[f"{what} in the {name}"] = np.where(wanted < 0, np.nan, share)
    return columns


def _shares(
    row: Ints, category: Ints, own_row: Ints, own_category: Ints, weight: npt.NDArray[np.float64], num_rows: int
) -> npt.NDArray[np.float64]:
    """(m,) share of each asker's weight that lies in a category."""
    width = int(max(category.max(initial=0), own_category.max(initial=0))) + 2
    keys, place = np.unique(own_row * width + own_category + 1, return_inverse=True)
    if not len(keys):
        return np.zeros(len(row))
    total = np.bincount(own_row, weights=weight, minlength=num_rows)
    summed = np.bincount(place, weights=weight)
    wanted = row * width + category + 1
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    share: npt.NDArray[np.float64] = np.where(keys[at] == wanted, summed[at], 0) / np.maximum(total[row], 1e-9)
    return share
