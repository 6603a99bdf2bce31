"""Predicted ratings from a bias of the user and a bias of the product (Koren et al. 2009, equation 1)."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from rec_sys.arrays import Floats, Ints
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.settings import Settings

Means = npt.NDArray[np.float64]


class RatingBiasSettings(Settings):
    """Settings of the user + product bias."""

    user_shrinkage: float = Field(5.0, ge=0, description="pretended average reviews of a user: draws few to 0")
    product_shrinkage: float = Field(5.0, ge=0, description="pretended average reviews of a product: draws few to 0")
    rounds: int = Field(20, ge=1, description="alternations between products and users; they settle quickly")


class RatingBias:
    """Predicted rating: global mean + bias of the user + bias of the product, within the scale."""

    name = "user + product bias"

    def __init__(self, settings: RatingBiasSettings | None = None) -> None:
        self.settings = settings or RatingBiasSettings()

    def fit(self, table: ReviewTable, train: Ints) -> Self:
        """Learn from the rated reviews among `train` (review numbers).

        Raises:
            DataError: none of them has a rating.
        """
        rated = train[~np.isnan(table.rating[train])]
        if not len(rated):
            raise DataError(f"none of {len(train):,} training reviews has a rating; leave the rating report out")
        user, product, rating = table.user[rated], table.product[rated], table.rating[rated].astype(np.float64)
        self.mean = float(rating.mean())
        self.user_bias = np.zeros(table.num_users)
        self.product_bias = np.zeros(table.num_products)
        for _ in range(self.settings.rounds):
            left = rating - self.mean - self.user_bias[user]
            self.product_bias = _shrunken_means(product, left, table.num_products, self.settings.product_shrinkage)
            left = rating - self.mean - self.product_bias[product]
            self.user_bias = _shrunken_means(user, left, table.num_users, self.settings.user_shrinkage)
        return self

    def predict(self, users: Ints, products: Ints) -> Floats:
        """(n,) ratings of n pairs of numbers; a user or product without training ratings, or -1, has bias 0."""
        user_bias = np.where(users >= 0, self.user_bias[users], 0)
        product_bias = np.where(products >= 0, self.product_bias[products], 0)
        return np.clip(self.mean + user_bias + product_bias, MIN_RATING, MAX_RATING).astype(np.float32)


def _shrunken_means(group: Ints, value: Means, num_groups: int, shrinkage: float) -> Means:
    """(num_groups,) sum / (count + shrinkage) of each group; 0 for an empty one."""
    count = np.bincount(group, minlength=num_groups) + shrinkage
    total = np.bincount(group, weights=value, minlength=num_groups)
    means: Means = np.divide(total, count, out=np.zeros(num_groups), where=count > 0)
    return means
