from __future__ import annotations

import numpy as np

from rec_sys.recommenders.trending.sales_matrix import sales_matrix
from tests.support.sales import MONDAY, sales_of_days


def test_a_week_is_complete_or_left_out() -> None:
    pieces = np.ones((1, 24))  # from a Wednesday on: 5 days, two weeks, 5 days
    matrix = sales_matrix(sales_of_days(pieces, MONDAY + 2), "week")
    assert matrix.start(0) == np.datetime64(MONDAY + 7, "D")
    np.testing.assert_array_equal(matrix.sales, [[7, 7]])
    assert matrix.left_out == ("10 pieces in weeks that are not whole, or long past, are left out",)


def test_the_last_day_may_be_half_a_day() -> None:
    sales = sales_of_days(np.ones((1, 14)))
    assert sales_matrix(sales, "week").num_periods == 1
    assert sales_matrix(sales, "week", trust_last_day=True).num_periods == 2
    assert sales_matrix(sales, "day").num_periods == 13


def test_more_returned_than_sold_counts_as_nothing_and_is_said() -> None:
    pieces = np.array([[5, 0, -8, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]])
    matrix = sales_matrix(sales_of_days(pieces), "week")
    np.testing.assert_array_equal(matrix.sales, [[0, 7]])
    assert "1 weeks of products with more returned than sold count as 0 (3 pieces)" in matrix.left_out


def test_what_a_period_holds() -> None:
    pieces = np.array([[5, 0, 3, -1, 0, 0, 0, 2]])
    matrix = sales_matrix(sales_of_days(pieces), "week")
    assert (matrix.sales[0, 0], matrix.selling_days[0, 0], matrix.largest[0, 0]) == (7, 2, 5)
    assert matrix.revenue[0, 0] == 14


def shop(weeks: int, closed: tuple[int, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """30 products, 1 piece each on every open day; never open on Saturdays."""
    pieces = np.ones((30, weeks * 7 + 1))
    pieces[:, 5::7] = 0
    pieces[:, list(closed)] = 0
    return pieces


def test_open_days_are_counted() -> None:
    matrix = sales_matrix(sales_of_days(shop(9, closed=(14, 15, 16))), "week")  # three days of the third week
    weights, ahead = matrix.weights(2)
    np.testing.assert_allclose(weights, [1, 1, 0.5, 1, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(ahead, [1, 1])


def test_closed_weekdays_sell_nothing() -> None:
    matrix = sales_matrix(sales_of_days(shop(9, closed=(14,))), "day")
    weights, ahead = matrix.weights(7)
    assert weights[14] == 0
    assert weights[5] == 0
    np.testing.assert_allclose(ahead, [1, 1, 1, 1, 1, 0, 1])


def test_where_little_is_sold_a_day_without_sales_says_nothing() -> None:
    pieces = shop(9, closed=(14, 15, 16))[:3]
    assert sales_matrix(sales_of_days(pieces), "week").open_days().all()


def test_until_knows_nothing_of_what_comes() -> None:
    pieces = shop(9, closed=())
    other = pieces.copy()
    other[:, 28:] = 7
    first, second = (sales_matrix(sales_of_days(each), "week").until(4) for each in (pieces, other))
    for name in ("sales", "selling_days", "largest", "revenue", "sold", "day_total"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
