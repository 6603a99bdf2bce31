"""A work folder that was moved: models of the command and of Python, and everything that reads them afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import polars as pl
import pytest
from omegaconf import DictConfig

import rec_sys
import rec_sys.train.train  # registers the schemas
from rec_sys.command import CONFIG_FOLDER
from rec_sys.dataset.kept_paths import with_found_paths, with_relative_paths
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.errors import DataError
from rec_sys.evaluation.evaluate import EvaluateSettings, compare
from rec_sys.inference.infer import InferSettings, infer
from rec_sys.paths import Paths
from rec_sys.text.settings import EncoderSettings
from rec_sys.train.run import train
from rec_sys.vector_database.create_vectorbase import CreateSettings, create_vectorbase
from tests.support.toy import checkerboard


def write_reviews(file: Path) -> None:
    """The checkerboard without texts, so that nothing is embedded."""
    table = checkerboard(num_users=24, num_products=20, likes=6)
    columns = {
        "user_id": [table.users.id(user) for user in table.user],
        "product_id": [table.products.id(product) for product in table.product],
        "rating": table.rating,
        "timestamp": 1_400_000_000 + 100 * table.timestamp,
    }
    pl.DataFrame(columns).write_csv(file)


def configuration(work_dir: Path, *words: str) -> DictConfig:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        same = ["train.accelerator=cpu", "model.dim=8", "model.heads=2", "train.baselines=[popularity]"]
        return hydra.compose("train_config", [f"paths.work_dir={work_dir}", *same, *words])


@dataclass(frozen=True)
class Moved:
    """A work folder that lies elsewhere now, with two models of the command and one of Python."""

    folder: Path
    outside: Path  # the raw file of the second model, which is gone


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    work_dir, outside = tmp_path_factory.mktemp("before") / "work", tmp_path_factory.mktemp("outside") / "reviews.csv"
    work_dir.mkdir()
    for file in (work_dir / "own.csv", outside):
        write_reviews(file)
    train(configuration(work_dir, f"data.path={work_dir / 'own.csv'}", "train.name=inside", "train.max_epochs=1"))
    train(configuration(work_dir, f"data.path={outside}", "train.name=outside", "train.max_epochs=1"))
    data = rec_sys.load_dataset(pl.read_csv(work_dir / "own.csv"), work_dir=work_dir)
    rec_sys.EASE().fit(data).save(work_dir / "models/ease")
    rec_sys.GraphModel(dim=8, heads=2, max_epochs=1).fit(data).save(work_dir / "models/graph")
    compare(evaluation(work_dir, work_dir / "own.csv", "inside"))
    after = tmp_path_factory.mktemp("after") / "there"
    shutil.move(work_dir, after)
    outside.unlink()
    return Moved(after, outside)


def evaluation(work_dir: Path, file: Path, name: str) -> EvaluateSettings:
    return EvaluateSettings(
        models=[],
        checkpoint=[name],
        data=DataSettings(name="file", path=str(file)),
        encoder=EncoderSettings(),
        split=SplitSettings(),
        paths=Paths(work_dir=work_dir),
    )


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts_in([*value, *value.values()])
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


def test_no_absolute_path_is_kept(moved: Moved) -> None:
    kept = [*moved.folder.rglob("manifest.json"), *moved.folder.rglob("report.json"), *moved.folder.rglob("meta.json")]
    kept += moved.folder.rglob("summary.json")
    assert len([file for file in kept if "mlruns" not in file.parts]) >= 4 + 2 + 1
    found = [text for file in kept for text in texts_in(json.loads(file.read_text()))]
    assert [text for text in found if Path(text).is_absolute()] == []
    named = {
        name: json.loads((moved.folder / f"checkpoints/{name}/manifest.json").read_text())["info"]["settings"]["data"]
        for name in ("inside", "outside")
    }
    assert {name: data["path"] for name, data in named.items()} == {"inside": "own.csv", "outside": "reviews.csv"}


@pytest.mark.parametrize("name", ["inside", "outside"])
def test_a_moved_model_answers_and_gets_a_vector_base(moved: Moved, name: str) -> None:
    """Also for known users whose raw file is gone: the prepared reviews are there."""
    paths = Paths(work_dir=moved.folder)
    created = create_vectorbase(CreateSettings(checkpoint=name, paths=paths))
    assert created.folder == moved.folder / f"checkpoints/{name}/vector_base"
    (batch,) = infer(InferSettings(checkpoint=name, users=["u3", "u4"], k=3, paths=paths))
    assert [(each.user_id, len(each.items)) for each in batch] == [("u3", 3), ("u4", 3)]
    model = rec_sys.load(moved.folder / "checkpoints" / name)
    assert len(model.recommend("u3", k=3)) == 3
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["ease", "graph"])
def test_a_moved_model_of_python_finds_its_data(moved: Moved, name: str) -> None:
    model = rec_sys.load(moved.folder / "models" / name)
    assert len(model.recommend("u3", k=3)) == 3
    again = rec_sys.load(model.save(moved.folder / "models/deeper" / f"{name} again"))
    assert again.recommend("u3", k=3).equals(model.recommend("u3", k=3))  # type: ignore[arg-type]
    assert list(Path().iterdir()) == []


def test_a_moved_model_is_evaluated_on_its_data(moved: Moved) -> None:
    done = compare(evaluation(moved.folder, moved.folder / "own.csv", "inside"))
    assert [report.num_users for report in done.reports.values()] == [24]
    with pytest.raises(DataError, match=r"data\.path"):
        compare(evaluation(moved.folder, moved.outside, "outside"))


def test_a_moved_run_goes_on(moved: Moved) -> None:
    words = [f"data.path={moved.folder / 'own.csv'}", "train.resume=inside", "train.max_epochs=2"]
    assert len(train(configuration(moved.folder, *words)).report.history) == 2
    assert not (moved.outside.parents[1] / "before").exists()


def test_files_are_kept_relative_to_the_work_folder_or_by_name(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path / "work")
    given = {
        "path": str(tmp_path / "work/raw/reviews.csv"),
        "metadata": "auto",
        "user_ids": str(tmp_path / "ids.tsv"),
        "product_ids": "../ids.tsv",
    }
    kept = with_relative_paths(DataSettings(name="file", **given), paths)
    assert {key: kept[key] for key in given} == {
        "path": "raw/reviews.csv",
        "metadata": "auto",
        "user_ids": "ids.tsv",
        "product_ids": "../ids.tsv",
    }
    (tmp_path / "elsewhere/raw").mkdir(parents=True)
    (tmp_path / "elsewhere/raw/reviews.csv").touch()
    found = with_found_paths(kept, Paths(work_dir=tmp_path / "elsewhere"))
    assert found.path == str(tmp_path / "elsewhere/raw/reviews.csv")
    assert (found.metadata, found.user_ids) == ("auto", "ids.tsv")
