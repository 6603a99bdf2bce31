"""Generated ratings with a known structure: biases, factors and noise of known size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap


@dataclass(frozen=True)
class RatingSet:
    """Ratings and what they were made of."""

    table: ReviewTable
    expected: Floats  # (num_ratings,) what each would be without noise and rounding: nothing predicts better


def rating_set(
    num_users: int = 943,
    num_products: int = 1_682,
    per_user: int = 106,
    factors: int = 5,
    taste: float = 0.45,
    noise: float = 0.8,
    seed: int = 0,
) -> RatingSet:
    """Whole ratings of 1 to 5; the sizes by default are those of MovieLens 100k.

    Args:
        num_users: each rates as many products.
        num_products: each as likely.
        per_user: different products.
        factors: of users and products.
        taste: standard deviation of their product.
        noise: standard deviation of what nothing explains; biases have .4 (users) and .5 (products).
        seed: of all of it.
    """
    generator = np.random.default_rng(seed)
    of_user = generator.normal(size=(num_users, factors))
    of_product = generator.normal(0, taste / np.sqrt(factors), (num_products, factors))
    user_bias, product_bias = generator.normal(0, 0.4, num_users), generator.normal(0, 0.5, num_products)
    user = np.repeat(np.arange(num_users), per_user)
    product = np.concatenate([generator.permutation(num_products)[:per_user] for _ in range(num_users)])
    expected = 3.5 + user_bias[user] + product_bias[product] + (of_user[user] * of_product[product]).sum(axis=1)
    rating = np.clip(np.round(expected + generator.normal(0, noise, len(user))), 1, 5)
    number = np.arange(len(user))
    table = ReviewTable(
        users=IdMap((f"u{each}" for each in range(num_users)), "user"),
        products=IdMap((f"p{each}" for each in range(num_products)), "product"),
        user=user,
        product=product,
        rating=rating.astype(np.float32),
        timestamp=number,
        row=number,
        fingerprint=f"generated-{num_users}-{num_products}-{per_user}-{factors}-{taste}-{noise}-{seed}",
    )
    return RatingSet(table, np.clip(expected, 1, 5).astype(np.float32))
