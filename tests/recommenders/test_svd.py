from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import surprise

from benchmarks.rating_sets import RatingSet, rating_set
from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.ratings import ratings_of
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import histories_before, split_by_time
from rec_sys.errors import ConfigError, DataError, NotFittedError
from rec_sys.recommenders import registry
from rec_sys.recommenders.rating_model import RatingModel
from rec_sys.recommenders.svd import SVD
from tests.support.toy import all_of, table_of


@pytest.fixture(scope="module")
def made() -> RatingSet:
    return rating_set(200, 120, 60, factors=3, taste=0.7, noise=0.4)


@pytest.fixture(scope="module")
def dataset(made: RatingSet) -> Dataset:
    return Dataset.of_table(made.table)


@pytest.fixture(scope="module")
def fitted(dataset: Dataset) -> SVD:
    return SVD(factors=10).fit(dataset)


def frame(given: object) -> pl.DataFrame:
    assert isinstance(given, pl.DataFrame)
    return given


# ---- what it learns -------------------------------------------------------------------------------------------------


def test_predicts_what_surprise_predicts(dataset: Dataset, fitted: SVD) -> None:
    table = dataset.table
    ratings = ratings_of(table, dataset.split.train)
    source = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    ids = [(table.users.id(ratings.users[u]), table.products.id(ratings.products[p])) for u, p in pairs_of(ratings)]
    rows = [(*pair, rating, None) for pair, rating in zip(ids, ratings.rating.tolist(), strict=True)]
    theirs = surprise.SVD(10, random_state=0).fit(source.construct_trainset(rows))
    test = dataset.split.test
    users, products = table.user[test], table.product[test]
    expected = [
        theirs.predict(table.users.id(user), table.products.id(product)).est
        for user, product in zip(users, products, strict=True)
    ]
    np.testing.assert_allclose(fitted.predict_ratings(users, products), expected, atol=1e-5)
    unknown = theirs.predict("nobody", table.products.id(3)).est
    assert fitted.predict_ratings(np.array([-1]), np.array([3]))[0] == pytest.approx(unknown, abs=1e-5)


def pairs_of(ratings: object) -> list[tuple[int, int]]:
    return list(zip(ratings.user.tolist(), ratings.product.tolist(), strict=True))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("svd", {"factors": 10, "epochs": 100, "learning_rate": 0.01}),
        ("biased_als", {"factors": 5, "regularisation": 3}),
    ],
)
def test_finds_the_factors_that_made_the_ratings(made: RatingSet, name: str, settings: dict[str, float]) -> None:
    """Noise and rounding leave .48."""
    data = Dataset.of_table(made.table)
    table, test = made.table, np.concatenate([data.split.test, data.split.valid])

    def rmse(predicted: Floats) -> float:
        return float(np.sqrt(((predicted - table.rating[test]) ** 2).mean()))

    model, bias = (
        registry.create(each, **with_settings).fit(data).predict_ratings(table.user[test], table.product[test])
        for each, with_settings in ((name, settings), ("rating_bias", {}))
    )
    floor = rmse(made.expected[test])
    assert rmse(bias) > floor + 0.25
    assert floor < rmse(model) < floor + 0.1


def test_a_rating_that_was_given_again_replaces_the_older_one() -> None:
    again = [("a", "x", 1.0, 1), ("a", "y", 3.0, 2), ("b", "y", 4.0, 3), ("a", "x", 5.0, 4)]
    one, other = SVD(factors=2).fit(all_of(table_of(again))), SVD(factors=2).fit(all_of(table_of(again[1:])))
    assert frame(one.predict("a", ["x", "y"])).equals(frame(other.predict("a", ["x", "y"])))


def test_a_step_that_is_too_long_is_named() -> None:
    with pytest.raises(ConfigError, match="SVD has diverged on toy; lower the learning rate"):
        SVD(learning_rate=5).fit(all_of(rating_set(20, 15, 8).table))


def test_without_the_library_it_says_what_to_install(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "surprise", None)
    with pytest.raises(ConfigError, match=r"rec-sys\[family\]"):
        SVD().fit(dataset)


def test_one_fold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"svd\.folds"):
        SVD(folds=1)


@pytest.mark.parametrize(
    "reviews", [[("a", "x", 4.0, 1)], [("a", "x", 5.0, 1), ("a", "y", 5.0, 2), ("b", "x", 5.0, 3)]]
)
def test_one_rating_or_all_the_same(reviews: list[tuple[str, str, float, int]]) -> None:
    for name in ("svd", "biased_als", "rating_bias"):
        model = registry.create(name).fit(all_of(table_of(reviews)))
        predicted = model.predict_ratings(np.array([0, -1]), np.array([0, -1]))
        np.testing.assert_allclose(predicted, reviews[0][2], atol=0.2)


# ---- what it answers ------------------------------------------------------------------------------------------------


def test_predict_by_ids_says_what_each_answer_is_from(fitted: SVD, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = frame(fitted.predict(["u0", "u0", "new", "new"], ["p3", "none", "p3", "none"]))
    assert found["user_id"].to_list() == ["u0", "u0", "new", "new"]
    assert found["answered_by"].to_list() == ["own factors", "user's bias", "product's bias", "mean"]
    expected = fitted.predict_ratings(np.array([0, 0, -1, -1]), np.array([3, -1, 3, -1]))
    np.testing.assert_array_equal(found["rating"], expected)
    assert expected[3] == pytest.approx(fitted.mean)
    assert [record.args for record in caplog.records] == [(3, 4)]


def test_predict_one_or_many(fitted: SVD) -> None:
    one = frame(fitted.predict("u1", "p2"))
    assert len(one) == 1
    many = frame(fitted.predict("u1", ["p1", "p2"]))
    assert frame(fitted.predict(["u1"] * 2, ["p1", "p2"])).equals(many)
    assert many.tail(1).equals(one)
    assert frame(fitted.predict(["u0", "u1"], "p2")).tail(1).equals(one)
    assert len(frame(fitted.predict([], []))) == 0
    with pytest.raises(DataError, match="2 users and 3 products"):
        fitted.predict(["u0", "u1"], ["p1", "p2", "p3"])
    with pytest.raises(NotFittedError):
        SVD().predict("u1", "p2")


def test_ratings_are_given_on_the_scale_of_the_file(made: RatingSet) -> None:
    data = Dataset.of_table(made.table)
    data.rating_scale, data.as_pandas = (0.0, 10.0), True
    model = SVD(factors=3).fit(data)
    found = model.predict("u1", ["p1", "p2"])
    assert isinstance(found, pd.DataFrame)
    stars = model.predict_ratings(np.array([1, 1]), np.array([1, 2]))
    np.testing.assert_allclose(found["rating"], (stars - 1) * 2.5, rtol=1e-6)


def test_predictions_stay_within_the_scale_and_do_not_depend_on_blocks(
    fitted: SVD, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    users, products = generator.integers(-1, 200, 5_000), generator.integers(-1, 120, 5_000)
    whole = fitted.predict_ratings(users, products)
    assert whole.dtype == np.float32
    assert whole.min() >= 1
    assert whole.max() == 5
    monkeypatch.setattr("rec_sys.recommenders.rating_model.BLOCK", 7)
    np.testing.assert_allclose(fitted.predict_ratings(users, products), whole, atol=1e-6)


@pytest.mark.parametrize(("users", "products"), [([200], [0]), ([-2], [0]), ([0], [120])])
def test_numbers_beyond_the_data_are_refused(fitted: SVD, users: list[int], products: list[int]) -> None:
    with pytest.raises(DataError, match="numbers from"):
        fitted.predict_ratings(np.array(users), np.array(products))


def test_a_loaded_model_predicts_without_data_and_without_the_library(fitted: SVD, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    script = (
        "import sys; sys.modules['surprise'] = None; import rec_sys; "
        f"print(rec_sys.load({str(tmp_path / 'model')!r}).predict('u3', 'p5')['rating'][0]); "
        "assert not {'scipy', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert float(done.stdout) == pytest.approx(float(frame(fitted.predict("u3", "p5"))["rating"][0]), abs=1e-6)


def test_scores_are_predicted_ratings_not_cut(fitted: SVD, dataset: Dataset) -> None:
    table, test = dataset.table, dataset.split.test
    query = Query(histories_before(table, test), table, table.user[test])
    scores = fitted.score(query)
    products = np.tile(np.arange(table.num_products), len(test))
    predicted = fitted.predict_ratings(np.repeat(table.user[test], table.num_products), products)
    np.testing.assert_allclose(np.clip(scores, 1, 5).ravel(), predicted, atol=1e-5)
    assert scores.max() > 5
    assert fitted.answered_by(query) == ["own factors"] * len(test)


# ---- new users ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "settings"), [("svd", {"factors": 10}), ("biased_als", {}), ("rating_bias", {})])
def test_users_held_out_are_folded_in(made: RatingSet, name: str, settings: dict[str, float]) -> None:
    """Their ratings are predicted better than by the bias of the products alone."""
    table = made.table
    data = Dataset.of_table(table, split_by_time(table, SplitSettings(held_out_users=0.3)))
    model = registry.create(name, **settings).fit(data)
    targets = data.split.held_out_users
    query = Query(histories_before(table, targets), table, table.user[targets])
    assert model.answered_by(query) == ["folded in"] * len(targets)
    unrated = replace(query, reviews=None)
    assert model.answered_by(unrated) == ["product biases"] * len(targets)
    folded, bare = (
        np.sqrt(
            ((np.clip(model.score(each), 1, 5)[np.arange(len(targets)), table.product[targets]] - true) ** 2).mean()
        )
        for true in [table.rating[targets]]
        for each in (query, unrated)
    )
    assert folded < bare - 0.05


@pytest.mark.parametrize(("name", "settings"), [("biased_als", {"factors": 3}), ("rating_bias", {})])
def test_folding_in_a_known_user_gives_what_training_gave(made: RatingSet, name: str, settings: dict[str, int]) -> None:
    last = made.table.indptr()[1:] - 1
    histories = histories_before(made.table, last)  # all but the last
    known = Dataset.of_table(made.table).learned_from(np.setdiff1d(np.arange(len(made.table)), last))
    model = registry.create(name, **settings).fit(known)
    own = model.score(Query(histories, made.table, made.table.user[last]))
    new = model.score(Query(histories, made.table, np.full(len(last), -1)))
    np.testing.assert_allclose(new, own, atol=1e-4)


def test_ratings_of_new_users_are_read_on_the_scale_of_the_file(made: RatingSet) -> None:
    data = Dataset.of_table(made.table)
    data.rating_scale = (0.0, 10.0)
    model = SVD(factors=10).fit(data)
    liked = [{"user": "n", "product": f"p{n}", "rating": 10, "time": n} for n in range(5)]
    question = model.question(reviews=liked)
    np.testing.assert_array_equal(question.query.reviews.rating, [5] * 5)  # type: ignore[union-attr]
    assert model.answered_by(question.query) == ["folded in"]
    disliked = [{**each, "rating": 0} for each in liked]
    one, other = (frame(model.recommend(reviews=each, k=3))["score"].mean() for each in (liked, disliked))
    assert one > other + 0.2  # type: ignore[operator]
    assert np.isnan(model.question(reviews=[{"product": "p1"}]).query.reviews.rating).all()  # type: ignore[union-attr]
    with pytest.raises(DataError, match="'eleven'; expected a number from 0 to 10"):
        model.recommend(reviews=[{"product": "p1", "rating": "eleven"}])


def test_of_a_product_rated_twice_the_newest_rating_is_folded_in(fitted: SVD) -> None:
    twice = [{"product": "p1", "rating": 1, "time": 1}, {"product": "p1", "rating": 5, "time": 2}]
    assert frame(fitted.recommend(reviews=twice)).equals(frame(fitted.recommend(reviews=twice[1:])))


def test_every_model_of_ratings_names_settings_to_search() -> None:
    for name in registry.names():
        kind = registry.recommender_class(name)
        if issubclass(kind, RatingModel):
            assert set(kind.search_space()) <= set(kind.settings_class.model_fields)
            for setting, each in kind.search_space().items():
                assert each.low <= getattr(kind().settings, setting) <= each.high
