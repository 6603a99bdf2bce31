from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rec_sys.errors import DataError
from rec_sys.recommenders.rating_bias import RatingBias, RatingBiasSettings
from tests.support.toy import checkerboard, table_of


def numbers(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def test_finds_the_biases_that_made_the_ratings() -> None:
    generous, liked = np.array([-0.5, 0.0, 0.5]), np.array([-1.0, 0.0, 0.5, 0.5])
    table = table_of(
        [(f"u{u}", f"p{p}", 3 + generous[u] + liked[p], 10 * u + p) for u in range(3) for p in range(4)],
    )
    model = RatingBias(RatingBiasSettings(user_shrinkage=0, product_shrinkage=0)).fit(table, np.arange(12))
    np.testing.assert_allclose(model.predict(table.user, table.product), table.rating, atol=1e-5)
    assert model.mean == pytest.approx(3.0)
    np.testing.assert_allclose(model.user_bias, generous, atol=1e-6)


def test_damping_by_hand() -> None:
    """Mean 4; x has left 2 reviews of 5: 2 / (2 + 2) = .5, y 2 of 3: -.5; then a: (.5 - .5) and nothing is left."""
    table = table_of([("a", "x", 5, 1), ("a", "y", 3, 2), ("b", "x", 5, 1), ("b", "y", 3, 2)])
    model = RatingBias(RatingBiasSettings(product_shrinkage=2, user_shrinkage=1, rounds=1)).fit(table, np.arange(4))
    np.testing.assert_allclose(model.product_bias, [0.5, -0.5])
    np.testing.assert_allclose(model.user_bias, [0, 0])
    np.testing.assert_allclose(model.predict(numbers(0, 1), numbers(0, 1)), [4.5, 3.5])


def test_is_the_minimum_of_the_penalised_squares() -> None:
    """Alternating means settle where ridge regression on dummy variables does."""
    table = checkerboard(num_users=12, num_products=10, likes=4, dislikes=2)
    settings = RatingBiasSettings(user_shrinkage=3, product_shrinkage=2, rounds=200)
    model = RatingBias(settings).fit(table, np.arange(len(table)))
    x = np.zeros((len(table), 22))
    x[np.arange(len(table)), table.user] = x[np.arange(len(table)), 12 + table.product] = 1
    penalty = np.diag([3.0] * 12 + [2.0] * 10)
    ridge = np.linalg.solve(x.T @ x + penalty, x.T @ (table.rating - model.mean))
    np.testing.assert_allclose(np.concatenate([model.user_bias, model.product_bias]), ridge, atol=1e-5)


def test_unknown_users_and_products_have_no_bias() -> None:
    table = table_of([("c", "z", 1, 1), ("a", "x", 5, 1), ("a", "y", 2, 2), ("b", "x", 4, 1), ("b", "y", 4, 2)])
    train = numbers(1, 2, 3, 4)  # c and z, both number 0, are not learned from
    model = RatingBias().fit(table, train)
    assert model.user_bias[-1] != 0  # so -1 must not mean "the last one"
    assert model.product_bias[-1] != 0
    by_new_user = model.predict(numbers(0, -1), numbers(1, 1))
    np.testing.assert_allclose(by_new_user, model.mean + model.product_bias[1], rtol=1e-6)
    np.testing.assert_allclose(model.predict(numbers(0, -1), numbers(0, -1)), model.mean, rtol=1e-6)


def test_predictions_stay_within_one_and_five_stars() -> None:
    reviews = [("a", "x", 5.0, 1), ("a", "y", 5.0, 2), ("b", "x", 5.0, 1), ("b", "z", 1.0, 2), ("c", "z", 1.0, 3)]
    table = table_of(reviews)
    model = RatingBias(RatingBiasSettings(user_shrinkage=0, product_shrinkage=0, rounds=1)).fit(table, np.arange(5))
    model.user_bias[:] = [4, 0, -4]
    np.testing.assert_array_equal(model.predict(numbers(0, 2), numbers(0, 2)), [5, 1])


def test_missing_ratings_are_left_out() -> None:
    table = checkerboard(num_users=10, dislikes=3)
    rating = table.rating.copy()
    rating[::2] = np.nan
    holed = replace(table, rating=rating)
    model = RatingBias().fit(holed, np.arange(len(holed)))
    only_rated = RatingBias().fit(table, np.arange(len(table))[1::2])
    np.testing.assert_array_equal(
        model.predict(table.user, table.product), only_rated.predict(table.user, table.product)
    )


def test_data_without_any_rating_is_refused() -> None:
    table = table_of([("a", "x", float("nan"), 1), ("b", "x", float("nan"), 1)])
    with pytest.raises(DataError, match="none of 2 training reviews has a rating"):
        RatingBias().fit(table, np.arange(2))
