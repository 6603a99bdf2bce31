from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.dataset.histories import Histories
from tests.support.toy import histories_of

RAGGED = st.lists(st.lists(st.integers(0, 4), max_size=6), max_size=6)


def lists(histories: Histories) -> list[list[int]]:
    ends = histories.indptr.tolist()
    return [histories.product[start:stop].tolist() for start, stop in pairwise(ends)]


def test_rows_lengths_and_ages() -> None:
    histories = histories_of([[7, 8, 9], [], [5]])
    assert len(histories) == 3
    assert histories.lengths.tolist() == [3, 0, 1]
    assert histories.row.tolist() == [0, 0, 0, 2]
    assert histories.age.tolist() == [2, 1, 0, 0]


@given(RAGGED, st.integers(0, 7), st.integers(0, 7))
def test_a_part_is_a_slice(products: list[list[int]], start: int, length: int) -> None:
    start = min(start, len(products))
    histories = histories_of(products).part(start, start + length)
    assert lists(histories) == products[start : start + length]
    assert histories.indptr[0] == 0


@given(RAGGED, st.integers(1, 7))
def test_last_keeps_the_newest(products: list[list[int]], n: int) -> None:
    assert lists(histories_of(products).last(n)) == [entries[-n:] for entries in products]


def test_parts_and_cuts_keep_the_review_numbers_beside_the_products() -> None:
    histories = Histories(np.array([0, 3, 5]), np.array([10, 11, 12, 20, 21]), np.array([0, 1, 2, 0, 1]))
    assert histories.last(2).review.tolist() == [11, 12, 20, 21]
    assert histories.part(1, 2).review.tolist() == [20, 21]


def test_the_matrix_by_hand() -> None:
    matrix = histories_of([[2, 0, 2, 1], [], [3]]).matrix(4, decay=0.5).toarray()
    np.testing.assert_array_equal(matrix, [[0.25, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 1]])


@given(RAGGED, st.sampled_from([1.0, 0.9, 0.5]))
def test_the_matrix_holds_the_newest_weight_of_each_product(products: list[list[int]], decay: float) -> None:
    matrix = histories_of(products).matrix(5, decay)
    expected = np.zeros((len(products), 5))
    for row, entries in enumerate(products):
        for place, product in enumerate(entries):  # later entries overwrite earlier ones
            expected[row, product] = decay ** (len(entries) - 1 - place)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-6)
    assert matrix.nnz == sum(len(set(entries)) for entries in products)  # each pair stored once


def test_weights_of_very_old_products_stay_finite() -> None:
    matrix = histories_of([[0] + [1] * 5_000]).matrix(2, decay=0.5).toarray()
    assert matrix[0].tolist() == pytest.approx([0.0, 1.0])
