from __future__ import annotations

import numpy as np
import pytest

from rec_sys.errors import ConfigError
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.training_matrix import pair_matrix, training_matrix
from tests.support.toy import all_of, checkerboard, dataset_of, query_of, table_of


def test_two_products_by_hand() -> None:
    """X = [[1, 1], [1, 0]], lambda 1: X'X + I = [[3, 1], [1, 2]], its inverse [[2, -1], [-1, 3]] / 5."""
    table = table_of([("a", "x", 5, 1), ("a", "y", 5, 2), ("b", "x", 5, 1)])
    model = EASE(EASESettings(regularisation=1)).fit(dataset_of(table, np.arange(3)))
    np.testing.assert_allclose(model.weights, [[0, 1 / 3], [1 / 2, 0]], rtol=1e-6)


@pytest.mark.parametrize("num_products", [7, 600])  # 600: more than one strip of the mirrored inverse
def test_is_the_textbook_formula(num_products: int) -> None:
    table = checkerboard(num_users=80, num_products=num_products, likes=3, dislikes=1)
    model = EASE(EASESettings(regularisation=2)).fit(all_of(table))
    x = np.zeros((table.num_users, num_products))
    x[table.user, table.product] = 1
    p = np.linalg.inv(x.T @ x + 2 * np.eye(num_products))
    b = np.eye(num_products) - p @ np.diag(1 / np.diag(p))  # equation 8 of the paper
    np.testing.assert_allclose(model.weights, b, atol=2e-6)
    np.testing.assert_array_equal(np.diag(model.weights), 0)


def test_is_the_least_squares_fit_under_a_zero_diagonal() -> None:
    """Column j solves the ridge regression of product j on all others: no formula of the paper used."""
    table = checkerboard(num_users=30, num_products=12, likes=4)
    model = EASE(EASESettings(regularisation=3)).fit(all_of(table))
    x = training_matrix(table, np.arange(len(table))).toarray().astype(np.float64)
    for j in range(12):
        others = np.delete(x, j, axis=1)
        ridge = np.linalg.solve(others.T @ others + 3 * np.eye(11), others.T @ x[:, j])
        np.testing.assert_allclose(np.delete(model.weights[:, j], j), ridge, atol=1e-5)


def test_repeated_reviews_count_once_in_training() -> None:
    once = table_of([("a", "x", 5, 1), ("a", "y", 5, 2), ("b", "x", 5, 1)])
    twice = table_of([("a", "x", 5, 1), ("a", "x", 5, 1), ("a", "y", 5, 2), ("b", "x", 5, 1), ("b", "x", 1, 4)])
    of_once, of_twice = (EASE().fit(all_of(table)).weights for table in (once, twice))
    np.testing.assert_array_equal(of_once, of_twice)


def test_the_newest_product_of_a_history_weighs_most() -> None:
    model = EASE(EASESettings(regularisation=1, decay=0.5)).fit(dataset_of(checkerboard(), np.arange(300)))
    scores = model.score(query_of([[4, 7, 4, 9]]))  # 4 counts with its newest place
    expected = 0.25 * model.weights[7] + 0.5 * model.weights[4] + model.weights[9]
    np.testing.assert_allclose(scores[0], expected, rtol=1e-4, atol=1e-7)


def test_a_catalogue_too_large_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match=r"40,000 x 40,000 products \(6\.0 GiB.*limited to 30,000"):
        EASE().check_size(40_000)
    EASE().check_size(30_000)
    with pytest.raises(ConfigError, match="limited to 39"):
        EASE(EASESettings(max_products=39)).fit(dataset_of(checkerboard(num_products=40), np.arange(10)))


def test_neighbouring_reviews_count_as_people_of_their_own() -> None:
    """a took x, y, z: with pairs 2 that is as if two more people had taken x and y, and two more y and z."""
    table = table_of([("a", "x", 5, 1), ("a", "y", 5, 2), ("a", "z", 5, 3), ("b", "x", 5, 1)])
    described = [("a", "x", 5, 1), ("a", "y", 5, 2), ("a", "z", 5, 3), ("b", "x", 5, 1)]
    described += [(user, product, 5, 1) for user in ("c", "d") for product in ("x", "y")]
    described += [(user, product, 5, 1) for user in ("e", "f") for product in ("y", "z")]
    settings = EASESettings(regularisation=1, pairs=2)
    weights = EASE(settings).fit(dataset_of(table, np.arange(4))).weights
    as_users = EASE(EASESettings(regularisation=1)).fit(all_of(table_of(described))).weights
    np.testing.assert_allclose(weights, as_users, atol=1e-6)
    without_z = (
        EASE(settings).fit(dataset_of(table, np.array([0, 1, 3]))).weights
    )  # a review that is not trained on is no neighbour
    np.testing.assert_array_equal(without_z[2], 0)


def test_the_same_product_twice_in_a_row_is_no_pair_of_two() -> None:
    table = table_of([("a", "x", 5, 1), ("a", "x", 5, 2), ("a", "y", 5, 3)])
    np.testing.assert_array_equal(pair_matrix(table, np.arange(3)).toarray(), [[1, 0], [1, 1]])
