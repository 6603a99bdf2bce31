"""What NeuMF learns from: the pairs of users and products, in batches with drawn products that users do not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.table import ReviewTable


@dataclass(frozen=True)
class Pairs:
    """Each user's products once, with their weight: the strongest where a pair is repeated, 1 on average."""

    indptr: Ints  # (num_users + 1,)
    product: Ints  # (num_pairs,) ascending within a user
    weight: Floats  # (num_pairs,)
    num_products: int

    def __len__(self) -> int:
        return len(self.product)

    @cached_property
    def user(self) -> Ints:
        """(num_pairs,)"""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    @cached_property
    def keys(self) -> Ints:
        """(num_pairs,) ascending: user * num_products + product."""
        return self.user * self.num_products + self.product

    @classmethod
    def of(cls, table: ReviewTable, train: Ints) -> Pairs:
        """The pairs among the reviews `train`; what weighs nothing or less is none."""
        train = train[table.weight[train] > 0]
        key = table.user[train] * table.num_products + table.product[train]
        pair, place = np.unique(key, return_inverse=True)
        weight = np.zeros(len(pair), dtype=np.float32)
        np.maximum.at(weight, place, table.weight[train].astype(np.float32))
        user, product = np.divmod(pair, table.num_products)
        indptr = np.searchsorted(user, np.arange(table.num_users + 1)).astype(np.int64)
        return cls(indptr, product, weight / weight.mean() if len(weight) else weight, table.num_products)

    def of_users(self, users: Ints) -> tuple[Ints, Ints, Floats]:
        """Row of the user in `users`, product and weight of all their pairs, each (n,)."""
        lengths = np.diff(self.indptr)[users]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        entry = np.arange(starts[-1]) + np.repeat(self.indptr[users] - starts[:-1], lengths)
        return np.repeat(np.arange(len(users)), lengths), self.product[entry], self.weight[entry]

    def mean_of_takers(self, vectors: Floats) -> tuple[Floats, Floats]:
        """(num_products,) by how many users each product was taken, and the mean of their (num_users, dim) vectors."""
        ones = np.ones(len(self), dtype=np.float32)
        taken_by = sp.csr_matrix((ones, (self.product, self.user)), shape=(self.num_products, len(vectors)))
        counts = np.bincount(self.product, minlength=self.num_products).astype(np.float32)
        means: Floats = ((taken_by @ vectors) / np.maximum(counts, 1)[:, None]).astype(np.float32)
        return counts, means

    def has(self, users: Ints, products: Ints) -> npt.NDArray[np.bool_]:
        """(n,) whether each pair is one."""
        asked = users * self.num_products + products
        place = np.searchsorted(self.keys, asked).clip(max=len(self) - 1)
        found: npt.NDArray[np.bool_] = self.keys[place] == asked
        return found


@dataclass(frozen=True)
class SoftmaxBatch:
    """Some users with all their products, and the products that these are compared with."""

    users: Ints  # (n,)
    candidates: Ints | None  # (c,) ascending product numbers, the same for all users; None: all products
    row: Ints  # (num_pairs,) place of the pair's user in `users`
    product: Ints  # (num_pairs,)
    weight: Floats  # (num_pairs,)


@dataclass(frozen=True)
class PointwiseBatch:
    """Pairs of users and products with what the network should say of them."""

    users: Ints  # (n,)
    products: Ints  # (n,)
    target: Floats  # (n,) 1: the user has it
    weight: Floats  # (n,)


def softmax_batches(
    pairs: Pairs, batch_size: int, candidates: int, random: np.random.Generator
) -> Iterator[SoftmaxBatch]:
    """Each user with products once, in random order; `batch_size` pairs of user and candidate in a batch, about.

    Args:
        pairs: of all users.
        batch_size: users times candidates.
        candidates: products drawn anew for each batch; as many as there are products, or more: all of them.
        random: draws.
    """
    users = random.permutation(np.flatnonzero(np.diff(pairs.indptr)))
    drawn = candidates < pairs.num_products
    size = max(1, batch_size // max(1, min(candidates, pairs.num_products)))
    for start in range(0, len(users), size):
        some = users[start : start + size]
        chosen = np.sort(random.choice(pairs.num_products, candidates, replace=False)) if drawn else None
        yield SoftmaxBatch(some, chosen, *pairs.of_users(some))


def pointwise_batches(
    pairs: Pairs, batch_size: int, negatives: int, random: np.random.Generator
) -> Iterator[PointwiseBatch]:
    """Each pair once, in random order, each with `negatives` products that its user does not have."""
    size = max(1, batch_size // (1 + negatives))
    order, user = random.permutation(len(pairs)), pairs.user
    for start in range(0, len(order), size):
        some = order[start : start + size]
        others = np.repeat(user[some], negatives)
        drawn, is_negative = _not_owned(pairs, others, random)
        yield PointwiseBatch(
            users=np.concatenate([user[some], others[is_negative]]),
            products=np.concatenate([pairs.product[some], drawn[is_negative]]),
            target=np.repeat(np.array([1, 0], dtype=np.float32), [len(some), is_negative.sum()]),
            weight=np.concatenate([pairs.weight[some], np.ones(is_negative.sum(), dtype=np.float32)]),
        )


def _not_owned(pairs: Pairs, users: Ints, random: np.random.Generator) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """(n,) a drawn product for each user, and whether it is none of the user's after ten draws."""
    drawn = random.integers(pairs.num_products, size=len(users))
    owned = pairs.has(users, drawn)
    for _ in range(9):
        again = np.flatnonzero(owned)
        if not len(again):
            break
        drawn[again] = random.integers(pairs.num_products, size=len(again))
        owned[again] = pairs.has(users[again], drawn[again])
    return drawn, ~owned
