from __future__ import annotations

import numpy as np
import pytest

from rec_sys.arrays import Vectors
from rec_sys.errors import ConfigError, DataError
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.text_ease import TextEASE, centred_texts
from rec_sys.recommenders.training_matrix import training_matrix
from tests.support.toy import all_of, checkerboard, dataset_of, query_of

GENERATOR = np.random.default_rng(0)
TEXT = GENERATOR.normal(size=(40, 6)).astype(np.float16)


def fitted(text_weight: float, text: Vectors = TEXT) -> TextEASE:
    return TextEASE(regularisation=3, text_weight=text_weight).fit(all_of(checkerboard(), text))


def test_is_the_least_squares_fit_of_reviews_and_texts_together() -> None:
    """Column j solves the ridge regression of product j on all others, the text's coordinates being more people."""
    table = checkerboard()
    text = TEXT.astype(np.float64) - TEXT.astype(np.float64).mean(axis=0)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    x = np.vstack([training_matrix(table, np.arange(len(table))).toarray(), np.sqrt(7) * text.T])
    weights = fitted(7).weights
    for j in range(0, 40, 9):
        others = np.delete(x, j, axis=1)
        ridge = np.linalg.solve(others.T @ others + 3 * np.eye(39), others.T @ x[:, j])
        np.testing.assert_allclose(np.delete(weights[:, j], j), ridge, atol=1e-4)
    np.testing.assert_array_equal(np.diag(weights), 0)


def test_without_weight_it_is_ease() -> None:
    table = checkerboard()
    plain = EASE(EASESettings(regularisation=3)).fit(all_of(table))
    np.testing.assert_array_equal(fitted(0).weights, plain.weights)


def test_a_product_without_reviews_is_known_by_its_text() -> None:
    """Nobody has taken the last product; it reads like product 0, so who has 0 is recommended it above all others."""
    table = checkerboard()
    train = np.flatnonzero(table.product != 39)
    text = np.eye(40, dtype=np.float16)
    text[39] = text[0]
    model = TextEASE(regularisation=3, text_weight=50).fit(dataset_of(table, train, text))
    scores = model.score(query_of([[0]]))[0]
    assert scores.argmax() == 39
    plain = EASE(EASESettings(regularisation=3)).fit(dataset_of(table, train))
    assert plain.score(query_of([[0]]))[0, 39] == 0


def test_what_all_texts_share_and_their_lengths_do_not_matter() -> None:
    shifted = TEXT.astype(np.float32) + 4
    np.testing.assert_allclose(fitted(7, shifted).weights, fitted(7, TEXT.astype(np.float32)).weights, atol=1e-4)


def test_a_product_without_text_is_known_by_its_reviews_alone() -> None:
    text = TEXT.copy()
    text[7] = 0
    vectors = centred_texts(text)
    assert vectors[7].tolist() == [0] * 6
    np.testing.assert_allclose(np.linalg.norm(np.delete(vectors, 7, axis=0), axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(fitted(1e-6, text).weights[7], fitted(0).weights[7], atol=1e-6)


def test_what_does_not_go_is_refused() -> None:
    with pytest.raises(DataError, match="none of 40 products has a text"):
        fitted(7, np.zeros((40, 6), dtype=np.float32))
    with pytest.raises(ConfigError, match="limited to 39"):
        TextEASE(max_products=39).fit(all_of(checkerboard(), TEXT))
