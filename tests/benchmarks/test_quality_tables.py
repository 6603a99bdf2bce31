"""Rows of the quality benchmark out of reports as trainings write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.quality import ABLATION
from benchmarks.quality_results import GRAPH_MODEL as GRAPH_MODEL_ON_PAGES
from benchmarks.quality_results import NAMES
from benchmarks.quality_tables import ablation_rows, graph_rows, held_out_rows, rating_rows
from benchmarks.results_page import ABLATION as ABLATION_ON_PAGES
from benchmarks.results_page import CHANGES, HELD_OUT, RATINGS, Columns
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import split_by_time
from rec_sys.recommenders.graph.model import GraphRecommender
from rec_sys.recommenders.graph.scorer import GRAPH_MODEL, NETWORK_ALONE
from rec_sys.train.final_test import final_test
from rec_sys.train.report import TrainReport
from tests.support.embedded_toy import toy


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file of one small training with held-out users and products."""
    data = toy(num_users=60, num_products=60)
    split = split_by_time(data.table, SplitSettings(held_out_users=0.1, held_out_products=0.1))
    dataset = Dataset.of_table(data.table, split, data.review_text, data.product_text)
    model = GraphRecommender(dim=16, heads=2, max_epochs=2, item_factors=8, accelerator="cpu").fit(dataset)
    assert model.trained is not None
    assert model.fitted is not None
    figures = final_test(model.trained, dataset, ["popularity"], 0)
    facts = dataset.facts() | {"seed": 0} | model.fitted.facts | {"peak_mib": 1.0, "chance": figures.chance}
    folder = tmp_path_factory.mktemp("report")
    TrainReport("toy", figures, model.fitted.history, model.fitted.best_epoch, facts).save(folder)
    found: dict[str, Any] = json.loads((folder / "report.json").read_bytes())
    return found


def check_columns(row: dict[str, Any], columns: Columns) -> None:
    """The documentation's tables find every column under its name of today."""
    for title, (name, *_) in columns.items():
        assert name in row, title


def test_known_users(report: dict[str, Any]) -> None:
    rows = {row["model"]: row for row in graph_rows([report, report])}
    assert list(rows) == ["most popular", NETWORK_ALONE, GRAPH_MODEL]
    value = report["ranking"][GRAPH_MODEL]["filtered"]["ndcg@10"]
    assert rows[GRAPH_MODEL]["N@10 filtered"] == f"{value:.4f} ±0.0000"
    assert rows[GRAPH_MODEL]["seeds"] == 2


def test_held_out_users_and_products(report: dict[str, Any]) -> None:
    rows = {row["model"]: row for row in held_out_rows([report])}
    assert list(rows) == ["most popular", NETWORK_ALONE, GRAPH_MODEL, "by chance"]
    check_columns(rows[GRAPH_MODEL], HELD_OUT)
    users, products = (report[part][GRAPH_MODEL]["filtered"] for part in ("held_out_users", "held_out_products"))
    assert rows[GRAPH_MODEL]["held-out users N@10"] == f"{users['ndcg@10']:.4f}"
    assert rows[GRAPH_MODEL]["held-out products R@50"] == f"{products['recall@50']:.4f}"
    assert rows["by chance"]["held-out products R@50"] == f"{report['facts']['chance']['recall@50']:.4f}"


def test_ratings(report: dict[str, Any]) -> None:
    rows = {row["model"]: row for row in rating_rows([report])}
    check_columns(rows[GRAPH_MODEL], RATINGS)
    assert rows[GRAPH_MODEL]["mae"] == f"{report['ratings'][GRAPH_MODEL]['mae']:.4f}"


def test_ablation(report: dict[str, Any]) -> None:
    (row,) = ablation_rows({"Default settings": [report]})
    check_columns(row, ABLATION_ON_PAGES)
    ndcg = report["facts"]["item_factors"]["ndcg@10"]
    assert row["N@10 item factors alone"] == f"{ndcg['0.999']:.4f}"
    assert row["N@10 with item factors"] == f"{max(v for weight, v in ndcg.items() if weight != '0.999'):.4f}"
    best = report["epochs"][report["best_epoch"] - 1]
    assert row["rating MAE"] == f"{best['valid/rating_mae']:.4f}"


def test_names_are_those_of_the_documentation() -> None:
    assert NAMES[GRAPH_MODEL] == GRAPH_MODEL_ON_PAGES
    assert NETWORK_ALONE in NAMES
    assert set(CHANGES.values()) <= set(ABLATION)
    assert not set(CHANGES) & set(ABLATION)  # those are of result files of before
