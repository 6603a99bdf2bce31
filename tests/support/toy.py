"""Tiny data with a known right answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Split
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
    """Even users like even products, odd users odd ones.

    User number u is "u<u>", product number p is "p<p>". Each user reviews `likes` products of the own parity (rated 4
    or 5) and, before those, `dislikes` of the other one (rated 1 or 2), in random order and at increasing times.
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


def dataset_of(
    table: ReviewTable,
    train: Ints | None = None,
    product_text: Vectors | None = None,
    review_text: Vectors | None = None,
) -> Dataset:
    """A data set of a table.

    Args:
        table: the reviews.
        train: review numbers to learn from, the only part of the split; None: split by time.
        product_text: (num_products, text_dim) vectors.
        review_text: (num_reviews, text_dim) vectors.
    """
    none = np.zeros(0, dtype=np.int64)
    split = None if train is None else Split(train=train, valid=none, test=none, held_out_users=none)
    return Dataset.of_table(table, split, review_text=review_text, product_text=product_text, name="toy")


def all_of(table: ReviewTable, product_text: Vectors | None = None) -> Dataset:
    """A data set all of which is learned from."""
    return dataset_of(table, np.arange(len(table)), product_text)


def histories_of(products: Sequence[Sequence[int]]) -> Histories:
    """Histories of product numbers alone, for models that read nothing else; every review number is -1."""
    indptr = np.cumsum([0, *(len(entries) for entries in products)]).astype(np.int64)
    product = np.array([entry for entries in products for entry in entries], dtype=np.int64)
    return Histories(indptr, np.full(len(product), -1, dtype=np.int64), product)


def query_of(products: Sequence[Sequence[int]]) -> Query:
    """A query of new users with histories of product numbers alone."""
    return Query(histories_of(products))
