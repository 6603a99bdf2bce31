"""The ratings among reviews, in an order that does not depend on that of the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError


@dataclass(frozen=True)
class Ratings:
    """One rating per user and product, sorted by user id, then product id.

    Where a user rated a product again, the newest rating counts; of several of one time, the later one in the file.
    """

    review: Ints  # (num_ratings,) review numbers of the table
    user: Ints  # (num_ratings,) places in `users`, ascending
    product: Ints  # (num_ratings,) places in `products`
    rating: npt.NDArray[np.float64]  # (num_ratings,) 1 to 5
    users: Ints  # user numbers of the table, sorted by id: those who rated
    products: Ints  # product numbers of the table, sorted by id: those that were rated
    unrated: int  # reviews without a rating, left out
    repeated: int  # older ratings of the same product by the same user, left out

    def __len__(self) -> int:
        return len(self.review)

    @property
    def left_out(self) -> str:
        """What was left out, as a sentence; empty where nothing was."""
        parts = [
            *([f"{self.unrated:,} reviews without a rating"] if self.unrated else []),
            *([f"{self.repeated:,} older ratings of the same product by the same user"] if self.repeated else []),
        ]
        return f"Left out: {' and '.join(parts)}." if parts else ""


def ratings_of(table: ReviewTable, reviews: Ints) -> Ratings:
    """The ratings among some reviews.

    Args:
        table: all reviews.
        reviews: numbers of those that count, in any order.

    Raises:
        DataError: none of them has a rating.
    """
    rated = np.sort(reviews[~np.isnan(table.rating[reviews])])  # of a user, the newest last
    if not len(rated):
        raise DataError(
            f"none of {len(reviews):,} reviews has a rating from 1 to 5; models of ratings need a column of ratings"
        )
    newest = _newest(table, rated)
    users, products = (
        np.array(sorted(np.unique(numbers[newest]).tolist(), key=ids.__getitem__), dtype=np.int64)
        for numbers, ids in ((table.user, table.users.ids), (table.product, table.products.ids))
    )
    user = _places(users, table.num_users)[table.user[newest]]
    product = _places(products, table.num_products)[table.product[newest]]
    order = np.lexsort((product, user))
    return Ratings(
        review=newest[order],
        user=user[order],
        product=product[order],
        rating=table.rating[newest[order]].astype(np.float64),
        users=users,
        products=products,
        unrated=len(reviews) - len(rated),
        repeated=len(rated) - len(newest),
    )


def _newest(table: ReviewTable, reviews: Ints) -> Ints:
    """Of ascending review numbers, the last one of each user and product."""
    user, product = table.user[reviews], table.product[reviews]
    order = np.lexsort((reviews, product, user))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (user[order][1:] != user[order][:-1]) | (product[order][1:] != product[order][:-1])
    return reviews[order[last]]


def _places(numbers: Ints, total: int) -> Ints:
    """(total,) the place of each number in `numbers`; -1 where it is not there."""
    places = np.full(total, -1, dtype=np.int64)
    places[numbers] = np.arange(len(numbers))
    return places
