"""Ragged lists of reviews, one per person, oldest first: what every recommender is asked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rec_sys.arrays import Ints

if TYPE_CHECKING:
    import scipy.sparse as sp  # serving does without it


@dataclass(frozen=True)
class Histories:
    """What each person of a batch has reviewed so far.

    The person of row i wrote `review[indptr[i]:indptr[i + 1]]`, oldest first. No user numbers: a recommender sees
    only what somebody has done, so new people are treated like known ones.
    """

    indptr: Ints  # (num_histories + 1,)
    review: Ints  # (num_entries,) review numbers of the table
    product: Ints  # (num_entries,) product numbers

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Ints:
        """(num_histories,)"""
        return np.diff(self.indptr)

    @property
    def row(self) -> Ints:
        """(num_entries,) the history each entry belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def age(self) -> Ints:
        """(num_entries,) 0 for the newest entry of its history, 1 for the one before it, ..."""
        return np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(len(self.review))

    def part(self, start: int, stop: int) -> Histories:
        """Histories start to stop."""
        stop = min(stop, len(self))
        first, last = self.indptr[start], self.indptr[stop]
        return Histories(self.indptr[start : stop + 1] - first, self.review[first:last], self.product[first:last])

    def last(self, n: int) -> Histories:
        """Each history cut to its newest n entries."""
        keep = self.age < n
        indptr = np.concatenate([[0], np.cumsum(np.minimum(self.lengths, n))]).astype(np.int64)
        return Histories(indptr, self.review[keep], self.product[keep])

    def matrix(self, num_products: int, decay: float = 1.0) -> sp.csr_matrix:
        """(num_histories, num_products): decay ** age at the products of each history, the newest where repeated."""
        import scipy.sparse as sp

        weight = (decay ** self.age.astype(np.float64)).astype(np.float32)
        matrix = sp.coo_matrix((weight, (self.row, self.product)), shape=(len(self), num_products))
        order = np.lexsort((weight, matrix.col, matrix.row))
        row, col, weight = matrix.row[order], matrix.col[order], weight[order]
        newest = np.ones(len(row), dtype=bool)
        newest[:-1] = (row[1:] != row[:-1]) | (col[1:] != col[:-1])
        return sp.csr_matrix((weight[newest], (row[newest], col[newest])), shape=(len(self), num_products))
