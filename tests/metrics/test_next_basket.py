from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rec_sys.arrays import Floats
from rec_sys.dataset.events import EventTable, events_of_reviews
from rec_sys.dataset.query import Query
from rec_sys.metrics.next_basket import baskets_after, evaluate_baskets, hold_out
from tests.support.toy import table_of

DAY = 86_400
PRODUCTS = [f"p{number}" for number in range(6)]


def events_of(*rows: tuple[str, int, int, int]) -> EventTable:
    """Events of user, product number, hour and basket, sorted by user and hour as they come."""
    table = table_of([(user, f"p{product}", 5.0, 3_600 * hour) for user, product, hour, _ in rows], PRODUCTS)
    return replace(events_of_reviews(table), basket=np.array([basket for *_, basket in rows], dtype=np.int64))


class Given:
    """The same scores for everybody."""

    name = "given"

    def __init__(self, scores: list[float], max_history: int = 5) -> None:
        self.scores, self.max_history = np.array(scores, dtype=np.float32), max_history
        self.longest = 0

    def score(self, query: Query) -> Floats:
        self.longest = max(self.longest, int(query.histories.lengths.max()))
        return np.tile(self.scores, (len(query), 1))


def shop() -> EventTable:
    return events_of(
        *(("a", 0, 0, 1), ("a", 1, 1, 1), ("a", 0, 30, 2), ("a", 2, 30, 2), ("a", 3, 31, 3)),
        *(("b", 4, 2, 4), ("b", 5, 40, 5), ("b", 5, 41, 5)),
        *(("c", 1, 30, 6), ("c", 2, 60, 7)),
        *(("d", 1, 30, 8),),
    )


def test_a_basket_is_asked_with_what_was_on_earlier_days() -> None:
    found = baskets_after(shop(), DAY)
    contents = [part.tolist() for part in np.split(found.product, found.indptr[1:-1])]
    assert contents == [[0, 2], [3], [5], [2]]  # the basket of d, and the first one of c, have no history
    histories = [part.tolist() for part in np.split(found.query.histories.product, found.query.histories.indptr[1:-1])]
    assert histories == [[0, 1], [0, 1], [4], [1]]  # the third basket does not know the second, of the same day
    assert found.query.users is not None
    assert found.query.users.tolist() == [0, 0, 1, 2]
    assert found.query.time is not None
    assert found.query.time.tolist() == [30 * 3_600, 31 * 3_600, 40 * 3_600, 60 * 3_600]
    assert found.sizes("all").tolist() == [2, 1, 1, 1]
    assert found.sizes("new").tolist() == [1, 1, 1, 1]


def test_the_limit_spaces_baskets_evenly() -> None:
    found = baskets_after(shop(), DAY, limit=2)
    assert [part.tolist() for part in np.split(found.product, found.indptr[1:-1])] == [[0, 2], [2]]
    assert len(baskets_after(shop(), DAY, limit=9)) == 4


def test_figures_by_hand() -> None:
    baskets = baskets_after(shop(), DAY).part(0, 1)  # holds 0, which was there before, and 2
    scores = np.array([[9, 8, 7, 6, 5, 4]], dtype=np.float32)
    found = {name: values.tolist() for name, values in baskets.figures(scores, "all", 2).items()}
    ideal = 1 + 1 / np.log2(3)
    assert found == {"hr@2": [1.0], "recall@2": [0.5], "ndcg@2": [pytest.approx(1 / ideal)]}
    new = {name: values.tolist() for name, values in baskets.figures(scores, "new", 2).items()}
    assert new == {"hr@2": [1.0], "recall@2": [1.0], "ndcg@2": [1.0]}  # 0 and 1 are left out, so 2 is first


def test_evaluation_is_the_mean_over_baskets_with_something_to_find() -> None:
    events = events_of(("a", 0, 0, 1), ("a", 0, 30, 2), ("b", 1, 0, 3), ("b", 2, 30, 4))
    model = Given([5, 4, 3, 2, 1, 0])
    found = evaluate_baskets(model, baskets_after(events, DAY), k=1)
    assert found["all"] == {"hr@1": 0.5, "recall@1": 0.5, "ndcg@1": 0.5, "baskets": 2}
    assert found["new"] == {"hr@1": 0.0, "recall@1": 0.0, "ndcg@1": 0.0, "baskets": 1}  # b is offered 0, takes 2


def test_a_model_is_given_as_much_of_a_history_as_it_reads() -> None:
    rows = [("a", product, product, 1) for product in range(6)] + [("a", 0, 30, 2)]
    baskets = baskets_after(events_of(*rows), DAY)
    model = Given([0, 1, 2, 3, 4, 5])
    evaluate_baskets(model, baskets)
    assert model.longest == 5
    evaluate_baskets(model, baskets, max_history=6)
    assert model.longest == 6


def test_what_the_model_does_not_read_was_had_all_the_same() -> None:
    rows = [("a", product, product, 1) for product in range(5)] + [("a", 0, 30, 2), ("a", 5, 30, 2)]
    found = evaluate_baskets(Given([9, 1, 1, 1, 1, 2], max_history=1), baskets_after(events_of(*rows), DAY), k=1)
    assert found["new"]["hr@1"] == 1.0


def test_two_way_scorers_are_asked_both_ways() -> None:
    class TwoWay(Given):
        def score_both_ways(self, query: Query) -> tuple[Floats, Floats]:
            filtered = np.tile(np.array([0, 0, 9, 0, 0, 0], dtype=np.float32), (len(query), 1))
            return filtered, self.score(query)

    events = events_of(("a", 0, 0, 1), ("a", 0, 30, 2), ("a", 2, 30, 2))
    found = evaluate_baskets(TwoWay([9, 5, 0, 0, 0, 0]), baskets_after(events, DAY), k=1)
    assert (found["all"]["hr@1"], found["new"]["hr@1"]) == (1.0, 1.0)


def many(days: int = 40) -> EventTable:
    """Thirty customers who come every day."""
    rows = [(f"u{user:02}", (user + day) % 6, 24 * day, -1) for user in range(30) for day in range(days)]
    return events_of(*rows)


def test_by_time_nothing_learned_is_later_than_what_is_to_be_found() -> None:
    before, baskets = hold_out(many(), True)
    assert before.timestamp.max() == 35 * DAY  # a tenth of 40 days
    assert baskets.query.time is not None
    assert baskets.query.time.min() == 36 * DAY
    assert len(baskets) == 30 * 4
    assert len(before) + len(baskets) == len(many())


def test_without_times_the_last_of_each_user_is_held_out() -> None:
    events = many(3)
    before, baskets = hold_out(events, False)
    assert len(before) == 60
    assert len(baskets) == 30
    assert baskets.query.histories.lengths.tolist() == [2] * 30


def test_few_baskets_by_time_are_taken_from_each_user_instead() -> None:
    before, baskets = hold_out(shop(), True)
    assert len(baskets) == 4
    assert len(before) == 4  # a and b keep their first day, c their first; of d nothing is left


def test_without_a_later_day_there_is_nothing_to_find() -> None:
    before, baskets = hold_out(events_of(("a", 0, 0, 1), ("a", 1, 2, 1), ("b", 1, 3, 2)), True)
    assert len(baskets) == 0
    assert len(before) == 0
    found = evaluate_baskets(Given([1] * 6), baskets)
    assert found["all"]["baskets"] == 0
    assert np.isnan(found["all"]["hr@10"])
