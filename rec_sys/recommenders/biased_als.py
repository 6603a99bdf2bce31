"""Biased ALS: ratings by biases and factors, learned by alternating least squares in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from rec_sys.arrays import Ints
from rec_sys.dataset.ratings import Ratings
from rec_sys.progress import ProgressCallback, tracked
from rec_sys.recommenders.rating_model import Doubles, Factors, Range, RatingModel, RatingSettings

AT_ONCE = 4_000_000  # numbers of products of vectors in memory


class BiasedALSSettings(RatingSettings):
    """Settings of biased ALS."""

    factors: int = Field(10, ge=1, description="length of the vectors")
    regularisation: float = Field(5.0, gt=0, description="lambda: draws the vectors towards 0")
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
        by_user = _Side.of(ratings.user, ratings.product, left)
        by_product = _Side.of(ratings.product, ratings.user, left)
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


@dataclass(frozen=True)
class _Side:
    """Ratings by user, or by product: the *rows* that are solved for; the others are the *columns*."""

    indptr: Ints  # (num_rows + 1,): the ratings of row r are those from indptr[r] to indptr[r + 1]
    column: Ints  # (num_ratings,)
    left: Doubles  # (num_ratings,) rating - mean

    @classmethod
    def of(cls, row: Ints, column: Ints, left: Doubles) -> _Side:
        """Of ratings in any order; every row has one."""
        order = np.argsort(row, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row))]).astype(np.int64)
        return cls(indptr, column[order], left[order])

    def solve(self, columns: Doubles, penalties: Doubles) -> Doubles:
        """(num_rows, 1 + factors) bias and factors of each row, those of the columns given alike."""
        width = columns.shape[1]
        solved = np.empty((len(self.indptr) - 1, width))
        start = 0
        while start < len(solved):  # as many rows as have few enough ratings, and at least one
            until = self.indptr[start] + AT_ONCE // width**2
            stop = max(start + 1, int(np.searchsorted(self.indptr, until, side="right")) - 1)
            first, last = self.indptr[start], self.indptr[stop]
            column = self.column[first:last]
            x = columns[column].copy()  # (n, width)
            x[:, 0] = 1
            left = self.left[first:last] - columns[column, 0]
            starts = self.indptr[start:stop] - first
            gram = np.add.reduceat(x[:, :, None] * x[:, None, :], starts)  # (rows, width, width)
            right = np.add.reduceat(x * left[:, None], starts)  # (rows, width)
            solved[start:stop] = np.linalg.solve(gram + np.diag(penalties), right[:, :, None])[:, :, 0]
            start = stop
        return solved
