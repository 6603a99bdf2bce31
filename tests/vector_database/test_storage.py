from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import orjson
import pytest

from rec_sys.errors import VectorBaseError
from rec_sys.files import sha256_of
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint
from rec_sys.vector_database.index import VectorBase, VectorBaseSettings
from rec_sys.vector_database.storage import load_vector_base, save_vector_base, vector_base_folder
from tests.support.old_checkpoint import save_old_checkpoint
from tests.support.toy_checkpoint import toy_checkpoint, toy_table

COMMAND = "rec_sys.vector_database.create_vectorbase"


def refused(folder: Path, model: TrainedGraph | None = None) -> VectorBaseError:
    """What a base that cannot be used is refused with; its remedy is always to make it anew."""
    with pytest.raises(VectorBaseError) as caught:
        load_vector_base(folder, None if model is None else model.stored())
    assert caught.value.remedy is not None
    assert caught.value.remedy.module == COMMAND
    return caught.value


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> TrainedGraph:
    folder = tmp_path_factory.mktemp("toy")
    return toy_checkpoint(folder / "toy", *toy_table(folder))


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


def settings_of(error: VectorBaseError) -> dict[str, object]:
    assert error.remedy is not None
    return dict(error.remedy.settings)


def test_a_missing_base_says_what_to_run(tmp_path: Path) -> None:
    assert settings_of(refused(tmp_path / "base")) == {"paths.work_dir": tmp_path}


def test_the_base_of_a_model_lies_in_its_folder_and_the_advice_names_the_model(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path / "my runs")
    path = paths.checkpoints / "my model"
    toy_checkpoint(path, *toy_table(tmp_path / "data"))
    folder = vector_base_folder(path, paths)
    assert folder.parent == path
    assert settings_of(refused(folder)) == {"paths.work_dir": paths.work_dir, "checkpoint": path}


def test_the_advice_in_the_default_work_folder_names_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = toy_checkpoint(Paths().checkpoints / "a", *toy_table(tmp_path / "data"))
    assert settings_of(refused(vector_base_folder(model.path, Paths()))) == {"checkpoint": Path("checkpoints/a")}


def test_the_advice_for_a_model_that_lies_elsewhere_names_its_path_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = toy_checkpoint(Path("downloaded"), *toy_table(tmp_path / "data"))
    assert settings_of(refused(vector_base_folder(model.path, Paths()))) == {"checkpoint": Path("downloaded")}


def test_the_base_of_a_file_of_before_lies_in_the_work_folder(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path / "my runs")
    model = toy_checkpoint(tmp_path / "new", *toy_table(tmp_path / "data"))
    path = paths.checkpoints / "old.ckpt"
    save_old_checkpoint(path, model)
    assert vector_base_folder(path, paths) == paths.vector_base
    old = load_checkpoint(path)
    save_vector_base(VectorBase.of_model(old.stored()), paths.vector_base)
    assert len(load_vector_base(paths.vector_base, old.stored())) == 30
    assert settings_of(refused(paths.vector_base, model)) == {
        "paths.work_dir": paths.work_dir,
        "checkpoint": model.path,
    }


def test_a_base_of_another_checkpoint_is_refused_by_name(saved: Path, tmp_path: Path) -> None:
    other = toy_checkpoint(tmp_path / "other", *toy_table(tmp_path / "data"), seed=1)
    error = refused(saved, other)
    assert settings_of(error)["checkpoint"] == other.path
    for named in ("checkpoint toy ", "is other ", other.fingerprint[:12]):
        assert named in str(error)
    assert len(load_vector_base(saved)) == 30


def test_a_base_of_before_has_another_name_for_one_value(saved: Path) -> None:
    meta = orjson.loads((saved / "meta.json").read_bytes())
    del meta["origin"]["similarity_dim"]
    meta["origin"]["likeness"] = 9
    (saved / "meta.json").write_bytes(orjson.dumps(meta))
    assert load_vector_base(saved).origin.similarity_dim == 9


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
    assert f"damaged ({file} " in str(refused(saved))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "damaged (meta.json is missing"),
        (b"{", "damaged (meta.json: "),
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
    assert message in str(refused(saved))


def test_an_index_of_another_size_is_refused_though_its_sum_is_right(saved: Path, checkpoint: TrainedGraph) -> None:
    index = faiss.IndexFlatIP(checkpoint.states.target.shape[1])
    index.add(checkpoint.states.target[:29].numpy())
    faiss.write_index(index, str(saved / "index.faiss"))
    meta = orjson.loads((saved / "meta.json").read_bytes())
    meta["sha256"]["index.faiss"] = sha256_of(saved / "index.faiss")
    (saved / "meta.json").write_bytes(orjson.dumps(meta))
    assert "index 29" in str(refused(saved))


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
