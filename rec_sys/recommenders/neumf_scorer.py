"""NeuMF without torch: the scores of all products, with NumPy alone.

The vector of a user is here the one of GMF, times the weights of the last layer, and beside it what the user adds to
the first layer of the MLP; that of a product likewise. So a score is u_gmf . p_gmf + out . MLP(relu(u_mlp + p_mlp)).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rec_sys.arrays import Floats

NUMBERS_AT_ONCE = 500_000  # of the first layer: 2 MB, which stay in a cache


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
    def num_products(self) -> int:
        """Size of the catalogue."""
        return len(self.gmf)

    @property
    def product_vectors(self) -> Floats:
        """(num_products, factors + width)"""
        return np.concatenate([self.gmf, self.mlp], axis=1)

    def scores(self, users: Floats) -> Floats:
        """(n, factors + width) vectors of users to (n, num_products); what is in memory besides is bounded."""
        factors, width = self.gmf.shape[1], self.mlp.shape[1]
        gmf, mlp = users[:, :factors], users[:, factors:]
        found: Floats = (gmf @ self.gmf.T).astype(np.float32)
        products = max(1, NUMBERS_AT_ONCE // width)
        at_once = max(1, products // self.num_products)
        for start in range(0, len(users), at_once):
            some = mlp[start : start + at_once, None]  # (n, 1, width)
            for first in range(0, self.num_products, products):
                hidden = some + self.mlp[first : first + products]  # (n, products, width)
                part = self._above(hidden.reshape(-1, width)) @ self.out
                found[start : start + at_once, first : first + products] += part.reshape(hidden.shape[:2])
        return found

    def _above(self, hidden: Floats) -> Floats:
        """(n, width) what goes into the first ReLU to (n, factors) what comes out of the last; `hidden` is reused."""
        np.maximum(hidden, 0, out=hidden)
        for weight, bias in self.layers:
            hidden = hidden @ weight
            hidden += bias
            np.maximum(hidden, 0, out=hidden)
        return hidden
