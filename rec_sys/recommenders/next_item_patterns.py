"""Patterns "x, then y": how many customers took y on a later day than x, and what that says of the next one.

Every customer counts once per pair, however often they took what: x is before y where their first x lies on an earlier
day than their last y. What was taken on one day, or in one basket, is no order. With n customers,

    support(x, y)      customers with x before y
    confidence(x, y)   support / c(x), with c(x) the customers with x who came back on a later day
    share(y)           customers with y / n
    probability(x, y)  (support + m share(y)) / (c(x) + m): confidence shrunk towards the share of y by m customers

A *pattern* is a pair of two products with at least the minimum support; x before x is a repeat, kept beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.events import EventTable
from rec_sys.metrics.next_basket import steps_of

Whole = npt.NDArray[np.integer[Any]]
AT_ONCE = 10_000_000  # entries of the histories in memory


@dataclass(frozen=True)
class Patterns:
    """Counts of one training."""

    counts: (
        sp.csr_matrix
    )  # (num_products, num_products) support, row x, column y; no diagonal, nothing below the minimum
    repeats: Ints  # (num_products,) customers who took a product again on a later day
    customers: Ints  # (num_products,) customers with a product
    came_back: Ints  # (num_products,) those of them who came back later than their first day with it
    num_customers: int
    min_support: int

    @property
    def total(self) -> int:
        """Patterns at the minimum support."""
        return int(self.counts.nnz)

    @cached_property
    def row(self) -> Ints:
        """(total,) x of each pattern."""
        return np.repeat(np.arange(len(self.customers)), np.diff(self.counts.indptr))

    @property
    def share(self) -> Floats:
        """(num_products,)"""
        shares: Floats = (self.customers / max(self.num_customers, 1)).astype(np.float32)
        return shares

    @cached_property
    def confidence(self) -> Floats:
        """(total,) of each pattern."""
        confidence: Floats = (self.counts.data / self.came_back[self.row]).astype(np.float32)
        return confidence

    @property
    def average_confidence(self) -> float:
        """Mean over all patterns; nan without any."""
        return float(self.confidence.mean(dtype=np.float64)) if self.total else float("nan")

    def probability(self, prior: float) -> Floats:
        """(total,) of each pattern.

        Args:
            prior: m, in customers.
        """
        return self.shrunk(self.counts.data, self.row, self.counts.indices, prior)

    def shrunk(self, support: Whole, before: Whole, after: Whole, prior: float) -> Floats:
        """(n,) probabilities of n pairs of product numbers with these supports."""
        probability = (support + prior * self.share[after]) / np.maximum(self.came_back[before] + prior, 1e-9)
        shrunk: Floats = probability.astype(np.float32)
        return shrunk

    def lift(self, prior: float) -> sp.csr_matrix:
        """(num_products, num_products) by how much each pattern raises the probability of y above its share."""
        above = np.maximum(self.probability(prior) - self.share[self.counts.indices], 0)
        return sp.csr_matrix((above, self.counts.indices, self.counts.indptr), self.counts.shape)

    def at(self, min_support: int) -> tuple[int, float]:
        """How many patterns have a higher support, and their mean confidence, nan without any."""
        kept = self.counts.data >= min_support
        return int(kept.sum()), float(self.confidence[kept].mean(dtype=np.float64)) if kept.any() else float("nan")

    def arrays(self) -> dict[str, Ints]:
        """What is saved."""
        return {
            "patterns.support": self.counts.data,
            "patterns.indices": self.counts.indices,
            "patterns.indptr": self.counts.indptr,
            "patterns.repeats": self.repeats,
            "patterns.customers": self.customers,
            "patterns.came_back": self.came_back,
            "patterns.sizes": np.array([self.num_customers, self.min_support]),
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, Ints]) -> Patterns:
        """What `arrays` gave."""
        of = {name.partition(".")[2]: value for name, value in arrays.items() if name.startswith("patterns.")}
        num_products = len(of["customers"])
        shape = (num_products, num_products)
        counts = sp.csr_matrix((of["support"], of["indices"], of["indptr"]), shape)
        num_customers, min_support = of["sizes"].tolist()
        return cls(counts, of["repeats"], of["customers"], of["came_back"], num_customers, min_support)


def count_patterns(events: EventTable, dated: bool, min_support: int) -> Patterns:
    """Count the patterns of events.

    What a customer had before each of their days is a row of the matrix F, and what they took for the last time on that
    day a row of L; then support is F'L. Products with fewer customers than the minimum support are in no pattern.

    Args:
        events: of all users.
        dated: timestamps are times, and days are what is ordered; else places in an order.
        min_support: customers; what has fewer is no pattern.
    """
    num_products, step = len(events.products), steps_of(events.timestamp, dated)
    new_visit = np.ones(len(events), dtype=bool)
    new_visit[1:] = (events.user[1:] != events.user[:-1]) | (step[1:] != step[:-1])
    visit = np.cumsum(new_visit) - 1
    user_of_visit = events.user[new_visit]
    last_visit = np.searchsorted(user_of_visit, np.arange(len(events.users)), side="right") - 1
    # the first and last visit of each customer with each product
    pair = events.user * num_products + events.product
    order = np.lexsort((visit, pair))
    pair, visit = pair[order], visit[order]
    begins = np.flatnonzero(np.append(True, pair[1:] != pair[:-1])) if len(pair) else np.zeros(0, dtype=np.int64)
    user, product = np.divmod(pair[begins], num_products)
    first, last = visit[begins], visit[np.append(begins[1:], len(pair)) - 1]
    later = last_visit[user] - first  # visits after the first one with the product
    customers = np.bincount(product, minlength=num_products)
    counted = customers[product] >= min_support
    counts = _ordered_pairs(product[counted], first[counted], last[counted], later[counted], num_products)
    repeats = np.bincount(product[last > first], minlength=num_products)
    counts.setdiag(0)
    counts.data[counts.data < min_support] = 0
    counts.eliminate_zeros()
    return Patterns(
        counts=counts,
        repeats=repeats,
        customers=customers,
        came_back=np.bincount(product[later > 0], minlength=num_products),
        num_customers=len(np.unique(events.user)),
        min_support=min_support,
    )


def _ordered_pairs(product: Ints, first: Ints, last: Ints, later: Ints, num_products: int) -> sp.csr_matrix:
    """(num_products, num_products) customers whose first row product is on an earlier visit than their last column one.

    Args:
        product: of each pair of a customer and a product, sorted by customer.
        first: visit with it, numbered over all customers, ascending with the customer.
        last: the same of the last one.
        later: visits of the customer after the first one.
        num_products: size of the catalogue.
    """
    counts = _ones(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), (num_products, num_products))
    # a customer may be cut in two: their visits then lie in both parts, but each entry of F'L needs one entry of F
    so_far = np.cumsum(later)
    order = np.argsort(last, kind="stable")
    sorted_last = last[order]
    start = 0
    while start < len(product):
        before = so_far[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(so_far, before + AT_ONCE, side="right")))
        lengths = later[start:stop]
        offset = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = np.repeat(first[start:stop] + 1, lengths) + offset  # the visits that know the product
        if len(rows):
            low, high = int(rows.min()), int(rows.max()) + 1
            inside = order[np.searchsorted(sorted_last, low) : np.searchsorted(sorted_last, high)]
            known = _ones(rows - low, np.repeat(product[start:stop], lengths), (high - low, num_products))
            ends = _ones(last[inside] - low, product[inside], (high - low, num_products))
            counts = counts + known.T @ ends
        start = stop
    return counts.tocsr()


def _ones(row: Ints, column: Ints, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(row), dtype=np.int32), (row, column)), shape=shape)


def own_min_support(num_customers: int) -> int:
    """Half a percent of the customers, 2 to 20: small shops have patterns, and large ones none by chance."""
    return min(max(round(num_customers / 200), 2), 20)
