from __future__ import annotations

import numpy as np
import pytest

from rec_sys.dataset.ratings import ratings_of
from rec_sys.errors import DataError
from tests.support.toy import Review, table_of

NAN = float("nan")
REVIEWS: list[Review] = [
    ("b", "y", 2, 40),
    ("b", "x", 3, 10),
    ("a", "x", 5, 30),
    ("b", "x", 4, 20),  # again, later: counts
    ("a", "y", NAN, 5),
    ("a", "z", 1, 50),
    ("a", "x", 2, 1),  # earlier, though later in the file
]


def seen(reviews: list[Review]) -> list[tuple[str, str, float]]:
    table = table_of(reviews)
    ratings = ratings_of(table, np.arange(len(table)))
    return [
        (table.users.id(ratings.users[user]), table.products.id(ratings.products[product]), rating)
        for user, product, rating in zip(ratings.user, ratings.product, ratings.rating, strict=True)
    ]


def test_one_newest_rating_per_pair_by_id_and_what_is_left_out_is_counted() -> None:
    assert seen(REVIEWS) == [("a", "x", 5), ("a", "z", 1), ("b", "x", 4), ("b", "y", 2)]
    table = table_of(REVIEWS)
    ratings = ratings_of(table, np.arange(7))
    assert (ratings.unrated, ratings.repeated) == (1, 2)
    assert (
        ratings.left_out
        == "Left out: 1 reviews without a rating and 2 older ratings of the same product by the same user."
    )
    np.testing.assert_array_equal(table.rating[ratings.review], ratings.rating)


def test_the_order_of_the_file_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    for _ in range(10):
        assert seen([REVIEWS[place] for place in generator.permutation(len(REVIEWS))]) == seen(REVIEWS)


def test_only_the_given_reviews_count_in_any_order() -> None:
    table = table_of(REVIEWS)
    old = np.flatnonzero((table.timestamp < 35) & ~np.isnan(table.rating))
    ratings = ratings_of(table, old[::-1])
    assert ratings.rating.tolist() == [5, 4]
    assert (ratings.unrated, ratings.repeated, ratings.left_out) == (0, 2, ratings.left_out)
    assert ratings_of(table, old[-1:]).left_out == ""


def test_without_any_rating_it_is_said() -> None:
    table = table_of([("a", "x", NAN, 1), ("b", "x", NAN, 2)])
    with pytest.raises(DataError, match="none of 2 reviews has a rating"):
        ratings_of(table, np.arange(2))
