"""EASE: one linear map from what a person has to what comes next, in closed form (Steck, WWW 2019).

Minimises |X - X B|^2 + lambda |B|^2 with a zero diagonal of B, over the people x products matrix X:
P = (X'X + lambda I)^-1,  B_ij = -P_ij / P_jj for i != j.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from scipy.linalg import lapack

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.training_matrix import pair_matrix, training_matrix
from rec_sys.settings import Settings


class EASESettings(Settings):
    """Settings of EASE."""

    regularisation: float = Field(50.0, gt=0, description="lambda: larger values trust rarely seen pairs less")
    pairs: float = Field(0.0, ge=0, description="people that a product and the next one of its person count as besides")
    decay: float = Field(0.9, gt=0, le=1, description="weight of a history entry is decay ** age, at scoring only")
    max_products: int = Field(30_000, ge=1, description="catalogues above it are refused: memory grows with its square")


class EASE(Recommender):
    """Steck's linear item-item model, the strongest of the plain ones on review data.

    Learned from the training reviews only, also when the test is scored (validation reviews enter as history, not as
    training). X holds plain ones; with `pairs` it has more rows, of two ones each. Decay weighs the history at
    scoring, 1 for the newest product, decay for the one before it, and so on over the last 20.

    R@10 / N@10 on the test reviews:
    instruments_2018 (lambda 50, decay .9): .1338 / .1034 filtered, .1197 / .0884 unfiltered;
    musical_instruments_2014 (lambda 200, decay .8): .1183 / .0612 filtered, .1022 / .0519 unfiltered.
    Taking out only the last 20 products of a person instead of all gives .1176 / .0610 filtered on the latter.
    """

    name = "EASE"

    def __init__(self, settings: EASESettings | None = None) -> None:
        self.settings = settings or EASESettings()

    def check_size(self, num_products: int) -> None:
        """Refuse a catalogue whose matrix does not fit.

        Raises:
            ConfigError: it is larger than `max_products`.
        """
        limit = self.settings.max_products
        if num_products > limit:
            raise ConfigError(
                f"{self.name} needs a dense matrix of {num_products:,} x {num_products:,} products "
                f"({num_products**2 * 4 / 2**30:.1f} GiB, about twice that while fitting) and is limited to {limit:,} "
                f"products; leave it out, filter the data, or raise max_products"
            )

    def fit(self, table: ReviewTable, train: Ints) -> Self:
        """See the base class.

        Raises:
            ConfigError: the catalogue is larger than `max_products`.
        """
        self.check_size(table.num_products)
        seen = training_matrix(table, train)
        together = seen.T @ seen
        if self.settings.pairs:
            pairs = pair_matrix(table, train)
            together = together + self.settings.pairs * (pairs.T @ pairs)
        gram = together.toarray(order="F")  # (num_products, num_products), symmetric until told more
        self._tell(gram)
        gram[np.diag_indices_from(gram)] += self.settings.regularisation
        weights = _inverse(gram)
        weights /= -np.diag(weights).copy()  # column j by -P_jj
        np.fill_diagonal(weights, 0)
        self.weights: Floats = weights  # row: product of a history, column: product scored
        return self

    def _tell(self, gram: Floats) -> None:
        """Add what else is known of products to how often each two were taken together; the lower half will do."""

    def score(self, histories: Histories) -> Floats:
        scores: Floats = histories.matrix(len(self.weights), self.settings.decay) @ self.weights
        return scores


class NeighbourEASE(EASE):
    """EASE with `pairs`, under a name of its own: not the textbook's."""

    name = "EASE with neighbours"


def _inverse(matrix: Floats) -> Floats:
    """Inverse of a symmetric positive definite float32 matrix, overwriting it: half the work of a general inverse."""
    factor, failed = lapack.spotrf(matrix, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ConfigError("EASE: the matrix of products cannot be inverted in float32; raise regularisation (lambda)")
    inverse = np.ascontiguousarray(inverse)
    for start in range(0, len(inverse), 512):  # LAPACK fills the lower half only; mirrored strip by strip
        stop = min(start + 512, len(inverse))
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
        corner = inverse[start:stop, start:stop]
        inverse[start:stop, start:stop] = np.tril(corner) + np.tril(corner, -1).T
    return inverse
