from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from rec_sys.errors import CheckpointError, ConfigError, Remedy
from rec_sys.recommenders import registry
from rec_sys.recommenders.ease import EASE
from rec_sys.recommenders.popularity import Popularity
from tests.support.recommender_contract import contract_dataset

PROJECT = Path(__file__).resolve().parents[2]


def test_create_makes_a_model_with_settings() -> None:
    model = registry.create("ease", regularisation=7)
    assert isinstance(model, EASE)
    assert model.settings.regularisation == 7


@pytest.mark.parametrize(("name", "hint"), [("esae", "did you mean 'ease'"), ("zzz", "known: popularity, item_knn")])
def test_an_unknown_name_is_refused_with_the_closest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        registry.create(name)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = Popularity().fit(contract_dataset()).save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="'popularity', not 'ease'"):
        EASE.load(folder)
    manifest = folder / "manifest.json"
    manifest.write_bytes(orjson.dumps({**orjson.loads(manifest.read_bytes()), "kind": "easy"}))
    with pytest.raises(CheckpointError, match="unknown kind 'easy'; did you mean 'ease'"):
        registry.load(folder)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    """Each in its own words, with what to do."""
    for folder in (tmp_path / "absent", tmp_path / "absent.ckpt"):
        with pytest.raises(CheckpointError, match="no such folder") as missing:
            registry.load(folder)
        assert missing.value.remedy is not None
        assert missing.value.remedy.module == "rec_sys.train.train"
    with pytest.raises(CheckpointError, match=r"is no model.* such as checkpoints/NAME"):
        registry.load(tmp_path)
    (tmp_path / "a file").touch()
    with pytest.raises(CheckpointError, match="is no model"):
        registry.load(tmp_path / "a file")


def test_models_beside_or_below_a_wrong_folder_are_named(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    folder = Popularity().fit(contract_dataset()).save(checkpoints / "first")
    with pytest.raises(CheckpointError, match=r"did you mean 'first'\?"):
        registry.load(checkpoints / "furst")
    for above in (tmp_path, checkpoints):
        with pytest.raises(CheckpointError, match=f"give the folder of one: {folder}"):
            registry.load(above)


def test_an_unfinished_model_is_loaded_only_where_that_is_said(tmp_path: Path) -> None:
    folder = Popularity().fit(contract_dataset()).save(tmp_path / "checkpoints" / "first")
    manifest = folder / "manifest.json"
    manifest.write_bytes(orjson.dumps({**orjson.loads(manifest.read_bytes()), "complete": False}))
    assert registry.load(folder, unfinished=True).is_fitted
    with pytest.raises(CheckpointError, match="unfinished=True") as refused:
        registry.load(folder)
    given = {"paths.work_dir": tmp_path, "train.name": "first"}
    assert refused.value.remedy == Remedy("train it again", "rec_sys.train.train", given)
    (tmp_path / "checkpoints/resume").mkdir()
    (tmp_path / "checkpoints/resume/first.ckpt").touch()
    with pytest.raises(CheckpointError) as refused:
        registry.load(folder)
    given = {"paths.work_dir": tmp_path, "train.resume": "first"}
    assert refused.value.remedy == Remedy("go on with it", "rec_sys.train.train", given)


def test_the_documentation_names_every_model() -> None:
    page = (PROJECT / "docs/models.md").read_text()
    assert [name for name in registry.names() if f"`{name}`" not in page] == []


def test_models_without_a_network_do_without_torch() -> None:
    """Their files, and that of SASRec, whose network is in a file of its own."""
    own = [name for name in registry.names() if name != registry.GRAPH]
    script = (
        f"import sys\nfrom rec_sys.recommenders import registry\n[registry.recommender_class(n) for n in {own!r}]\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
