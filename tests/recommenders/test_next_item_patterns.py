from __future__ import annotations

import numpy as np
import pytest

from rec_sys.dataset.events import EventTable, events_of_reviews
from rec_sys.recommenders import next_item_patterns
from rec_sys.recommenders.next_item_patterns import Patterns, count_patterns, own_min_support
from tests.support.toy import table_of

DAY = 86_400
X, Y, Z = 0, 1, 2


def events_of(*rows: tuple[str, str, int]) -> EventTable:
    """Events of user, product and hour."""
    table = table_of([(user, product, 5.0, 3_600 * hour) for user, product, hour in rows], ["x", "y", "z"])
    return events_of_reviews(table)


def three_customers() -> EventTable:
    return events_of(
        *(("a", "x", 0), ("a", "y", 24)),
        *(("b", "x", 0), ("b", "y", 5), ("b", "z", 72)),  # x and y on one day
        *(("c", "y", 0), ("c", "x", 24), ("c", "y", 48)),
    )


def random_events(dated: bool = True) -> EventTable:
    generator = np.random.default_rng(3)
    size = 1_500
    user, product = generator.integers(0, 40, size), generator.integers(0, 12, size)
    when = generator.integers(0, 15 * DAY if dated else 60, size)
    rows = [(f"u{u}", f"p{p}", 5.0, int(t)) for u, p, t in zip(user, product, when, strict=True)]
    return events_of_reviews(table_of(rows, [f"p{number}" for number in range(12)]))


def one_by_one(events: EventTable, dated: bool) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Support, and repeats on the diagonal, counted customer by customer."""
    num_products = len(events.products)
    step = events.timestamp // DAY if dated else events.timestamp
    counts = np.zeros((num_products, num_products), dtype=np.int64)
    for user in range(len(events.users)):
        days = [step[(events.user == user) & (events.product == product)] for product in range(num_products)]
        for x in range(num_products):
            for y in range(num_products):
                counts[x, y] += len(days[x]) > 0 and len(days[y]) > 0 and days[x].min() < days[y].max()
    return counts


def test_three_customers_by_hand() -> None:
    found = count_patterns(three_customers(), True, 1)
    assert found.counts.toarray().tolist() == [[0, 2, 1], [1, 0, 1], [0, 0, 0]]
    assert found.repeats.tolist() == [0, 1, 0]
    assert found.customers.tolist() == [3, 3, 1]
    assert found.came_back.tolist() == [3, 2, 0]  # a has y on their last day
    assert found.num_customers == 3
    np.testing.assert_allclose(found.confidence, [2 / 3, 1 / 3, 1 / 2, 1 / 2])
    assert found.total == 4
    assert found.average_confidence == pytest.approx(0.5)
    # m = 2, share of y 1: (2 + 2) / (3 + 2); share of z 1/3: (1 + 2/3) / (3 + 2)
    np.testing.assert_allclose(found.probability(2)[:2], [4 / 5, 1 / 3], rtol=1e-6)


def test_what_is_below_the_minimum_support_is_no_pattern() -> None:
    found = count_patterns(three_customers(), True, 2)
    assert found.counts.toarray().tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert found.at(2)[0] == 1
    assert found.at(2)[1] == pytest.approx(2 / 3)
    assert found.came_back.tolist() == [3, 2, 0]  # these count everybody


def test_a_customer_counts_once_however_often_they_come() -> None:
    rows = [("a", "x" if hour % 48 == 0 else "y", hour) for hour in range(0, 480, 24)]
    found = count_patterns(events_of(*rows), True, 1)
    assert found.counts.toarray()[:2, :2].tolist() == [[0, 1], [1, 0]]
    assert found.repeats.tolist() == [1, 1, 0]


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("at_once", [10_000_000, 7])
def test_equals_counting_customer_by_customer(dated: bool, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_item_patterns, "AT_ONCE", at_once)  # 7: customers are cut in two
    events = random_events(dated)
    expected = one_by_one(events, dated)
    found = count_patterns(events, dated, 1)
    np.testing.assert_array_equal(found.counts.toarray() + np.diag(found.repeats), expected)
    kept = count_patterns(events, dated, 32).counts.toarray()
    np.fill_diagonal(expected, 0)
    assert 0 < (expected >= 32).sum() < (expected > 0).sum()
    np.testing.assert_array_equal(kept, np.where(expected >= 32, expected, 0))


def test_nothing_on_a_later_day_is_no_pattern() -> None:
    found = count_patterns(events_of(("a", "x", 0), ("a", "y", 3), ("b", "x", 7)), True, 1)
    assert found.total == 0
    assert np.isnan(found.average_confidence)
    assert found.at(1)[0] == 0
    assert found.came_back.tolist() == [0, 0, 0]


def test_arrays_hold_everything() -> None:
    found = count_patterns(three_customers(), True, 1)
    again = Patterns.of_arrays(found.arrays())
    assert again.counts.toarray().tolist() == found.counts.toarray().tolist()
    np.testing.assert_array_equal(again.probability(3), found.probability(3))
    assert (again.num_customers, again.min_support) == (3, 1)


def test_lift_is_what_a_pattern_adds_to_the_share() -> None:
    found = count_patterns(three_customers(), True, 1)
    lift = found.lift(2).toarray()
    assert lift[X, Y] == 0  # a probability of 4/5, but everybody has y
    assert lift[Y, Z] == pytest.approx((1 + 2 / 3) / 4 - 1 / 3)


@pytest.mark.parametrize(("customers", "support"), [(1, 2), (150, 2), (1_000, 5), (4_000, 20), (1_000_000, 20)])
def test_the_minimum_support_follows_the_number_of_customers(customers: int, support: int) -> None:
    assert own_min_support(customers) == support
