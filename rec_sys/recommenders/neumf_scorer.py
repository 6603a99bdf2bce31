"""NeuMF without torch: scores of all products and fold-in of new users, with NumPy alone.

The vector of a user is here the one of GMF, times the weights of the last layer, and beside it what the user adds to
the first layer of the MLP; that of a product likewise. So a score is u_gmf . p_gmf + out . MLP(relu(u_mlp + p_mlp)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories

NEGATIVES = 4  # that weigh as much as they do in training beside one positive of the pointwise loss
NUMBERS_AT_ONCE = 500_000  # of the first layer: 2 MB, which stay in a cache
PAIRS_AT_ONCE = 100_000  # of users who are folded in and products


SlopeOf = Callable[[Floats, "Compared"], Floats]  # of the loss by each score


@dataclass(frozen=True)
class Compared:
    """Pairs of users and products for fold-in: each user's own products, then those that they are compared with."""

    row: Ints  # (num_pairs,) ascending
    product: Ints  # (num_pairs,)
    is_own: npt.NDArray[np.bool_]  # (num_pairs,)
    weight: Floats  # (num_pairs,) those of one kind add up to 1 per user
    begins: Ints  # (n,) first pair of each user
    num_products: int  # that those compared with stand for


class NeuMFScorer:
    """Products' vectors and the layers above them.

    Args:
        arrays: of `NeuMFNetwork.arrays`, those of users left out.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self.gmf: Floats = arrays["product_gmf"]  # (num_products, factors)
        self.mlp: Floats = arrays["product_mlp"]  # (num_products, width)
        self.out: Floats = arrays["out"]  # (factors,)
        depth = sum(name.startswith("weight_") for name in arrays)
        self.layers: list[tuple[Floats, Floats]] = [(arrays[f"weight_{n}"], arrays[f"bias_{n}"]) for n in range(depth)]

    @property
    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """What it was made of."""
        found = {"product_gmf": self.gmf, "product_mlp": self.mlp, "out": self.out}
        for number, (weight, bias) in enumerate(self.layers):
            found |= {f"weight_{number}": weight, f"bias_{number}": bias}
        return found

    @property
    def width(self) -> int:
        """Length of a user's vector."""
        return self.gmf.shape[1] + self.mlp.shape[1]

    @property
    def num_products(self) -> int:
        """Size of the catalogue."""
        return len(self.gmf)

    @property
    def product_vectors(self) -> Floats:
        """(num_products, factors + width)"""
        return np.concatenate([self.gmf, self.mlp], axis=1)

    def scores(self, users: Floats) -> Floats:
        """(n, factors + width) vectors of users to (n, num_products); what is in memory besides is bounded."""
        gmf, mlp = self._parts(users)
        found: Floats = (gmf @ self.gmf.T).astype(np.float32)
        width = self.mlp.shape[1]
        products = max(1, NUMBERS_AT_ONCE // width)
        at_once = max(1, products // self.num_products)
        for start in range(0, len(users), at_once):
            some = mlp[start : start + at_once, None]  # (n, 1, width)
            for first in range(0, self.num_products, products):
                hidden = some + self.mlp[first : first + products]  # (n, products, width)
                part = self._above(hidden.reshape(-1, width))[-1] @ self.out
                found[start : start + at_once, first : first + products] += part.reshape(hidden.shape[:2])
        return found

    def folded_in(
        self, users: Floats, histories: Histories, candidates: Ints, loss: str, steps: int, rate: float
    ) -> Floats:
        """Steps of Adam on vectors of users towards their histories, everything else left as it is.

        Args:
            users: (n, factors + width) where to start.
            histories: n of them; an empty one leaves its user as it is.
            candidates: products that those of a history are compared with, the same for everybody.
            loss: as in training.
            steps: how many.
            rate: of Adam.

        Returns:
            (n, factors + width)
        """
        moved = users.astype(np.float32)
        longest = max(1, int(histories.lengths.max(initial=0)))
        size = max(1, PAIRS_AT_ONCE // (longest + len(candidates)))
        for start in range(0, len(users), size):
            part = histories.part(start, start + size)
            row = start + np.flatnonzero(part.lengths)
            if len(row):
                slope_of = _softmax_slope if loss == "softmax" else _pointwise_slope
                moved[row] = self._adam(
                    moved[row], _compared(part, candidates, self.num_products), slope_of, steps, rate
                )
        return moved

    def popular(self, user: Floats, shares: Floats, steps: int = 100, rate: float = 0.05) -> Floats:
        """The vector whose softmax over all products comes near their shares of all pairs, (num_products,).

        Args:
            user: (factors + width,) where to start.
            shares: add up to 1.
            steps: of Adam.
            rate: of Adam.
        """
        number = self.num_products
        row, whole = np.zeros(number, dtype=np.int64), np.arange(number)
        compared = Compared(row, whole, np.zeros(number, dtype=bool), shares, np.zeros(1, dtype=np.int64), number)
        return self._adam(user[None], compared, _slope_to_shares, steps, rate)[0]

    def _adam(self, users: Floats, compared: Compared, slope_of: SlopeOf, steps: int, rate: float) -> Floats:
        mean, square = np.zeros_like(users), np.zeros_like(users)
        for step in range(1, steps + 1):
            slope = self._slope(users, compared, slope_of)
            mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
            users = users - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-6)
        moved: Floats = users.astype(np.float32)
        return moved

    def _slope(self, users: Floats, compared: Compared, slope_of: SlopeOf) -> Floats:
        """(n, factors + width) of the loss of each user by the vector of the user."""
        gmf, mlp = self._parts(users)
        row, product, begins = compared.row, compared.product, compared.begins
        layers = self._above(mlp[row] + self.mlp[product])
        scores = (gmf[row] * self.gmf[product]).sum(axis=1) + layers[-1] @ self.out
        slope = slope_of(scores, compared)
        back = slope[:, None] * self.out * (layers[-1] > 0)
        for (weight, _), below in zip(reversed(self.layers), reversed(layers[:-1]), strict=True):
            back = (back @ weight.T) * (below > 0)
        of_pairs = np.concatenate([slope[:, None] * self.gmf[product], back], axis=1)
        of_users: Floats = np.add.reduceat(of_pairs, begins, axis=0)
        return of_users

    def _above(self, hidden: Floats) -> list[Floats]:
        """(n, width) what goes into the first ReLU to what comes out of each; `hidden` is overwritten."""
        layers = [np.maximum(hidden, 0, out=hidden)]
        for weight, bias in self.layers:
            following = layers[-1] @ weight
            following += bias
            layers.append(np.maximum(following, 0, out=following))
        return layers

    def _parts(self, users: Floats) -> tuple[Floats, Floats]:
        factors = self.gmf.shape[1]
        return users[:, :factors], users[:, factors:]


def _compared(histories: Histories, candidates: Ints, num_products: int) -> Compared:
    """Of all histories that are not empty; each product of a history once, and candidates without these."""
    lengths = histories.lengths
    rows = np.flatnonzero(lengths)
    own = np.unique(np.stack([histories.row, histories.product]), axis=1)
    own[0] = np.searchsorted(rows, own[0])
    others = np.stack([np.repeat(np.arange(len(rows)), len(candidates)), np.tile(candidates, len(rows))])
    others = others[:, ~np.isin(others[0] * num_products + others[1], own[0] * num_products + own[1])]
    pairs = np.concatenate([own, others], axis=1)
    is_own = np.arange(pairs.shape[1]) < own.shape[1]
    order = np.argsort(pairs[0], kind="stable")
    row, is_own = pairs[0][order], is_own[order]
    weight = np.empty(len(row), dtype=np.float32)
    for kind in (is_own, ~is_own):
        weight[kind] = 1 / np.bincount(row[kind], minlength=len(rows))[row[kind]]
    return Compared(row, pairs[1][order], is_own, weight, np.searchsorted(row, np.arange(len(rows))), num_products)


def _softmax_slope(scores: Floats, compared: Compared) -> Floats:
    """(num_pairs,) by its score of minus the mean over own i of log(e_i / (e_i + N * mean of e_c)), e = exp(score)."""
    row, own = compared.row, compared.is_own
    highest = np.maximum.reduceat(scores, compared.begins)[row]
    e = np.exp(scores - highest)
    others = np.where(own, 0, compared.num_products * compared.weight * e)
    total = np.add.reduceat(others, compared.begins)[row]  # (num_pairs,)
    share = np.where(own, compared.weight / np.maximum(e + total, 1e-30), 0)
    of_others = np.add.reduceat(share, compared.begins)[row] * others
    slope: Floats = np.where(own, share * e - compared.weight, of_others).astype(np.float32)
    return slope


def _pointwise_slope(scores: Floats, compared: Compared) -> Floats:
    """(num_pairs,) by its score of the binary cross-entropy."""
    chance = 1 / (1 + np.exp(-scores.clip(-50, 50)))
    weight = np.where(compared.is_own, compared.weight, NEGATIVES * compared.weight)
    slope: Floats = (weight * (chance - compared.is_own)).astype(np.float32)
    return slope


def _slope_to_shares(scores: Floats, compared: Compared) -> Floats:
    """(num_pairs,) by its score of the cross-entropy between softmax and weights."""
    e = np.exp(scores - np.maximum.reduceat(scores, compared.begins)[compared.row])
    slope: Floats = e / np.add.reduceat(e, compared.begins)[compared.row] - compared.weight
    return slope
