"""Biased ALS: ratings by biases and factors, learned by alternating least squares in closed form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from rec_sys.arrays import Ints
from rec_sys.dataset.ratings import Ratings
from rec_sys.progress import ProgressCallback, tracked
from rec_sys.recommenders.rating_model import Doubles, Factors, Range, RatingModel, RatingSettings

AT_ONCE = 16_000_000  # numbers of products of vectors in memory


class BiasedALSSettings(RatingSettings):
    """Settings of biased ALS."""

    factors: int = Field(10, ge=1, description="length of the vectors")
    regularisation: float = Field(10.0, gt=0, description="lambda: draws the vectors towards 0")
    bias_shrinkage: float = Field(5.0, gt=0, description="pretended average ratings of each user and product")
    iterations: int = Field(15, ge=1, description="alternations between users and products")
    seed: int = Field(0, ge=0, description="draws the first vectors, and the folds")


class BiasedALS(RatingModel):
    """Bias and vector of each user in closed form while those of the products are held, and the other way round.

    The minimum over b and p of the sum of (r - mean - b_i - b - <p, q_i>)^2 over a user's ratings, plus
    shrinkage b^2 + lambda |p|^2; likewise for products. Without factors it is the user + product bias.
    """

    key, name = "biased_als", "biased ALS"
    paper = "Koren, Bell and Volinsky, IEEE Computer 2009"
    settings_class = BiasedALSSettings
    settings: BiasedALSSettings
    seeded = True

    @classmethod
    def search_space(cls) -> Mapping[str, Range]:
        return {
            "factors": Range(1, 50, log=True),
            "regularisation": Range(1, 50, log=True),
            "bias_shrinkage": Range(1, 30, log=True),
        }

    def _learn(self, ratings: Ratings, progress: ProgressCallback | None) -> Factors:
        s = self.settings
        mean = float(ratings.rating.mean())
        left = ratings.rating - mean
        by_user = _Side(ratings.user, ratings.product, left)
        by_product = _Side(ratings.product, ratings.user, left)
        product = np.zeros((len(ratings.products), 1 + s.factors))  # (num_products, 1 + factors): the bias first
        product[:, 1:] = np.random.default_rng(s.seed).normal(0, 0.1, (len(product), s.factors))
        penalties = self._penalties(1)
        user = by_user.solve(product, penalties)
        for _ in tracked(range(s.iterations), f"fit {self.name}", s.iterations, "iterations", progress):
            product = by_product.solve(user, penalties)
            user = by_user.solve(product, penalties)  # last, so that to fold a user in gives the same
        return Factors(mean, user[:, 0], product[:, 0], user[:, 1:], product[:, 1:])

    def _penalties(self, num_ratings: int) -> Doubles:
        return np.array([self.settings.bias_shrinkage, *[self.settings.regularisation] * self.settings.factors])


class _Side:
    """Ratings by user, or by product: the *rows* that are solved for; the others are the *columns*.

    Args:
        row: (num_ratings,) each row has a rating.
        column: (num_ratings,)
        left: (num_ratings,) rating - mean.
    """

    def __init__(self, row: Ints, column: Ints, left: Doubles) -> None:
        import scipy.sparse as sp  # serving does without it

        self.seen, self.left = (sp.csr_matrix((values, (row, column))) for values in (np.ones(len(row)), left))

    def solve(self, columns: Doubles, penalties: Doubles) -> Doubles:
        """(num_rows, 1 + factors) bias and factors of each row, those of the columns given alike."""
        x = columns.copy()  # (num_columns, width)
        x[:, 0] = 1
        width = x.shape[1]
        right = np.asarray(self.left @ x - self.seen @ (columns[:, :1] * x))  # (num_rows, width)
        upper, lower = np.triu_indices(width)
        solved = np.empty_like(right)
        num_rows, num_pairs = max(1, AT_ONCE // width**2), max(1, AT_ONCE // len(x))
        for start in range(0, len(solved), num_rows):
            seen = self.seen[start : start + num_rows]
            gram = np.empty((seen.shape[0], width, width))
            for first in range(0, len(upper), num_pairs):
                one, other = upper[first : first + num_pairs], lower[first : first + num_pairs]
                gram[:, one, other] = gram[:, other, one] = np.asarray(seen @ (x[:, one] * x[:, other]))
            gram += np.diag(penalties)
            part = right[start : start + num_rows, :, None]
            solved[start : start + num_rows] = np.linalg.solve(gram, part)[:, :, 0]
        return solved
