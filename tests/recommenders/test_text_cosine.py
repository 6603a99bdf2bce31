from __future__ import annotations

import numpy as np
import pytest

from rec_sys.arrays import Vectors
from rec_sys.errors import DataError
from rec_sys.recommenders.text_cosine import TextCosine
from tests.support.toy import all_of, query_of, table_of

# a, b at right angles; c between them; d away from a; e without text
TEXT = np.array([[2, 0], [0, 0.5], [3, 3], [-1, 0], [0, 0]], dtype=np.float16)
HALF = np.sqrt(0.5)


def cosine(text: Vectors = TEXT, decay: float = 0.9) -> TextCosine:
    table = table_of([("a", f"p{number}", 5, number) for number in range(len(text))])
    return TextCosine(decay=decay).fit(all_of(table, text))


def test_by_hand() -> None:
    model = cosine(decay=1)
    scores = model.score(query_of([[0], [0, 1], [1, 3]]))
    expected = [
        [1, 0, HALF, -1, -2],
        [HALF, HALF, 1, -HALF, -2],  # lengths do not count: the mean of unit vectors points at c
        [-HALF, HALF, 0, HALF, -2],
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_newer_products_weigh_more() -> None:
    scores = cosine(decay=0.5).score(query_of([[0, 1]]))
    length = np.hypot(0.5, 1)
    expected = [0.5 / length, 1 / length, 1.5 * HALF / length, -0.5 / length, -2]
    np.testing.assert_allclose(scores, [expected], atol=1e-6)


def test_histories_without_text_know_nothing_but_who_has_one() -> None:
    np.testing.assert_array_equal(cosine().score(query_of([[], [4]])), [[0, 0, 0, 0, -2]] * 2)


def test_a_product_without_text_in_a_history_changes_nothing() -> None:
    model = cosine(decay=1)
    one, two = model.score(query_of([[0, 1], [0, 4, 1]]))
    np.testing.assert_allclose(one, two, atol=1e-7)


def test_without_texts_it_cannot_be_had() -> None:
    with pytest.raises(DataError, match="none of 3 products has a text"):
        cosine(np.zeros((3, 4), dtype=np.float16))
    with pytest.raises(DataError, match="needs texts, which toy lacks"):
        cosine(np.zeros((3, 0), dtype=np.float16))


def test_similar_products_are_those_with_similar_texts() -> None:
    found = cosine().similar("p0", k=2)
    assert found["product_id"].to_list() == ["p2", "p1"]
    assert found["score"].to_list() == pytest.approx([HALF, 0], abs=1e-6)
