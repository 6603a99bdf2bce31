"""Training any recommender but the graph model, on the generated sample, with the real tracking store."""

from __future__ import annotations

import json
from pathlib import Path

import hydra
import numpy as np
import polars as pl
import pytest
import yaml
from omegaconf import DictConfig

import rec_sys
import rec_sys.train.train  # registers the schemas
from rec_sys.command import CONFIG_FOLDER
from rec_sys.errors import CheckpointError, ConfigError, DataError
from rec_sys.evaluation.trained_on import check_trained_on
from rec_sys.inference.infer import InferSettings, infer
from rec_sys.paths import Paths
from rec_sys.recommenders import registry
from rec_sys.train.recommender_run import RecommenderResult, resolve, train_recommender

SMALL = ["data.sample_users=60", "data.sample_products=60", "data.sample_reviews=600", "train.baselines=[popularity]"]


def configuration(work_dir: Path, *overrides: str) -> DictConfig:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return hydra.compose("train_config", [f"paths.work_dir={work_dir}", *SMALL, *overrides])


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained(work_dir: Path) -> RecommenderResult:
    return train_recommender(configuration(work_dir, "recommender=ease", "train.name=first"))


@pytest.fixture(scope="module")
def better(work_dir: Path, trained: RecommenderResult) -> RecommenderResult:
    """Tuned; all baselines are left out."""
    cfg = configuration(work_dir, "recommender=ease", "train.name=second", "train.tune=true", "train.baselines=[]")
    return train_recommender(cfg)


# ---- what is written ------------------------------------------------------------------------------------------------


def test_the_report_has_the_figures_of_the_saved_model(trained: RecommenderResult) -> None:
    report = json.loads(trained.files[0].read_text())
    assert set(report["ranking"]) == {"most popular", "EASE"}
    model = rec_sys.load(trained.checkpoint)
    again = model.evaluate(cutoffs=(5, 10, 20)).filtered
    for metric, value in report["ranking"]["EASE"]["filtered"].items():
        assert again[metric] == pytest.approx(value)
    assert report["facts"]["fitted_on"] == "train"
    assert report["facts"]["recommender"] == "ease"
    assert model.info["settings"]["recommender"]["regularisation"] == 50


def test_latest_leads_to_the_newest_of_its_kind(
    work_dir: Path, trained: RecommenderResult, better: RecommenderResult
) -> None:
    link = work_dir / "checkpoints/latest/ease"
    assert link.is_symlink()
    assert link.resolve() == better.checkpoint.resolve() != trained.checkpoint.resolve()
    assert rec_sys.load(link).settings == better.model.settings
    assert len(pl.DataFrame(rec_sys.load(link).recommend("A00001SAMPLE", k=3))) == 3  # finds its data through the link


def test_tuning_chooses_among_the_grid_and_leaves_what_is_typed(work_dir: Path, better: RecommenderResult) -> None:
    grid = registry.recommender_class("ease").grid(60)
    assert better.model.settings.regularisation in grid.fitted["regularisation"]
    words = ["recommender=ease", "recommender.regularisation=7", "train.tune=true", "train.final_test=false"]
    third = train_recommender(configuration(work_dir, *words), typed=["recommender", "recommender.regularisation"])
    assert third.model.settings.regularisation == 7
    assert not third.version.is_champion  # it was not tested


def test_the_registry_has_versions_and_a_champion(
    work_dir: Path, trained: RecommenderResult, better: RecommenderResult
) -> None:
    assert trained.version.is_champion
    assert (trained.version.number, better.version.number) == (1, 2)
    first, second = (rec_sys.load(each.version.address, work_dir=work_dir) for each in (trained, better))
    assert first.settings == trained.model.settings
    assert second.settings == better.model.settings
    figures = [each.report.ranking for each in (trained, better)]
    values = [next(v for k, v in each.items() if k.startswith("EASE")).filtered["ndcg@10"] for each in figures]
    champion = rec_sys.load("models:/ease@champion", work_dir=work_dir)
    assert better.version.is_champion == (values[1] > values[0])
    assert champion.settings == (better if better.version.is_champion else trained).model.settings


@pytest.mark.parametrize("address", ["models:/ease@nobody", "models:/ease/99", "models:/none", "models:/"])
def test_addresses_that_are_not_there(work_dir: Path, trained: RecommenderResult, address: str) -> None:
    with pytest.raises(CheckpointError):
        rec_sys.load(address, work_dir=work_dir)


def test_a_model_fitted_on_all_is_not_evaluated(work_dir: Path, trained: RecommenderResult) -> None:
    result = train_recommender(configuration(work_dir, "recommender=item_knn", "train.name=all", "train.fit_on=all"))
    model = rec_sys.load(result.checkpoint)
    assert model.info["fitted_on"] == "all"
    assert any("600 reviews" in note for note in result.report.figures.notes)
    with pytest.raises(DataError):
        model.evaluate()
    with pytest.raises(CheckpointError):
        check_trained_on(model.info, "all", model.data)
    on_training = rec_sys.create("item_knn").fit(model.data)
    table = model.data.table
    query = model.question(users=[table.users.id(3)]).query
    assert not np.allclose(model.score(query), on_training.score(query))


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["model.dim", "train.max_epochs", "train.seed"])
def test_settings_of_the_graph_model_are_refused(work_dir: Path, typed: str) -> None:
    with pytest.raises(ConfigError, match=typed):
        resolve(configuration(work_dir, "recommender=ease"), [typed])


def test_settings_out_of_their_limits_are_refused(work_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"recommender\.regularisation"):
        resolve(configuration(work_dir, "recommender=ease", "recommender.regularisation=-1"))


def test_nothing_to_tune_is_said(work_dir: Path) -> None:
    with pytest.raises(ConfigError, match="grid"):
        train_recommender(configuration(work_dir, "recommender=popularity", "train.tune=true"))


@pytest.mark.parametrize("name", registry.names())
def test_the_file_of_each_recommender_has_its_defaults(name: str) -> None:
    values = yaml.safe_load((CONFIG_FOLDER / "recommender" / f"{name}.yaml").read_text())
    assert values.pop("name") == name
    if name != registry.GRAPH:
        defaults = registry.recommender_class(name).settings_class()
        assert values == defaults.model_dump(mode="json")


def test_every_file_is_of_a_recommender() -> None:
    assert sorted(path.stem for path in (CONFIG_FOLDER / "recommender").glob("*.yaml")) == sorted(registry.names())


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_known_users_get_what_python_gives(work_dir: Path, trained: RecommenderResult) -> None:
    settings = InferSettings(
        users=["A00001SAMPLE", "A00002SAMPLE"], k=4, checkpoint="first", paths=Paths(work_dir=work_dir)
    )
    (answers,) = infer(settings)
    frame = pl.DataFrame(rec_sys.load(trained.checkpoint).recommend(["A00001SAMPLE", "A00002SAMPLE"], k=4))
    assert [(a.user_id, i.product_id) for a in answers for i in a.items] == list(
        frame.select("user_id", "product_id").iter_rows()
    )


def test_a_history_is_answered_with_and_without_what_is_seen(work_dir: Path, trained: RecommenderResult) -> None:
    products = trained.model.fitted_products.ids[:2]
    answers = {}
    for exclude in (True, False):
        settings = InferSettings(
            history=products, k=60, checkpoint="first", exclude_seen=exclude, paths=Paths(work_dir=work_dir)
        )
        ((answer,),) = infer(settings)
        answers[exclude] = {item.product_id for item in answer.items}
    assert answers[False] - answers[True] == set(products)


def test_reviews_of_new_users_without_products_are_counted(work_dir: Path, trained: RecommenderResult) -> None:
    file = work_dir / "new.json"
    product = trained.model.fitted_products.ids[0]
    file.write_text(json.dumps([{"user_id": "x", "product_id": product}, {"user_id": "y", "text": "Fine"}]))
    ((x, y),) = infer(InferSettings(reviews=str(file), checkpoint="first", paths=Paths(work_dir=work_dir)))
    assert product not in {item.product_id for item in x.items}
    assert x.note == ""
    assert "1 of 1" in y.note
    assert len(y.items) == 10


def test_everybody_gets_one_list_of_a_model_that_is_not_personal(work_dir: Path, trained: RecommenderResult) -> None:
    result = train_recommender(configuration(work_dir, "recommender=popularity", "train.name=popular"))
    ((answer,),) = infer(InferSettings(recommender="popularity", k=3, paths=Paths(work_dir=work_dir)))
    table = result.model.data.table
    counts = np.bincount(table.product[result.model.data.split.train], minlength=table.num_products)
    assert [counts[table.products.number(item.product_id)] for item in answer.items] == sorted(counts)[::-1][:3]


def test_no_model_of_a_kind(work_dir: Path, trained: RecommenderResult) -> None:
    with pytest.raises(CheckpointError, match="als"):
        list(infer(InferSettings(recommender="als", paths=Paths(work_dir=work_dir))))
