"""What every registered recommender promises, whatever it learns: a new line in the registry is tested here."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.errors import CheckpointError, ConfigError, DataError, NotFittedError, UnknownIdError
from rec_sys.ids import NEW_USER
from rec_sys.recommenders import registry
from rec_sys.recommenders.base import Recommender
from tests.support.recommender_contract import (
    CHOOSE_ON_VALIDATION,
    TOLERANCE,
    contract_dataset,
    query_before,
    small,
    with_other_reviews,
)
from tests.support.toy import checkerboard

COLUMNS = ["user_id", "rank", "product_id", "name", "score"]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return contract_dataset()


@pytest.fixture(scope="module", params=registry.names())
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def fitted(name: str, dataset: Dataset) -> Recommender:
    return small(name).fit(dataset)


@pytest.fixture(scope="module")
def query(fitted: Recommender, dataset: Dataset) -> Query:
    """Histories of training reviews only."""
    return query_before(fitted, dataset, dataset.split.valid)


def polars_of(frame: Any) -> pl.DataFrame:
    assert isinstance(frame, pl.DataFrame)
    return frame


# ---- what it is -----------------------------------------------------------------------------------------------------


def test_the_class_says_what_it_is(name: str) -> None:
    model = registry.recommender_class(name)
    assert model.key == name
    assert model.name
    assert model.paper
    assert model.needs <= contract_dataset().has
    grid = model.grid(100)
    assert {*grid.fitted, *grid.scored} <= set(model.settings_class.model_fields)


def test_unknown_settings_are_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}\.regularizashun"):
        registry.create(name, regularizashun=1)
    with pytest.raises(TypeError):
        registry.recommender_class(name)(small(name).settings, regularizashun=1)


def test_an_unfitted_one_says_so(name: str, dataset: Dataset, tmp_path: Path) -> None:
    model = small(name)
    assert not model.is_fitted
    query = query_before(model, dataset, dataset.split.valid)
    for ask in (
        lambda: model.score(query),
        lambda: model.recommend("u0"),
        lambda: model.recommend(history=["p1"]),
        lambda: model.similar("p1"),
        lambda: model.evaluate(dataset),
        lambda: model.save(tmp_path / "model"),
    ):
        with pytest.raises(NotFittedError):
            ask()
    assert list(tmp_path.iterdir()) == []


# ---- fitting --------------------------------------------------------------------------------------------------------


def test_fit_returns_the_model_itself(name: str, dataset: Dataset) -> None:
    model = small(name)
    assert model.fit(dataset) is model
    assert model.is_fitted
    assert model.dataset is dataset
    assert model.info["data"]["fingerprint"] == dataset.table.fingerprint


def test_fitting_again_gives_the_same_scores(name: str, fitted: Recommender, dataset: Dataset, query: Query) -> None:
    np.testing.assert_array_equal(small(name).fit(dataset).score(query), fitted.score(query))


def test_the_seed_decides_where_there_is_one(name: str, fitted: Recommender, dataset: Dataset, query: Query) -> None:
    if fitted.seeded:
        assert not np.allclose(small(name, seed=7).fit(dataset).score(query), fitted.score(query), atol=1e-6)
    else:
        with pytest.raises(ConfigError, match="seed"):
            small(name, seed=7)


def test_global_state_is_left_alone(name: str, dataset: Dataset, query: Query, tmp_path: Path) -> None:
    torch.manual_seed(77)
    np.random.seed(77)  # noqa: NPY002  the global state itself is what is looked at
    random.seed(77)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    model = small(name).fit(dataset)
    model.score(query)
    registry.load(model.save(tmp_path / "model")).score(query)
    torch.testing.assert_close(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]  # noqa: NPY002
    assert random.getstate() == before[2]


def test_reads_nothing_outside_of_train(name: str, fitted: Recommender, dataset: Dataset, query: Query) -> None:
    held_out = dataset.split.test
    if name not in CHOOSE_ON_VALIDATION:
        held_out = np.concatenate([held_out, dataset.split.valid])
    other = with_other_reviews(dataset, held_out)
    np.testing.assert_array_equal(small(name).fit(other).score(query), fitted.score(query))


def test_reads_train(name: str, fitted: Recommender, dataset: Dataset, query: Query) -> None:
    """The counterpart of the test above: that it can fail."""
    scores = small(name).fit(with_other_reviews(dataset, dataset.split.train)).score(query)
    assert not np.allclose(scores, fitted.score(query))


def test_data_that_lacks_what_it_needs_is_refused(name: str) -> None:
    model, bare = small(name), Dataset.of_table(checkerboard())
    if model.needs - bare.has:
        with pytest.raises(DataError, match=" and ".join(sorted(model.needs - bare.has))):
            model.fit(bare)
        assert not model.is_fitted
    else:
        assert model.fit(bare).is_fitted


# ---- scoring --------------------------------------------------------------------------------------------------------


def test_scores_are_finite_floats_of_every_product(fitted: Recommender, dataset: Dataset, query: Query) -> None:
    scores = fitted.score(query)
    assert scores.shape == (len(query), dataset.table.num_products)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_scoring_leaves_no_trace(fitted: Recommender, query: Query) -> None:
    before = fitted.score(query).copy()
    fitted.score(query.part(0, 3))
    np.testing.assert_array_equal(fitted.score(query), before)


@pytest.mark.parametrize("size", [1, 17])
def test_a_batch_equals_its_parts(fitted: Recommender, query: Query, size: int) -> None:
    parts = [fitted.score(query.part(start, start + size)) for start in range(0, len(query), size)]
    np.testing.assert_allclose(np.concatenate(parts), fitted.score(query), atol=TOLERANCE)


def test_an_empty_history_is_answered(fitted: Recommender, dataset: Dataset, query: Query) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    empty = Query(Histories(np.zeros(3, dtype=np.int64), nothing, nothing), query.reviews)
    scores = fitted.score(empty)
    assert scores.shape == (2, dataset.table.num_products)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[0], scores[1], atol=TOLERANCE)


def test_an_empty_history_among_others_changes_nothing(fitted: Recommender, query: Query) -> None:
    first = query.histories.part(0, 1)
    indptr = np.array([0, 0, len(first.product), len(first.product)], dtype=np.int64)
    scores = fitted.score(Query(Histories(indptr, first.review, first.product), query.reviews))
    alone = fitted.score(Query(first, query.reviews))
    np.testing.assert_allclose(scores[1], alone[0], atol=TOLERANCE)


def test_no_user_is_answered_with_nothing(fitted: Recommender, dataset: Dataset, query: Query) -> None:
    assert fitted.score(query.part(0, 0)).shape == (0, dataset.table.num_products)


def test_new_users_are_answered(fitted: Recommender, query: Query) -> None:
    new = Query(query.histories, query.reviews, np.full(len(query), -1, dtype=np.int64), query.time)
    assert np.isfinite(fitted.score(new)).all()


def test_every_product_can_be_in_a_history(fitted: Recommender, dataset: Dataset) -> None:
    """Also one that only turns up in the validation or test part."""
    everything = query_before(fitted, dataset, dataset.table.indptr()[1:] - 1)
    assert np.isfinite(fitted.score(everything)).all()


# ---- recommending ---------------------------------------------------------------------------------------------------


def test_a_known_user_gets_the_best_products_that_are_not_seen(fitted: Recommender, dataset: Dataset) -> None:
    found = polars_of(fitted.recommend("u3", k=5))
    assert found.columns == COLUMNS
    assert found["user_id"].to_list() == ["u3"] * 5
    assert found["rank"].to_list() == [1, 2, 3, 4, 5]
    assert found["score"].is_sorted(descending=True)
    seen = {dataset.table.products.id(p) for p in dataset.table.product[dataset.table.user == 3]}
    assert not seen & set(found["product_id"])
    assert found["name"].to_list() == [f"product {each.removeprefix('p')}" for each in found["product_id"]]


def test_seen_products_stay_where_they_are_wanted(fitted: Recommender, dataset: Dataset) -> None:
    everything = polars_of(fitted.recommend("u3", k=1_000, exclude_seen=False))
    assert sorted(everything["product_id"]) == sorted(dataset.table.products.ids)
    left = polars_of(fitted.recommend("u3", k=1_000))
    assert len(left) == dataset.table.num_products - 10  # fewer than k come back
    assert set(left["product_id"]) < set(everything["product_id"])


def test_several_users_equal_one_at_a_time(fitted: Recommender) -> None:
    both = polars_of(fitted.recommend(["u5", "u2"], k=3))
    one_by_one = pl.concat([polars_of(fitted.recommend(user, k=3)) for user in ("u5", "u2")])
    assert both["user_id"].to_list() == ["u5"] * 3 + ["u2"] * 3
    np.testing.assert_allclose(both["score"], one_by_one["score"], atol=TOLERANCE)


def test_unknown_users_are_refused_by_name(fitted: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="'nobody' and 1 more"):
        fitted.recommend(["u1", "nobody", "none"])


def test_a_history_is_answered_and_filtered(fitted: Recommender) -> None:
    found = polars_of(fitted.recommend(history=["p1", "p3", "p5"], k=4))
    assert found["user_id"].to_list() == [NEW_USER] * 4
    assert not {"p1", "p3", "p5"} & set(found["product_id"])


def test_unknown_products_of_a_history_are_counted_and_said(
    fitted: Recommender, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = polars_of(fitted.recommend(history=["absent", "p3", "gone"], k=4))
    assert [record.args for record in caplog.records] == [(2, 3, ", such as 'absent'")]
    assert found.equals(polars_of(fitted.recommend(history=["p3"], k=4)))


def test_an_empty_history_gets_recommendations(fitted: Recommender) -> None:
    empty = polars_of(fitted.recommend(history=[], k=4))
    assert len(empty) == 4
    assert empty.equals(polars_of(fitted.recommend(history=["absent"], k=4)))


def test_a_history_is_a_list(fitted: Recommender) -> None:
    with pytest.raises(DataError):
        fitted.recommend(history="p1")


def test_reviews_of_new_users_are_answered(fitted: Recommender) -> None:
    reviews = [
        {"customer": "ann", "asin": "p4", "overall": 5, "day": "2020-02-01"},
        {"customer": "ben", "asin": "p7", "overall": 4, "day": "2020-01-01"},
        {"customer": "ann", "asin": "p2", "overall": 5, "day": "2020-01-01"},
    ]
    found = polars_of(fitted.recommend(reviews=reviews, k=2))
    assert found["user_id"].to_list() == ["ann", "ann", "ben", "ben"]
    assert not {"p2", "p4"} & set(found.filter(pl.col("user_id") == "ann")["product_id"])
    assert found.equals(polars_of(fitted.recommend(reviews=pl.DataFrame(reviews), k=2)))
    pandas = fitted.recommend(reviews=pl.DataFrame(reviews).to_pandas(), k=2)
    assert not isinstance(pandas, pl.DataFrame)
    assert pandas["product_id"].tolist() == found["product_id"].to_list()


@pytest.mark.parametrize("arguments", [{}, {"users": "u1", "history": ["p1"]}, {"history": ["p1"], "reviews": []}])
def test_one_question_at_a_time(fitted: Recommender, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="one of users, history and reviews"):
        fitted.recommend(**arguments)


def test_k_starts_at_1(fitted: Recommender) -> None:
    with pytest.raises(ConfigError, match="k=0"):
        fitted.recommend("u1", k=0)
    with pytest.raises(ConfigError, match="k=-1"):
        fitted.similar("p1", k=-1)


def test_similar_products(fitted: Recommender, dataset: Dataset) -> None:
    found = polars_of(fitted.similar("p3", k=4))
    assert found.columns == ["rank", "product_id", "name", "score"]
    assert len(found) == 4
    assert found["score"].is_sorted(descending=True)
    everything = polars_of(fitted.similar("p3", k=1_000))
    assert sorted(everything["product_id"]) == sorted(set(dataset.table.products.ids) - {"p3"})
    with pytest.raises(UnknownIdError, match="p333"):
        fitted.similar("p333")


# ---- evaluating, saving, loading ------------------------------------------------------------------------------------


def test_evaluate_reads_as_much_of_a_history_as_the_model(fitted: Recommender, dataset: Dataset) -> None:
    report = fitted.evaluate(part="valid")
    assert report.history_limit == fitted.max_history
    assert report.num_users == len(dataset.split.valid)
    assert report.beside is not None
    assert fitted.name in str(report)


def test_another_catalogue_is_refused(fitted: Recommender) -> None:
    with pytest.raises(DataError, match="other products"):
        fitted.evaluate(contract_dataset(checkerboard(num_products=50)))


def test_saving_and_loading_change_nothing(fitted: Recommender, dataset: Dataset, query: Query, tmp_path: Path) -> None:
    again = registry.load(fitted.save(tmp_path / "deep/model"), dataset)
    assert type(again) is type(fitted)
    assert again.settings == fitted.settings
    assert again.info == fitted.info
    assert again.chosen == fitted.chosen
    np.testing.assert_array_equal(again.score(query), fitted.score(query))
    assert polars_of(again.recommend("u7")).equals(polars_of(fitted.recommend("u7")))
    assert polars_of(again.similar("p7")).equals(polars_of(fitted.similar("p7")))
    assert again.evaluate().to_dict() | {"seconds": 0} == fitted.evaluate().to_dict() | {"seconds": 0}


def test_a_loaded_model_says_that_it_needs_the_data_for_known_users(fitted: Recommender, tmp_path: Path) -> None:
    again = type(fitted).load(fitted.save(tmp_path / "model"))
    assert len(polars_of(again.recommend(history=["p1"], k=3))) == 3  # new users need none
    with pytest.raises(DataError, match="dataset=data"):
        again.recommend("u1")
    again.dataset = contract_dataset()
    assert len(polars_of(again.recommend("u1", k=3))) == 3


def test_a_damaged_model_is_refused(fitted: Recommender, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "model")
    weights = max((path for path in folder.iterdir() if path.suffix == ".safetensors"), key=lambda p: p.stat().st_size)
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(CheckpointError):
        registry.load(folder)
