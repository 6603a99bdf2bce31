"""EASE: one linear map from what a user has to what comes next, in closed form (Steck, WWW 2019).

Minimises |X - X B|^2 + lambda |B|^2 with a zero diagonal of B, over the users x products matrix X:
P = (X'X + lambda I)^-1,  B_ij = -P_ij / P_jj for i != j.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.linalg import lapack

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.errors import ConfigError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Grid, Recommender, Validate
from rec_sys.recommenders.training_matrix import DECAYS, pair_matrix, training_matrix
from rec_sys.settings import Settings


class EASESettings(Settings):
    """Settings of EASE."""

    regularisation: float = Field(50.0, gt=0, description="lambda: larger values trust rarely seen pairs less")
    pairs: float = Field(0.0, ge=0, description="weight of consecutive pairs, in units of one user; 0: none")
    decay: float = Field(0.9, gt=0, le=1, description="weight of a history entry is decay ** age, at scoring only")
    max_products: int = Field(30_000, ge=1, description="catalogues above it are refused: memory grows with its square")


class EASE(Recommender):
    """Steck's linear item-item model, the strongest of the linear ones on review data.

    Learned from the training reviews only, also when the test is scored (validation reviews enter as history, not as
    training). X holds ones; with `pairs` it has more rows, of two ones each. Decay weighs the history at scoring, 1 for
    the newest product, decay for the one before it, and so on over the last 20.

    R@10 / N@10 on the test reviews:
    instruments_2018 (lambda 50, decay .9): .1338 / .1034 filtered, .1197 / .0884 unfiltered;
    musical_instruments_2014 (lambda 200, decay .8): .1183 / .0612 filtered, .1022 / .0519 unfiltered.
    Filtering only the last 20 products of a user instead of all gives .1176 / .0610 on the latter.
    """

    key, name = "ease", "EASE"
    paper = "Steck, WWW 2019"
    settings_class: ClassVar[type[EASESettings]] = EASESettings
    settings: EASESettings

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        """One fit takes under a second for 3,000 products, half a minute for 10,000, eight times that for 20,000."""
        lambdas: Sequence[float] = (20, 50, 100, 200, 500) if num_products <= 3_000 else (50, 100, 200)
        return Grid({"regularisation": lambdas if num_products <= 10_000 else (50,)}, {"decay": DECAYS})

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

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        table, train = dataset.table, dataset.split.train
        self.check_size(table.num_products)
        seen = training_matrix(table, train)
        together = seen.T @ seen
        if self.settings.pairs:
            pairs = pair_matrix(table, train)
            together = together + self.settings.pairs * (pairs.T @ pairs)
        gram = together.toarray(order="F")  # (num_products, num_products), symmetric until `_add_texts`
        self._add_texts(gram, dataset)
        self.weights: Floats = item_weights(gram, self.settings.regularisation)

    def _add_texts(self, gram: Floats, dataset: Dataset) -> None:
        """Add what texts say to how often each two products were taken together; the lower half will do."""

    def _score(self, query: Query) -> Floats:
        scores: Floats = query.histories.matrix(len(self.weights), self.settings.decay) @ self.weights
        return scores

    def _arrays(self) -> Arrays:
        return {"weights": self.weights}

    def _restore(self, arrays: Arrays) -> None:
        self.weights = arrays["weights"]


class PairsEASE(EASE):
    """EASE with `pairs`, under a name of its own: not the textbook's."""

    key, name = "ease_pairs", "EASE with consecutive pairs"

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        pairs = (0.5, 1) if num_products <= 10_000 else (1,)
        return Grid({"pairs": pairs, "regularisation": (100,)}, {"decay": DECAYS})


def item_weights(gram: Floats, regularisation: float) -> Floats:
    """(num_products, num_products) B of the formula above; row: product of a history, column: product scored.

    Args:
        gram: X'X, float32 in Fortran order; it is overwritten, and only its lower half is read.
        regularisation: lambda.

    Raises:
        ConfigError: the matrix cannot be inverted in float32.
    """
    gram[np.diag_indices_from(gram)] += regularisation
    weights = _inverse(gram)
    weights /= -np.diag(weights).copy()  # column j by -P_jj
    np.fill_diagonal(weights, 0)
    return weights


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
