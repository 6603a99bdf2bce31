"""The search for the settings of models of ratings: chosen by cross-validation, resumed, refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest

import rec_sys.train.train  # noqa: F401  registers the schemas
from benchmarks.rating_sets import rating_set
from rec_sys.command import CONFIG_FOLDER
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.progress import Progress
from rec_sys.recommenders.biased_als import BiasedALS
from rec_sys.recommenders.cross_validation import cross_validate
from rec_sys.recommenders.rating_bias import UserProductBias
from rec_sys.recommenders.rating_model import Range
from rec_sys.recommenders.svd import SVD
from rec_sys.train.rating_search import RatingSearch, distributions, search_ratings, search_recommender
from rec_sys.train.search_words import gather_space
from rec_sys.train.settings import SearchSettings

SMALL = ["data.sample_users=60", "data.sample_products=60", "data.sample_reviews=600"]


@pytest.fixture(scope="module")
def table() -> ReviewTable:
    return rating_set(60, 40, 20, factors=2, taste=0.7, noise=0.4).table


def searched(table: ReviewTable, folder: Path | None = None, trials: int = 5, **settings: Any) -> RatingSearch:
    return search_ratings(
        BiasedALS(**settings), Dataset.of_table(table), SearchSettings(trials=trials, first_trials=2), folder=folder
    )


def command(work_dir: Path, *words: str) -> tuple[RatingSearch, str]:
    """As the training command searches."""
    typed = gather_space(["+search=default", f"paths.work_dir={work_dir}", *SMALL, *words])
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", typed)
    return search_recommender(cfg, typed)


def test_the_best_by_cross_validation_is_found(table: ReviewTable) -> None:
    told: list[Progress] = []
    data = Dataset.of_table(table)
    found = search_ratings(BiasedALS(seed=2), data, SearchSettings(trials=8, first_trials=4), progress=told.append)
    rows = found.section.rows
    assert len(rows) == 8
    assert [row["RMSE"] for row in rows] == sorted(row["RMSE"] for row in rows)
    own = next(row for row in rows if row["trial"] == 0)  # what was given is tried first
    assert (own["factors"], own["regularisation"], own["bias_shrinkage"]) == (10, 10.0, 5.0)
    assert found.rmse < own["RMSE"] - 0.05
    reviews = np.setdiff1d(np.arange(len(table)), data.split.test)
    [again] = cross_validate([BiasedALS(seed=2, **found.settings)], data, 4, 2, reviews)
    assert again.mean("rmse") == found.rmse
    assert again.mean("mae") == found.mae
    assert (told[-1].done, told[-1].total) == (8, 8)
    assert told[-1].figures["best RMSE"] == found.rmse


def test_the_test_reviews_choose_nothing(table: ReviewTable) -> None:
    rating = table.rating.copy()
    rating[Dataset.of_table(table).split.test] = 1
    assert searched(replace(table, rating=rating), trials=4).to_dict()["rmse"] == searched(table, trials=4).rmse


def test_an_interrupted_search_goes_on(table: ReviewTable, tmp_path: Path) -> None:
    whole = searched(table, tmp_path / "whole")
    searched(table, tmp_path / "parts", trials=2)
    parts = searched(table, tmp_path / "parts")
    without_times = [[{**row, "fit, s": 0} for row in found.section.rows] for found in (whole, parts)]
    assert without_times[0] == without_times[1]
    with pytest.raises(ConfigError, match="iterations was 15, now 3"):
        searched(table, tmp_path / "parts", iterations=3)
    other = replace(table, fingerprint="other")
    with pytest.raises(ConfigError, match="data was generated-"):
        searched(other, tmp_path / "parts")


def test_trials_that_diverge_are_counted_and_named(table: ReviewTable) -> None:
    space = distributions({"learning_rate": Range(0.004, 40.0, log=True)})
    settings = SearchSettings(trials=3, first_trials=10)
    found = search_ratings(SVD(factors=2), Dataset.of_table(table), settings, space)
    assert found.failed > 0
    assert f"{found.failed} trials diverged" in found.section.notes[1]
    assert found.settings["learning_rate"] < 1
    with pytest.raises(ConfigError, match="diverged"):  # the settings that were given
        search_ratings(SVD(factors=2, learning_rate=30), Dataset.of_table(table), settings, space)


def test_nothing_to_search(table: ReviewTable) -> None:
    with pytest.raises(ConfigError, match="nothing to search"):
        search_ratings(BiasedALS(), Dataset.of_table(table), space={})
    assert set(UserProductBias.search_space()) == {"user_shrinkage", "product_shrinkage"}


# ---- on the command line --------------------------------------------------------------------------------------------


def test_the_command_to_train_the_best_is_given(tmp_path: Path) -> None:
    words = ["recommender=svd", "recommender.epochs=5", "recommender.factors=2,3", "search.trials=2"]
    found, typed = command(tmp_path, *words)
    assert set(found.settings) == {"factors", "learning_rate", "regularisation"}  # epochs were given
    assert found.settings["factors"] in (2, 3)
    given = shlex.split(typed)
    assert given[:4] == ["uv", "run", "-m", "rec_sys.train.train"]
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", given[4:])
    assert cfg.recommender == {"name": "svd", "seed": 0, "folds": 4, "epochs": 5, **found.settings}
    kept = json.loads((tmp_path / "searches/sample-svd/best.json").read_text())
    assert kept["settings"] == found.settings
    assert kept["command"] == typed
    assert len(kept["trials"]) == 2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["recommender=ease"], "train.tune=true"),
        (["recommender=svd", "model.dim=8,16"], "model.dim cannot be searched with recommender=svd"),
        (["recommender=svd", "recommender.seed=0,1"], "recommender.seed cannot be searched"),
        (["recommender=svd", "recommender.layers=1,2"], "recommender.layers cannot be searched"),
        (["recommender=svd", "model.dim=8"], "model.dim has no effect"),
    ],
)
def test_what_cannot_be_searched_is_named(tmp_path: Path, words: list[str], named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        command(tmp_path, *words)
