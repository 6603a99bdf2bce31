from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rec_sys
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.sales import SalesTable
from rec_sys.errors import ConfigError, DataError, NotFittedError
from rec_sys.recommenders import registry
from rec_sys.recommenders.trending.features import FLOOR, features_of
from rec_sys.recommenders.trending.model import Trending
from rec_sys.recommenders.trending.ratio_model import MEAN, MEDIAN
from rec_sys.recommenders.trending.sales_matrix import sales_matrix
from tests.support.sales import MONDAY, sales_of_days, sales_of_weeks, third_weeks
from tests.support.toy import query_of, table_of

SMALL: dict[str, Any] = {"horizon": 2, "trees": 20, "refit": 20, "cutoffs": 4, "validation": 4}


def dataset_of(sales: SalesTable, catalogue: tuple[str, ...] = ("p1", "never sold", "p0")) -> Dataset:
    """Orders of a shop whose catalogue holds a few of the products that are sold."""
    table = table_of([("a", each, np.nan, 86_400 * MONDAY) for each in catalogue])
    made = Dataset.of_table(table, names=[f"name of {each}" for each in catalogue], name="shop")
    return replace(made, read_sales=lambda: sales).learned_whole()


def polars_of(frame: object) -> pl.DataFrame:
    assert isinstance(frame, pl.DataFrame)
    return frame


@pytest.fixture(scope="module")
def sales() -> SalesTable:
    return sales_of_weeks(third_weeks(weeks=40))


@pytest.fixture(scope="module")
def model(sales: SalesTable) -> Trending:
    return Trending(**SMALL).fit(dataset_of(sales))


def test_forecast_of_products_and_periods(model: Trending, sales: SalesTable) -> None:
    found = polars_of(model.forecast())
    assert found.columns == ["product_id", "name", "start", "predicted", "median", "low", "high"]
    assert len(found) == 2 * len(sales.products)
    first = np.datetime64(MONDAY + 40 * 7, "D")
    assert found["start"].unique().sort().to_list() == [first.astype(object), (first + 7).astype(object)]
    assert found.filter(pl.col("product_id") == "p5")["name"].unique().to_list() == ["product 5"]
    assert (found["low"] <= found["predicted"]).all()
    assert (found["predicted"] <= found["high"]).all()
    assert (found["low"] >= 0).all()


def test_the_periods_sum_to_the_trend(model: Trending) -> None:
    sums = polars_of(model.forecast()).group_by("product_id").agg(pl.col("predicted").sum().alias("sum"))
    both = polars_of(model.trending(k=1_000)).join(sums, on="product_id")
    np.testing.assert_allclose(both["predicted"], both["sum"])


def test_fewer_products_and_periods(model: Trending) -> None:
    found = polars_of(model.forecast(k=3, horizon=1))
    best = polars_of(model.trending(k=3))
    assert found["product_id"].to_list() == best["product_id"].to_list()
    assert best["rank"].to_list() == [1, 2, 3]
    assert best["predicted"].is_sorted(descending=True)
    with pytest.raises(ConfigError, match="horizon=3: this model forecasts 2 weeks"):
        model.forecast(horizon=3)
    with pytest.raises(ConfigError, match="k=0"):
        model.trending(k=0)
    with pytest.raises(ConfigError, match="by='sales'"):
        model.trending(by="sales")  # type: ignore[arg-type]


def test_the_trend_score_is_shrunk(model: Trending, sales: SalesTable) -> None:
    found = polars_of(model.trending(k=1_000, by="trend_score"))
    assert found["trend_score"].is_sorted(descending=True)
    np.testing.assert_allclose(found["trend_score"], (found["predicted"] + 10) / (found["recent"] + 10))
    recent = sales_matrix(sales, "week").sales[:, -2:].sum(axis=1)
    numbers = sales.products.numbers(found["product_id"].to_list())
    np.testing.assert_allclose(found["recent"], recent[numbers])


def test_everybody_is_recommended_what_will_sell(model: Trending) -> None:
    scores = model.score(query_of([[0], []]))
    np.testing.assert_array_equal(scores[0], scores[1])
    of_product = dict(polars_of(model.trending(k=1_000)).select("product_id", "predicted").iter_rows())
    np.testing.assert_allclose(scores[0][[0, 2]], [of_product["p1"], of_product["p0"]], rtol=1e-3)
    assert 0 < scores[0][1] < 1e-3  # never sold
    found = polars_of(model.recommend(history=["never sold"]))
    assert set(found["product_id"]) == {"p0", "p1"}


def test_the_models_are_kept_as_lightgbm_writes_them(model: Trending, sales: SalesTable, tmp_path: Path) -> None:
    import lightgbm

    again = registry.load(model.save(tmp_path / "model"))
    assert isinstance(again, Trending)
    assert again.model_texts == model.model_texts
    assert set(again.model_texts) == {MEAN, MEDIAN}
    assert again.reason == model.reason
    for ask in (Trending.forecast, Trending.trending):
        assert polars_of(ask(again)).equals(polars_of(ask(model)))
    features, level = features_of(sales_matrix(sales, "week"))
    booster = lightgbm.Booster(model_str=again.model_texts[MEAN])
    ratio = np.asarray(booster.predict(features))
    actual = third_weeks(weeks=46)[:, 40:42].sum(axis=1)  # the same draws are not repeated: alike, not equal
    assert np.corrcoef(ratio * (level + FLOOR), actual)[0, 1] > 0.8


def test_the_report_has_all_methods_and_says_which_is_used(model: Trending, sales: SalesTable) -> None:
    (section,) = model.sections(dataset_of(sales))
    methods = [row["method"] for row in section.rows]
    for kind in ("naive", "seasonal naive", "mean of 4", "open-day mean", "exponential smoothing", "learned mean"):
        assert any(str(name).startswith(kind) for name in methods)
    assert methods[-2:] == ["Trending, predicted", "Trending, median"]
    assert section.notes[0] == f"Used: {model.reason}."
    assert section.figures["backtest/predicted/mae"] == section.rows[-2]["MAE"]
    assert section.chart is not None
    assert section.chart.lines["forecast"][0] == [40, 41]
    assert section.chart.lines["sold"][1][-1] == pytest.approx(sales_matrix(sales, "week").sales[:, -1].sum())


# ---- too little -----------------------------------------------------------------------------------------------------


def test_all_on_one_day() -> None:
    found = Trending().fit(dataset_of(sales_of_days(np.array([[3.0], [6.0]]))))
    assert found.reason.startswith("mean of the days there are: 1 days from 2020-01-06 hold no complete week")
    assert polars_of(found.trending())["predicted"].to_list() == [6 * 28, 3 * 28]
    assert polars_of(found.forecast())["low"].is_nan().all()
    (section,) = found.sections(dataset_of(sales_of_days(np.array([[3.0], [6.0]]))))
    assert section.rows == []
    assert "no complete week" in section.text()


def test_one_product() -> None:
    found = Trending(horizon=1).fit(dataset_of(sales_of_weeks(np.full((1, 40), 6.0))))
    assert "too few sales to learn from" in found.reason
    assert polars_of(found.forecast())["predicted"].to_list() == pytest.approx([13])  # and one piece each day


def test_a_short_history_is_forecast_by_a_classical_method_that_says_so() -> None:
    found = Trending(horizon=1).fit(dataset_of(sales_of_weeks(third_weeks(weeks=12))))
    assert "12 weeks are too few to learn from: at least 23 are needed" in found.reason
    assert found.model_texts == {}
    assert found.chosen in {
        row["method"] for row in found.sections(dataset_of(sales_of_weeks(third_weeks(weeks=12))))[0].rows
    }


def test_nothing_sold_is_an_error() -> None:
    with pytest.raises(DataError, match="has none to learn from"):
        Trending().fit(dataset_of(sales_of_days(np.zeros((2, 20)))))
    with pytest.raises(DataError, match="has none to learn from"):
        Trending().fit(dataset_of(sales_of_days(np.full((2, 20), -1.0))))


def test_asking_before_fitting() -> None:
    for ask in (Trending().forecast, Trending().trending):
        with pytest.raises(NotFittedError):
            ask()


def test_held_out_events_are_not_learned() -> None:
    table = table_of([(f"u{n % 9}", f"p{n % 4}", np.nan, 86_400 * (MONDAY + n)) for n in range(90)])
    data = Dataset.of_table(table)
    sold = Trending(unit="day", horizon=1).fit(data)
    assert sold._ever.sum() == len(data.split.train)


def test_days_with_closed_saturdays() -> None:
    pieces = np.random.default_rng(0).poisson(4, size=(40, 7 * 20 + 1)).astype(np.float64)
    pieces[:, 5::7] = 0
    found = polars_of(Trending(unit="day", horizon=7).fit(dataset_of(sales_of_days(pieces))).forecast())
    by_day = found.group_by("start").agg(pl.col("predicted").sum()).sort("start")
    assert by_day["start"][0].weekday() == 0
    assert by_day["predicted"][5] == 0
    np.testing.assert_allclose(by_day["predicted"].gather([0, 1, 2, 3, 4, 6]), 160, rtol=0.15)


# ---- real sales -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_better_than_the_best_classical_forecast_on_online_retail(shared_data: Any, tmp_path: Path) -> None:
    """Four weeks ahead: RMSE and MAE below those of every classical method, the total within 5 %."""
    path = shared_data("online_retail") / "online_retail.csv.gz"
    data = rec_sys.load_dataset(path, format="orders", work_dir=tmp_path)
    (section,) = Trending().sections(data)
    rows = {str(row["method"]): row for row in section.rows}
    used = rows["Trending, predicted"]
    classical = [row for name, row in rows.items() if not name.startswith(("learned", "Trending"))]
    assert len(classical) == 13
    for figure in ("RMSE", "MAE"):
        assert used[figure] < min(row[figure] for row in classical)
    assert abs(used["bias"]) < 0.05
    assert rows["Trending, median"]["MAE"] < 0.96 * min(row["MAE"] for row in classical)
