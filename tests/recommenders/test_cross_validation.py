"""The folds and figures of scikit-surprise, whatever the order of the file; and what is said of bias alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import surprise
from surprise.model_selection import KFold
from surprise.model_selection import cross_validate as surprise_cross_validate

from benchmarks.rating_sets import rating_set
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.ratings import ratings_of
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.progress import Progress
from rec_sys.recommenders.cross_validation import (
    CrossValidation,
    FoldFigures,
    beside_bias,
    cross_validate,
    cross_validation_section,
    folds_of,
)
from rec_sys.recommenders.rating_bias import RatingBias, UserProductBias
from rec_sys.recommenders.svd import SVD
from tests.support.toy import table_of


@pytest.fixture(scope="module")
def table() -> ReviewTable:
    return rating_set(60, 50, 20).table


@pytest.fixture(scope="module")
def theirs(table: ReviewTable) -> Any:
    """The same ratings in the same order, as Surprise has them."""
    ratings = ratings_of(table, np.arange(len(table)))
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    rows = zip(ratings.user.tolist(), ratings.product.tolist(), ratings.rating.tolist(), strict=True)
    data.raw_ratings = [(*row, None) for row in rows]
    return data


class SameFolds:
    """Our folds, each list in our order."""

    def split(self, data: Any) -> Iterator[tuple[Any, Any]]:
        fold = folds_of(len(data.raw_ratings), 4, seed=3)
        for number in range(4):
            learned, tested = (np.flatnonzero(chosen) for chosen in (fold != number, fold == number))
            yield (
                data.construct_trainset([data.raw_ratings[place] for place in learned]),
                data.construct_testset([data.raw_ratings[place] for place in tested]),
            )


def test_folds_are_those_of_surprise(theirs: Any) -> None:
    fold = folds_of(len(theirs.raw_ratings), 7, seed=3)
    for number, (_, tested) in enumerate(KFold(7, random_state=3).split(theirs)):
        mine = {theirs.raw_ratings[place][:2] for place in np.flatnonzero(fold == number)}
        assert mine == {row[:2] for row in tested}


def test_figures_are_those_of_surprise_on_the_same_folds_and_seed(table: ReviewTable, theirs: Any) -> None:
    [own] = cross_validate([SVD(seed=3)], Dataset.of_table(table), folds=4, seed=3)
    other = surprise_cross_validate(surprise.SVD(random_state=3), theirs, ["rmse", "mae"], SameFolds())
    np.testing.assert_allclose(own.values("rmse"), other["test_rmse"], atol=1e-5)
    np.testing.assert_allclose(own.values("mae"), other["test_mae"], atol=1e-5)
    assert len(set(own.values("rmse"))) == 4


def test_the_order_of_the_file_changes_nothing(table: ReviewTable) -> None:
    rows = [
        (table.users.id(user), table.products.id(product), float(rating), int(when))
        for user, product, rating, when in zip(table.user, table.product, table.rating, table.timestamp, strict=True)
    ]
    shuffled = table_of([rows[place] for place in np.random.default_rng(1).permutation(len(rows))])
    assert shuffled.users.ids != table.users.ids
    for one, other in zip(
        *(cross_validate([SVD(factors=5), UserProductBias()], Dataset.of_table(each)) for each in (table, shuffled)),
        strict=True,
    ):
        assert one.values("rmse") == other.values("rmse")


def test_each_rating_is_predicted_by_the_others(table: ReviewTable) -> None:
    """By hand, with the bias that final tests use; only some of the reviews are taken."""
    some = np.arange(0, len(table), 2)
    [own] = cross_validate([UserProductBias()], Dataset.of_table(table), folds=3, reviews=some)
    ratings = ratings_of(table, some)
    fold = folds_of(len(ratings), 3, seed=0)
    for number, figures in enumerate(own.folds):
        test = ratings.review[fold == number]
        bias = RatingBias().fit(table, ratings.review[fold != number])
        wrong = bias.predict(table.user[test], table.product[test]) - table.rating[test]
        assert figures.rmse == pytest.approx(np.sqrt((wrong.astype(float) ** 2).mean()), abs=1e-6)
        assert figures.mae == pytest.approx(np.abs(wrong).mean(), abs=1e-6)


def test_fewer_ratings_than_folds_are_refused() -> None:
    table = table_of([("a", "x", 5, 1), ("a", "y", 4, 2), ("b", "x", 3, 3)])
    with pytest.raises(DataError, match="3 ratings cannot be cross-validated in 4 folds"):
        cross_validate([UserProductBias()], Dataset.of_table(table))
    assert len(cross_validate([UserProductBias()], Dataset.of_table(table), folds=3)[0].folds) == 3


def test_the_report_has_each_fold_and_the_models_beside(table: ReviewTable) -> None:
    told: list[Progress] = []
    twice = replace(table, rating=np.where(np.arange(len(table)) < 5, np.nan, table.rating))
    data = Dataset.of_table(twice)
    data.rating_scale = (0.0, 10.0)
    model = SVD(factors=5, folds=3)
    [section] = model.sections(data, told.append)
    assert [row["model"] for row in section.rows] == [
        name for name in ("SVD", "biased ALS", "user + product bias") for _ in range(4)
    ]
    assert [row["fold"] for row in section.rows[:4]] == ["1", "2", "3", "mean"]
    rmse = [row["RMSE"] for row in section.rows[:4]]
    assert rmse[3] == pytest.approx(np.mean(rmse[:3]), abs=1e-4)
    assert section.figures["cv/rmse"] == pytest.approx(rmse[3], abs=1e-4)
    assert {"cv/mae", "cv/biased_als/rmse", "cv/rating_bias/mae"} < set(section.figures)
    assert "5 reviews without a rating" in section.notes[2]
    assert "0 to 10, they are 2.5 times as large" in section.notes[1]
    assert (told[0].done, told[-1].done, told[-1].total) == (0, 9, 9)
    assert SVD(folds=0).sections(data) == []


def test_too_little_to_cross_validate_is_said_in_the_report() -> None:
    data = Dataset.of_table(table_of([("a", "x", 5, 1), ("a", "y", 4, 2), ("b", "x", 3, 3)]))
    [section] = SVD().sections(data)
    assert "3 ratings cannot be cross-validated in 4 folds" in section.notes[0]
    assert not section.rows


def figures(key: str, rmse: list[float]) -> CrossValidation:
    return CrossValidation(key, key, [FoldFigures(each, 0.5, 0.1, 0.1) for each in rmse])


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        ([0.80, 0.90, 0.79, 0.89], "m is better than bias alone by RMSE"),  # .1 each, almost: beyond the spread
        ([0.75, 1.05, 0.75, 1.05], "as good here as m by RMSE"),  # .05 on average, ±.17 between folds
        ([1.01, 1.11, 1.0, 1.1], "Bias alone is better here than m by RMSE"),
    ],
)
def test_bias_alone_is_called_as_good_where_it_is(own: list[float], verdict: str) -> None:
    bias = figures("rating_bias", [0.9, 1.0, 0.9, 1.0])
    said = beside_bias(figures("m", own), bias)
    assert verdict in said
    assert "Bias alone is as good here as m by" in said  # by MAE, which is equal
    section = cross_validation_section(
        [figures("m", own), bias], "rating_bias", Dataset.of_table(rating_set(3, 3, 2).table)
    )
    assert section.notes[-1] == said
