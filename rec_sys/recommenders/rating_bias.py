"""Predicted ratings from a bias of the user and a bias of the product (Koren et al. 2009, equation 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats, Ints
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.ratings import Ratings
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.rating_model import Doubles, Factors, Range, RatingModel
from rec_sys.settings import Settings


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
        self.user_bias, self.product_bias = _biases(
            user, product, rating - self.mean, table.num_users, table.num_products, self.settings
        )
        return self

    def predict(self, users: Ints, products: Ints) -> Floats:
        """(n,) ratings of n pairs of numbers; a user or product without training ratings, or -1, has bias 0."""
        user_bias = np.where(users >= 0, self.user_bias[users], 0)
        product_bias = np.where(products >= 0, self.product_bias[products], 0)
        return np.clip(self.mean + user_bias + product_bias, MIN_RATING, MAX_RATING).astype(np.float32)


class UserProductBias(RatingModel):
    """The same as a recommender: the floor of all models of ratings. Everybody gets the best-rated products."""

    key, name = "rating_bias", RatingBias.name
    paper = "Koren, Bell and Volinsky, IEEE Computer 2009"
    settings_class = RatingBiasSettings
    settings: RatingBiasSettings
    is_personal = False
    own = "own bias"
    beside = ()

    @classmethod
    def search_space(cls) -> Mapping[str, Range]:
        return {name: Range(0.5, 50.0, log=True) for name in ("user_shrinkage", "product_shrinkage")}

    def _learn(self, ratings: Ratings, progress: ProgressCallback | None) -> Factors:
        sizes = len(ratings.users), len(ratings.products)
        mean = float(ratings.rating.mean())
        user, product = _biases(ratings.user, ratings.product, ratings.rating - mean, *sizes, self.settings)
        return Factors(mean, user, product, *(np.zeros((size, 0)) for size in sizes))

    def _penalties(self, num_ratings: int) -> Doubles:
        return np.array([max(self.settings.user_shrinkage, np.finfo(float).tiny)])


def _biases(
    user: Ints, product: Ints, left: Doubles, num_users: int, num_products: int, settings: RatingBiasSettings
) -> tuple[Doubles, Doubles]:
    """(num_users,) and (num_products,) biases from ratings less their mean; 0 for who has none."""
    user_bias, product_bias = np.zeros(num_users), np.zeros(num_products)
    for _ in range(settings.rounds):
        product_bias = _shrunken_means(product, left - user_bias[user], num_products, settings.product_shrinkage)
        user_bias = _shrunken_means(user, left - product_bias[product], num_users, settings.user_shrinkage)
    return user_bias, product_bias


def _shrunken_means(group: Ints, value: Doubles, num_groups: int, shrinkage: float) -> Doubles:
    """(num_groups,) sum / (count + shrinkage) of each group; 0 for an empty one."""
    count = np.bincount(group, minlength=num_groups) + shrinkage
    total = np.bincount(group, weights=value, minlength=num_groups)
    means: Doubles = np.divide(total, count, out=np.zeros(num_groups), where=count > 0)
    return means
