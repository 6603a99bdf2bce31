from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rating_sets import rating_set
from rec_sys.recommenders.biased_als import BiasedALS
from rec_sys.recommenders.rating_bias import RatingBiasSettings, UserProductBias
from tests.support.toy import all_of

TABLE = rating_set(25, 20, 8).table


def test_each_user_is_the_minimum_for_the_products() -> None:
    """Ridge regression on the factors of the products, by hand."""
    model = BiasedALS(factors=3, regularisation=0.7, bias_shrinkage=2.0).fit(all_of(TABLE))
    for user in range(25):
        rows = TABLE.user == user
        product = TABLE.product[rows]
        x = np.column_stack([np.ones(rows.sum()), model.product_factors[product]])
        left = TABLE.rating[rows] - model.mean - model.product_bias[product]
        expected = np.linalg.solve(x.T @ x + np.diag([2.0, 0.7, 0.7, 0.7]), x.T @ left)
        own = [model.user_bias[user], *model.user_factors[user]]
        np.testing.assert_allclose(own, expected, atol=1e-4)


def test_more_iterations_lower_what_is_minimised() -> None:
    def loss(iterations: int) -> float:
        model = BiasedALS(factors=3, regularisation=1.0, bias_shrinkage=2.0, iterations=iterations).fit(all_of(TABLE))
        predicted = (
            model.mean
            + model.user_bias[TABLE.user]
            + model.product_bias[TABLE.product]
            + (model.user_factors[TABLE.user] * model.product_factors[TABLE.product]).sum(axis=1)
        )
        squares = (model.user_bias**2).sum() + (model.product_bias**2).sum()
        factors = (model.user_factors**2).sum() + (model.product_factors**2).sum()
        return float(((TABLE.rating - predicted) ** 2).sum() + 2 * squares + factors)

    losses = [loss(each) for each in (1, 2, 4, 8, 16, 32)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1.05 * losses[-1]


def test_without_room_for_factors_it_is_the_bias() -> None:
    model = BiasedALS(regularisation=1e9, iterations=200).fit(all_of(TABLE))
    bias = UserProductBias(RatingBiasSettings(rounds=200)).fit(all_of(TABLE))
    np.testing.assert_allclose(
        model.predict_ratings(TABLE.user, TABLE.product), bias.predict_ratings(TABLE.user, TABLE.product), atol=1e-4
    )


@pytest.mark.parametrize("at_once", [1, 60, 300])
def test_working_in_parts_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = BiasedALS(factors=3, regularisation=1.0).fit(all_of(TABLE))
    monkeypatch.setattr("rec_sys.recommenders.biased_als.AT_ONCE", at_once)
    parts = BiasedALS(factors=3, regularisation=1.0).fit(all_of(TABLE))
    np.testing.assert_allclose(parts.user_factors, whole.user_factors, atol=1e-5)
