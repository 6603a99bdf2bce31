from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest

from rec_sys.errors import RepositoryError
from rec_sys.inference.local import all_history
from rec_sys.inference.served import Served, load_served, read_served, save_served
from rec_sys.recommenders.graph.numpy_encoder import NumpyGraphEncoder
from rec_sys.vector_database.index import VectorBase
from tests.support.exported_toy import random_checkpoint


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with version 2 of `recommend` and a file of another model."""
    folder = tmp_path_factory.mktemp("repository")
    checkpoint = random_checkpoint(folder / "a")
    base = VectorBase.of_model(checkpoint.stored())
    other = folder / "graph_model/2/model.onnx"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"a network")
    graph = NumpyGraphEncoder(checkpoint.stored())
    about = Served(
        version=2,
        checkpoint=checkpoint.fingerprint,
        checkpoint_name="a",
        encoder="of texts",
        text_dim=graph.text_dim,
        review_texts=True,
        max_history=7,
    )
    save_served(folder / "recommend/2", about, base, all_history(checkpoint.stored().history, base, graph), [other])
    return folder


@pytest.fixture
def repository(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "repository"))


def test_what_was_written_is_read(repository: Path) -> None:
    model = load_served(repository / "recommend/2")
    assert (model.served.version, model.served.max_history, model.served.checkpoint_name) == (2, 7, "a")
    assert model.base.origin.fingerprint == model.served.checkpoint
    assert len(model.history) == len(model.base) + 1
    assert model.history.dtype == np.float32
    assert set(model.served.sha256) == {
        "graph_model/2/model.onnx",
        "recommend/2/history.npy",
        *(f"recommend/2/vector_base/{name}" for name in ("index.faiss", "products.parquet", "added_history.npy")),
        "recommend/2/vector_base/meta.json",
    }
    assert read_served(repository / "recommend/2") == model.served


@pytest.mark.parametrize(
    "name",
    ["graph_model/2/model.onnx", "recommend/2/history.npy", "recommend/2/vector_base/index.faiss"],
)
def test_every_file_is_vouched_for(repository: Path, name: str) -> None:
    content = bytearray((repository / name).read_bytes())
    content[-1] ^= 1
    (repository / name).write_bytes(bytes(content))
    with pytest.raises(RepositoryError, match=f"{name} is not the file"):
        load_served(repository / "recommend/2")
    (repository / name).unlink()
    with pytest.raises(RepositoryError, match=f"{name} is missing.* version 2"):
        load_served(repository / "recommend/2")


def test_a_vector_base_of_another_checkpoint_is_refused(good: Path, tmp_path: Path) -> None:
    """Whole by itself, with sums that are right: only the fingerprints tell."""
    other = random_checkpoint(tmp_path / "b", seed=1)
    stored = other.stored()
    base, graph = VectorBase.of_model(stored), NumpyGraphEncoder(stored)
    about = read_served(good / "recommend/2").model_copy(update={"sha256": {}})
    save_served(tmp_path / "recommend/2", about, base, all_history(stored.history, base, graph))
    with pytest.raises(RepositoryError, match=r"checkpoint b .*version of a "):
        load_served(tmp_path / "recommend/2")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"format": "rec_sys served 0"}, "is not 'rec_sys served 1'"),
        ({"version": 0}, "served.version=0"),
        ({"more": 1}, "unknown setting 'served.more'"),
    ],
)
def test_another_served_json_is_refused(repository: Path, change: dict[str, object], expected: str) -> None:
    path = repository / "recommend/2/served.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **change}))
    with pytest.raises(RepositoryError, match=expected):
        load_served(repository / "recommend/2")


def test_no_served_json(repository: Path) -> None:
    (repository / "recommend/2/served.json").write_bytes(b"{")
    with pytest.raises(RepositoryError, match=r"served\.json"):
        load_served(repository / "recommend/2")
    with pytest.raises(RepositoryError, match=r"served\.json"):
        load_served(repository / "recommend/3")
