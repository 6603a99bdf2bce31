from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import orjson
import pytest

from rec_sys.errors import VectorBaseError
from rec_sys.files import sha256_of
from rec_sys.paths import Paths, typed
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.vector_database.index import VectorBase, VectorBaseSettings
from rec_sys.vector_database.storage import load_vector_base, save_vector_base
from tests.support.toy_checkpoint import toy_checkpoint, toy_table

COMMAND = r"uv run -m rec_sys\.vector_database\.create_vectorbase"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> TrainedGraph:
    folder = tmp_path_factory.mktemp("toy")
    return toy_checkpoint(folder / "toy.ckpt", *toy_table(folder))


@pytest.fixture
def saved(checkpoint: TrainedGraph, tmp_path: Path) -> Path:
    base = VectorBase.of_model(checkpoint.stored())
    save_vector_base(base, tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_what_is_saved_is_loaded(checkpoint: TrainedGraph, tmp_path: Path, kind: str) -> None:
    settings = VectorBaseSettings.read({"kind": kind})
    some = checkpoint.states.target[:2].numpy()
    base = VectorBase.of_model(checkpoint.stored(), settings).with_products(["x", "é"], ["X", ""], some, 3 * some)
    save_vector_base(base, tmp_path / "base")
    loaded = load_vector_base(tmp_path / "base", checkpoint.stored())
    assert (loaded.kind, loaded.products.ids, loaded.names) == (kind, base.products.ids, base.names)
    assert loaded.origin == base.origin
    np.testing.assert_array_equal(loaded.added_history, base.added_history)
    queries = checkpoint.states.target[:7].numpy()
    for ours, theirs in zip(loaded.search(queries, 5), base.search(queries, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_missing_base_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(VectorBaseError, match=f"no vector base at .*: {COMMAND}"):
        load_vector_base(tmp_path / "base")


def test_the_advice_names_the_work_folder(checkpoint: TrainedGraph, tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path / "my runs")
    option = re.escape(paths.option)
    with pytest.raises(VectorBaseError, match=rf"{COMMAND}{option}$"):
        load_vector_base(paths.vector_base)
    with pytest.raises(VectorBaseError, match=rf"{COMMAND}$"):
        load_vector_base(Paths().vector_base)
    save_vector_base(VectorBase.of_model(checkpoint.stored()), paths.vector_base)
    other = toy_checkpoint(tmp_path / "my other.ckpt", *toy_table(tmp_path / "data"), seed=1)
    with pytest.raises(VectorBaseError, match=rf"{COMMAND}{option} {re.escape(typed('checkpoint', other.path))}$"):
        load_vector_base(paths.vector_base, other.stored())


def test_a_base_of_another_checkpoint_is_refused_by_name(saved: Path, tmp_path: Path) -> None:
    other = toy_checkpoint(tmp_path / "other.ckpt", *toy_table(tmp_path / "data"), seed=1)
    with pytest.raises(VectorBaseError, match=rf"from checkpoint toy\.ckpt .* is other\.ckpt .*{COMMAND}") as caught:
        load_vector_base(saved, other.stored())
    assert other.fingerprint[:12] in str(caught.value)
    assert len(load_vector_base(saved)) == 30


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [Path.unlink, cut, flip], ids=["missing", "cut", "flipped"])
@pytest.mark.parametrize("file", ["index.faiss", "products.parquet", "added_history.npy"])
def test_a_damaged_file_is_named(saved: Path, file: str, harm: Callable[[Path], None]) -> None:
    harm(saved / file)
    with pytest.raises(VectorBaseError, match=rf"damaged \({file} .*{COMMAND}"):
        load_vector_base(saved)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"damaged \(meta\.json is missing"),
        (b"{", r"damaged \(meta\.json: "),
        (b"[]", "something else"),
        (b'{"format": "rec_sys vector base 9"}', "vector base 9"),
        (b'{"format": "rec_sys vector base 1"}', "damaged"),
    ],
)
def test_a_damaged_description(saved: Path, content: bytes | None, message: str) -> None:
    if content is None:
        (saved / "meta.json").unlink()
    else:
        (saved / "meta.json").write_bytes(content)
    with pytest.raises(VectorBaseError, match=message):
        load_vector_base(saved)


def test_an_index_of_another_size_is_refused_though_its_sum_is_right(saved: Path, checkpoint: TrainedGraph) -> None:
    index = faiss.IndexFlatIP(checkpoint.states.target.shape[1])
    index.add(checkpoint.states.target[:29].numpy())
    faiss.write_index(index, str(saved / "index.faiss"))
    meta = orjson.loads((saved / "meta.json").read_bytes())
    meta["sha256"]["index.faiss"] = sha256_of(saved / "index.faiss")
    (saved / "meta.json").write_bytes(orjson.dumps(meta))
    with pytest.raises(VectorBaseError, match=r"numbers of products differ: .*index 29"):
        load_vector_base(saved)


def test_a_write_that_is_stopped_leaves_the_old_base(
    saved: Path, checkpoint: TrainedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = checkpoint.states.target[:1].numpy()
    grown = load_vector_base(saved).with_products(["x"], ["X"], some, some)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_vector_base(grown, saved)
    monkeypatch.undo()
    assert len(load_vector_base(saved, checkpoint.stored())) == 30
    assert [path.name for path in saved.parent.iterdir()] == ["base"]  # nothing half-written is left lying about
    save_vector_base(grown, saved)
    assert len(load_vector_base(saved, checkpoint.stored())) == 31
    assert [path.name for path in saved.parent.iterdir()] == ["base"]
