from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from rec_sys.errors import CheckpointError, ConfigError
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
    with pytest.raises(CheckpointError):
        registry.load(tmp_path)
    with pytest.raises(CheckpointError):
        registry.load(tmp_path / "absent.ckpt")


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
