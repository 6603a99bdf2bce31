"""What the contract test cannot know: order, days, repeats, popularity of late, what is said of a prediction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.load import load_dataset
from rec_sys.dataset.query import Query
from rec_sys.errors import ConfigError, NotFittedError, UnknownIdError
from rec_sys.metrics.next_basket import EventFeatures, baskets_after, evaluate_baskets
from rec_sys.recommenders import registry
from rec_sys.recommenders.next_item import NextItem
from rec_sys.recommenders.next_item_blend import Blend, ages, newest_weights
from tests.support.toy import Review, all_of, checkerboard, histories_of, table_of

DAY = 86_400
PATTERNS_ALONE: dict[str, Any] = {"linear": 0, "patterns": 1, "popularity": 0.001, "own": 0, "decay": 0.5, "prior": 1}


def frame(found: Any) -> pl.DataFrame:
    assert isinstance(found, pl.DataFrame)
    return found


def chain_of(customers: int = 12) -> Dataset:
    """Each customer takes one of two starts, a day later what follows it, and all at last "end"; "end" is old too."""
    rows: list[Review] = [("old", "end", 5, 0), ("old", "end", 5, DAY)]
    for number in range(customers):
        start = "a" if number % 2 else "b"
        first = (number % 5) * DAY
        rows += [(f"u{number}", start, 5, first), (f"u{number}", start + "2", 5, first + DAY)]
        rows += [(f"u{number}", "end", 5, first + 3 * DAY)]
    return all_of(table_of(rows, ["a", "a2", "b", "b2", "end", "never"]))


@pytest.fixture(scope="module")
def model() -> NextItem:
    return NextItem(**PATTERNS_ALONE).fit(chain_of())


# ---- patterns and predictions ---------------------------------------------------------------------------------------


def test_patterns_of_a_product(model: NextItem) -> None:
    found = frame(model.patterns("a"))
    assert found.columns == ["product_id", "next_id", "support", "confidence", "probability"]
    assert found["next_id"].to_list() == ["end", "a2"]  # as many, but more customers have the end
    assert found["support"].to_list() == [6, 6]
    assert found["confidence"].to_list() == [1.0, 1.0]
    assert found["probability"].to_list() == pytest.approx([(6 + 13 / 13) / 7, (6 + 6 / 13) / 7])
    assert frame(model.patterns("never")).is_empty()
    assert frame(model.patterns("end"))["next_id"].to_list() == []  # order matters: nothing comes after it


def test_patterns_of_all_products(model: NextItem) -> None:
    found = frame(model.patterns(k=100))
    pairs = set(zip(found["product_id"], found["next_id"], strict=True))
    assert pairs == {("a", "a2"), ("a", "end"), ("b", "b2"), ("b", "end"), ("a2", "end"), ("b2", "end")}
    assert found["probability"].is_sorted(descending=True)
    assert len(frame(model.patterns(k=2))) == 2


def test_facts_of_the_whole_model(model: NextItem) -> None:
    assert model.facts["total_patterns"] == 6
    assert model.facts["average_confidence"] == pytest.approx(1.0)
    assert model.facts["min_support"] == 2
    assert model.facts["customers"] == 13


def test_a_prediction_says_what_it_rests_on(model: NextItem) -> None:
    found = frame(model.predict(["a"], k=3))
    columns = ["rank", "product_id", "name", "score", "because", "probability", "confidence", "support"]
    assert found.columns == columns
    first = found.row(0, named=True)
    assert (first["product_id"], first["because"], first["support"], first["confidence"]) == ("a2", "a", 6, 1.0)
    assert first["probability"] == pytest.approx((6 + 6 / 13) / 7)


def test_without_a_pattern_the_share_is_said(model: NextItem) -> None:
    found = frame(model.predict(["never"], k=6)).filter(pl.col("product_id") == "end").row(0, named=True)
    assert found["probability"] == pytest.approx(1.0)
    assert (found["because"], found["confidence"], found["support"]) == (None, None, None)


def test_the_strongest_product_of_the_history_is_named(model: NextItem) -> None:
    because = dict(frame(model.predict(["b", "a"], k=6)).select("product_id", "because").iter_rows())
    assert (because["a2"], because["b2"]) == ("a", "b")


def test_predictions_can_leave_out_the_history(model: NextItem) -> None:
    assert "a" in frame(model.predict(["a"], k=6))["product_id"]
    found = frame(model.predict(["a"], k=6, exclude_seen=True))["product_id"]
    assert sorted(found) == ["a2", "b", "b2", "end", "never"]


def test_an_empty_history_is_predicted(model: NextItem) -> None:
    found = frame(model.predict([], k=2))
    assert found["product_id"][0] == "end"
    assert found["support"].to_list() == [None, None]


def test_the_newest_product_counts_most(model: NextItem) -> None:
    """A history is read oldest first."""
    assert frame(model.predict(["b", "a"], k=1, exclude_seen=True))["product_id"].to_list() == ["a2"]
    assert frame(model.predict(["a", "b"], k=1, exclude_seen=True))["product_id"].to_list() == ["b2"]


def test_wrong_questions_are_refused(model: NextItem) -> None:
    with pytest.raises(ConfigError, match="k=0"):
        model.patterns(k=0)
    with pytest.raises(ConfigError, match="k=0"):
        model.predict(["a"], k=0)
    with pytest.raises(UnknownIdError, match="'q'"):
        model.patterns("q")
    with pytest.raises(NotFittedError):
        NextItem().patterns()


def test_it_says_how_users_are_answered(model: NextItem) -> None:
    query = Query(histories_of([[], [0, 4], [5]]))
    assert model.answered_by(query) == [
        "popularity: empty history",
        "patterns of 1 of 2 products",
        "own repeats and popularity: no patterns",
    ]


# ---- repeats, popularity, days --------------------------------------------------------------------------------------


def test_own_repeats_lead_and_can_be_left_out() -> None:
    rows: list[Review] = [
        (f"u{user}", f"own{user % 4}", 5, (user + 1 + 7 * week) * DAY) for user in range(24) for week in range(6)
    ]
    rows += [(f"u{user}", "everybody", 5, user * DAY) for user in range(24)]
    model = NextItem().fit(all_of(table_of(rows)))
    assert model.choice.baskets >= 20
    assert model.blend.own > 0
    history = ["own2", "own2"]
    assert frame(model.recommend(history=history, k=1, exclude_seen=False))["product_id"].to_list() == ["own2"]
    assert "own2" not in frame(model.recommend(history=history, k=9))["product_id"].to_list()
    again = frame(model.predict(history, k=1)).row(0, named=True)
    assert (again["because"], again["support"], again["confidence"]) == ("own2", 6, 1.0)


def test_what_nobody_takes_twice_is_not_offered_again() -> None:
    model = NextItem().fit(all_of(checkerboard(likes=8)))
    assert model.blend.own < 0


def test_popularity_is_that_of_the_last_days() -> None:
    rows: list[Review] = [(f"u{number}", "before", 5, number * DAY) for number in range(30)]
    rows += [(f"v{number}", "lately", 5, (60 + number) * DAY) for number in range(20)]
    rows += [("w", "once", 5, 0)]
    model = NextItem(popularity=0.1).fit(all_of(table_of(rows)))
    assert frame(model.recommend(history=[], k=3))["product_id"].to_list() == ["lately", "before", "once"]


def test_ages_count_days_with_something_on_them() -> None:
    histories = histories_of([[0, 1, 2, 3], [], [1]])
    times = np.array([0, 3_600, 5 * DAY, 9 * DAY, 0], dtype=np.int64)
    query = Query(type(histories)(histories.indptr, np.arange(5), histories.product), EventFeatures(times))
    assert ages(query, dated=True).tolist() == [2, 2, 1, 0, 0]
    assert ages(query, dated=False).tolist() == [3, 2, 1, 0, 0]  # places in an order
    assert ages(Query(histories), dated=True).tolist() == [3, 2, 1, 0, 0]  # a mere list


def test_a_product_weighs_what_its_newest_time_weighs() -> None:
    query = Query(histories_of([[2, 0, 2], [1]]))
    weights = newest_weights(query, ages(query, dated=True), 0.5, 4)
    assert weights.toarray().tolist() == [[0.5, 0, 1, 0], [0, 1, 0, 0]]


def test_newer_purchases_weigh_more_in_the_linear_part() -> None:
    """Who had x took y long ago, and z lately."""
    rows: list[Review] = [("end", "w", 5, 400 * DAY)]
    for number in range(10):
        rows += [(f"o{number}", "x", 5, DAY), (f"o{number}", "y", 5, 2 * DAY)]
        rows += [(f"n{number}", "x", 5, 398 * DAY), (f"n{number}", "z", 5, 399 * DAY)]
    data = all_of(table_of(rows))
    fixed: dict[str, Any] = {"patterns": 0, "popularity": 0, "own": 0, "regularisation": 1}
    alike = NextItem(half_life=0, **fixed).fit(data).score(Query(histories_of([[1]])))[0]
    newer = NextItem(half_life=30, **fixed).fit(data).score(Query(histories_of([[1]])))[0]
    y, z = data.table.products.number("y"), data.table.products.number("z")
    assert alike[y] == pytest.approx(alike[z], rel=1e-4)
    assert newer[z] > 5 * newer[y]


def test_in_the_log_of_one_day_the_times_are_the_order(caplog: pytest.LogCaptureFixture) -> None:
    rows: list[Review] = [(f"u{n}", p, 5, 60 * place) for n in range(9) for place, p in enumerate(("x", "y", "z"))]
    rows += [(f"v{n}", p, 5, 60) for n in range(9) for p in ("x", "q")]  # one invoice, no order
    with caplog.at_level(logging.WARNING):
        model = NextItem().fit(all_of(table_of(rows)))
    pairs = frame(model.patterns(k=99)).select("product_id", "next_id").rows()
    assert sorted(pairs) == [("x", "y"), ("x", "z"), ("y", "z")]
    assert "the order within a day counts" in caplog.text


# ---- what is chosen, what is kept ----------------------------------------------------------------------------------


def test_given_weights_are_not_chosen() -> None:
    model = NextItem(**PATTERNS_ALONE, own_decay=0.7, trend=0.3, regularisation=7, half_life=5).fit(chain_of())
    given = Blend(0, 1, 0.001, 0, 0.5, 0.7, 0.3, 7, 5)
    assert model.blend == given
    assert model.with_settings(own=2).blend.own == 2


def test_a_large_catalogue_has_no_linear_part(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = NextItem(max_products=39).fit(all_of(checkerboard()))
    assert any("no linear part" in record.message for record in caplog.records)
    assert model.facts["linear_part"] is False
    parities = [int(each[1:]) % 2 for each in frame(model.recommend(history=["p2", "p4"], k=5))["product_id"]]
    assert parities == [0] * 5  # patterns do it


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "x", 5, 0), ("b", "y", 5, 0), ("b", "x", 5, 0)],  # all of one time
        [("a", "x", 5, 0), ("a", "x", 5, DAY), ("b", "x", 5, 0)],  # one product
        [("a", "x", 5, 0), ("a", "y", 5, DAY)],  # one user
    ],
)
def test_data_that_says_little_is_answered_by_popularity(rows: list[Review], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = NextItem().fit(all_of(table_of(rows)))
    assert model.facts["total_patterns"] == 0
    assert model.facts["average_confidence"] is None
    assert frame(model.recommend(history=[], k=1))["product_id"].to_list() == ["x"]
    assert (not model.choice.baskets) == ("default" in model.chosen) == ("the defaults" in caplog.text)
    assert [section.rows[0]["patterns"] for section in model.sections(model.data)[:1]] == [0]


def test_what_was_counted_and_chosen_is_saved(model: NextItem, tmp_path: Path) -> None:
    again = registry.load(model.save(tmp_path / "model"))
    assert isinstance(again, NextItem)
    assert (again.facts, again.blend) == (model.facts, model.blend)
    assert frame(again.patterns(k=9)).equals(frame(model.patterns(k=9)))
    assert frame(again.predict(["a", "b"])).equals(frame(model.predict(["a", "b"])))


def test_the_report_has_patterns_and_both_columns() -> None:
    data = all_of(checkerboard())
    model = NextItem().fit(data)
    patterns, by_time = model.sections(data)
    assert [row["support"] for row in patterns.rows] == [2, 5, 10, 20, 50]
    assert patterns.figures["patterns/total"] == patterns.rows[0]["patterns"] == model.facts["total_patterns"]
    assert [row["model"] for row in by_time.rows] == [
        "next item",
        "own frequency, then popularity",
        "popularity",
        "chain, cosine",
    ]
    own, _, popular, _ = by_time.rows
    assert own["new NDCG"] > popular["new NDCG"]
    assert by_time.figures["baskets/new/ndcg_at_10"] == own["new NDCG"]


# ---- a real shop ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_above_the_floors_on_a_real_shop(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Invoices since 2011-11-01; the floors are the best figure of each column among simple models."""
    folder = shared_data("online_retail")
    data = load_dataset(folder / "online_retail.csv.gz", format="orders", work_dir=tmp_path)
    since = 1_320_105_600
    model = NextItem().fit(data.learned_from(np.flatnonzero(data.table.timestamp < since)))
    found = evaluate_baskets(model, baskets_after(data.events, since))
    floors = {"all": (0.744, 0.187, 0.283), "new": (0.344, 0.063, 0.073)}
    for column, expected in floors.items():
        figures = [found[column][name] for name in ("hr@10", "recall@10", "ndcg@10")]
        assert all(figure > floor for figure, floor in zip(figures, expected, strict=True)), (column, figures)
