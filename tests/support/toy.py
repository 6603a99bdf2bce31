"""Tiny data with a known right answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap

Review = tuple[str, str, float, int]  # user id, product id, rating (nan: none), timestamp


def table_of(reviews: Sequence[Review], products: Sequence[str] | None = None) -> ReviewTable:
    """A review table of rows in the order of a raw file, numbered and sorted like one that was loaded.

    Args:
        reviews: the rows.
        products: all product ids in the order of their numbers; by default in the order of their first review.
    """
    users = IdMap(dict.fromkeys(user for user, *_ in reviews), "user")
    named = IdMap(products or dict.fromkeys(product for _, product, *_ in reviews), "product")
    user = users.numbers([user for user, *_ in reviews])
    product = named.numbers([product for _, product, *_ in reviews])
    timestamp = np.array([when for *_, when in reviews], dtype=np.int64)
    order = np.lexsort((np.arange(len(reviews)), timestamp, user))
    return ReviewTable(
        users=users,
        products=named,
        user=user[order],
        product=product[order],
        rating=np.array([rating for *_, rating, _ in reviews], dtype=np.float32)[order],
        timestamp=timestamp[order],
        row=order.astype(np.int64),
        fingerprint="toy",
    )


def checkerboard(
    num_users: int = 60, num_products: int = 40, likes: int = 10, dislikes: int = 0, seed: int = 0
) -> ReviewTable:
    """Even people like even products, odd people odd ones.

    User number u is "u<u>", product number p is "p<p>". Each person reviews `likes` products of the own parity (4 or 5
    stars) and, before those, `dislikes` of the other one (1 or 2 stars), in random order and at increasing times.
    """
    generator = np.random.default_rng(seed)
    reviews: list[Review] = []
    for user in range(num_users):
        same = generator.permutation(np.arange(user % 2, num_products, 2))[:likes]
        other = generator.permutation(np.arange(1 - user % 2, num_products, 2))[:dislikes]
        for place, product in enumerate([*other, *same]):
            liked = place >= dislikes
            rating = generator.integers(4, 6) if liked else generator.integers(1, 3)
            reviews.append((f"u{user}", f"p{product}", float(rating), 1_000_000 + 3_600 * place))
    return table_of(reviews, [f"p{product}" for product in range(num_products)])


def histories_of(products: Sequence[Sequence[int]]) -> Histories:
    """Histories of product numbers alone, for models that read nothing else; every review number is -1."""
    indptr = np.cumsum([0, *(len(entries) for entries in products)]).astype(np.int64)
    product = np.array([entry for entries in products for entry in entries], dtype=np.int64)
    return Histories(indptr, np.full(len(product), -1, dtype=np.int64), product)
