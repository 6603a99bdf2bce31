"""Who reviewed what in training, as sparse matrices of ones: what the linear item-item models learn from."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from rec_sys.arrays import Ints
from rec_sys.dataset.table import ReviewTable

DECAYS = (1.0, 0.9, 0.8)  # what validation tries for the weight of older history entries


def training_matrix(table: ReviewTable, train: Ints) -> sp.csr_matrix:
    """(num_users, num_products) float32: 1 where the reviews `train` hold the pair, however often."""
    ones = np.ones(len(train), dtype=np.float32)
    shape = (table.num_users, table.num_products)
    matrix = sp.csr_matrix((ones, (table.user[train], table.product[train])), shape=shape)  # sums repeated pairs
    matrix.data[:] = 1
    return matrix


def pair_matrix(table: ReviewTable, train: Ints) -> sp.csr_matrix:
    """(num_pairs, num_products) 1 for a product and the next one that the same user reviewed; `train` ascends."""
    user, product = table.user[train], table.product[train]
    first = np.flatnonzero(user[1:] == user[:-1])
    pairs = np.stack([product[first], product[first + 1]], axis=1).reshape(-1)
    row = np.repeat(np.arange(len(first)), 2)
    ones = np.ones(len(pairs), dtype=np.float32)
    matrix = sp.csr_matrix((ones, (row, pairs)), shape=(len(first), table.num_products))
    matrix.data[:] = 1  # the same product twice
    return matrix
