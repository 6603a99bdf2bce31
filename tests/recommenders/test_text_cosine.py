from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.text_cosine import TextCosine, TextCosineSettings
from tests.support.recommender_contract import RecommenderContract
from tests.support.toy import checkerboard, histories_of


class TestTextCosineContract(RecommenderContract):
    @classmethod
    def make(cls) -> TextCosine:
        return TextCosine(np.random.default_rng(0).normal(size=(40, 6)).astype(np.float16))

    def test_reads_train(self, fitted: Recommender, table: ReviewTable, split: Split, histories: Histories) -> None:
        """The other way round: here reviews never matter."""
        other = replace(table, product=(table.product * 7 + 3) % table.num_products)
        np.testing.assert_array_equal(self.make().fit(other, split.train).score(histories), fitted.score(histories))


# a, b at right angles; c between them; d away from a; e without text
TEXT = np.array([[2, 0], [0, 0.5], [3, 3], [-1, 0], [0, 0]], dtype=np.float16)
HALF = np.sqrt(0.5)


def test_by_hand() -> None:
    model = TextCosine(TEXT, TextCosineSettings(decay=1))
    scores = model.score(histories_of([[0], [0, 1], [1, 3]]))
    expected = [
        [1, 0, HALF, -1, -2],
        [HALF, HALF, 1, -HALF, -2],  # lengths do not count: the mean of unit vectors points at c
        [-HALF, HALF, 0, HALF, -2],
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_newer_products_weigh_more() -> None:
    scores = TextCosine(TEXT, TextCosineSettings(decay=0.5)).score(histories_of([[0, 1]]))
    length = np.hypot(0.5, 1)
    expected = [0.5 / length, 1 / length, 1.5 * HALF / length, -0.5 / length, -2]
    np.testing.assert_allclose(scores, [expected], atol=1e-6)


def test_histories_without_text_know_nothing_but_who_has_one() -> None:
    np.testing.assert_array_equal(TextCosine(TEXT).score(histories_of([[], [4]])), [[0, 0, 0, 0, -2]] * 2)


def test_a_product_without_text_in_a_history_changes_nothing() -> None:
    model = TextCosine(TEXT, TextCosineSettings(decay=1))
    one, two = model.score(histories_of([[0, 1], [0, 4, 1]]))
    np.testing.assert_allclose(one, two, atol=1e-7)


def test_texts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="none of 3 products has a text"):
        TextCosine(np.zeros((3, 4), dtype=np.float16))
    with pytest.raises(DataError, match="vectors of 5 products, the table has 40"):
        TextCosine(TEXT).fit(checkerboard(), np.arange(3))
