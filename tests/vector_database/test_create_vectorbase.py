from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from rec_sys.errors import CheckpointError, DataError, EncoderError, VectorBaseError
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, save_checkpoint
from rec_sys.recommenders.graph.stored import read_stored
from rec_sys.recommenders.graph.trained_encoder import encoder_of
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.text_encoder import embed
from rec_sys.vector_database.create_vectorbase import Created, CreateSettings, create_vectorbase
from rec_sys.vector_database.index import VectorBaseSettings
from rec_sys.vector_database.storage import load_vector_base
from tests.support.old_checkpoint import save_old_checkpoint
from tests.support.toy_checkpoint import ToyEncoder, toy_checkpoint, toy_table

NEW: list[dict[str, object]] = [
    {"asin": "NEW1", "title": "Golden harp", "description": ["Forty strings of bronze"]},
    {"asin": "p3", "title": "Not to be taken"},
    {"asin": "NEW2", "title": "Paper kite", "description": ["Flies in a light wind"]},
    {"asin": "NEW3"},
]


@pytest.fixture
def checkpoint(tmp_path: Path) -> TrainedGraph:
    return toy_checkpoint(tmp_path / "checkpoints/toy", *toy_table(tmp_path / "data"))


@pytest.fixture
def paths(checkpoint: TrainedGraph, tmp_path: Path) -> Paths:
    return Paths(work_dir=tmp_path)


def base_of(checkpoint: TrainedGraph) -> Path:
    """The folder of its vector base."""
    return checkpoint.path / "vector_base"


def add(paths: Paths, rows: list[dict[str, object]], batch_size: int = 1024) -> Created:
    file = paths.work_dir / "new.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    settings = CreateSettings(paths=paths, add_products=file, batch_size=batch_size)
    return create_vectorbase(settings, ToyEncoder())


def test_all_products_of_the_newest_checkpoint(checkpoint: TrainedGraph, paths: Paths) -> None:
    created = create_vectorbase(CreateSettings(paths=paths))
    assert load_vector_base(base_of(checkpoint), checkpoint.stored()).products.ids == checkpoint.products.ids
    assert created.folder == base_of(checkpoint)
    assert (len(created.base), created.base.kind, created.base.origin.checkpoint) == (30, "exact", "toy")
    for shown in (str(created.folder), "30", "exact", "toy"):
        assert shown in created.describe()


def test_no_checkpoint_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        create_vectorbase(CreateSettings(paths=Paths(work_dir=tmp_path)))
    assert caught.value.remedy is not None
    assert caught.value.remedy.module == "rec_sys.train.train"
    assert caught.value.remedy.settings == {"paths.work_dir": tmp_path}


def test_an_unfinished_model_has_a_base_by_name_alone(
    checkpoint: TrainedGraph, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    stopped = replace(checkpoint, complete=False)
    save_checkpoint(paths.checkpoints / "stopped", stopped)
    assert create_vectorbase(CreateSettings(paths=paths)).folder == base_of(checkpoint)
    caplog.clear()
    created = create_vectorbase(CreateSettings(paths=paths, checkpoint="stopped"))
    assert created.folder == paths.checkpoints / "stopped/vector_base"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_file_of_before_has_its_base_in_the_work_folder(checkpoint: TrainedGraph, paths: Paths) -> None:
    save_old_checkpoint(paths.checkpoints / "old.ckpt", checkpoint)
    created = create_vectorbase(CreateSettings(paths=paths, checkpoint="old"))
    assert created.folder == paths.vector_base
    assert load_vector_base(paths.vector_base, read_stored(paths.checkpoints / "old.ckpt")).products.ids == (
        checkpoint.products.ids
    )


@pytest.mark.parametrize("batch_size", [1, 2, 1024])
def test_added_products_are_found_by_their_own_text(checkpoint: TrainedGraph, paths: Paths, batch_size: int) -> None:
    created = add(paths, NEW, batch_size)  # makes the missing base too
    assert created.counts["added"] == 2
    assert created.counts["known already"] == 1
    assert created.counts["empty"] == 1
    base = load_vector_base(base_of(checkpoint), checkpoint.stored())
    assert base.products.ids == [*checkpoint.products.ids, "NEW1", "NEW2"]
    assert base.names[-2:] == ["Golden harp", "Paper kite"]
    assert base.names[3] == "Product p3"
    text = embed(ToyEncoder(), ["Golden harp. Forty strings of bronze", "Paper kite. Flies in a light wind"])
    with torch.inference_mode():
        states = checkpoint.network.product_tower.of_text(torch.from_numpy(text))
    numbers, scores = base.search(states.target.numpy(), 1)
    assert numbers[:, 0].tolist() == [30, 31]
    np.testing.assert_allclose(scores, 1, atol=1e-5)
    np.testing.assert_allclose(base.added_history, states.history.numpy(), atol=1e-5)


def test_adding_twice_changes_nothing_the_second_time(checkpoint: TrainedGraph, paths: Paths) -> None:
    add(paths, NEW[:1])
    assert add(paths, NEW[:1]).counts["added"] == 0
    assert add(paths, NEW).counts["added"] == 1
    assert load_vector_base(base_of(checkpoint)).products.ids[30:] == ["NEW1", "NEW2"]


def test_making_the_base_anew_says_what_is_lost(checkpoint: TrainedGraph, paths: Paths) -> None:
    add(paths, NEW)
    created = create_vectorbase(CreateSettings(paths=paths, vector_db=VectorBaseSettings(kind="hnsw")))
    assert created.dropped == 2
    assert "2 products" in created.describe()
    assert load_vector_base(base_of(checkpoint)).kind == "hnsw"


def test_products_are_not_added_to_the_base_of_another_checkpoint(
    checkpoint: TrainedGraph, paths: Paths, tmp_path: Path
) -> None:
    create_vectorbase(CreateSettings(paths=paths))
    zebra = toy_checkpoint(tmp_path / "checkpoints/zebra", *toy_table(tmp_path / "data"), seed=1)
    shutil.copytree(base_of(checkpoint), base_of(zebra))
    with pytest.raises(VectorBaseError, match=r"checkpoint toy .* is zebra "):
        add(paths, NEW)
    assert load_vector_base(base_of(checkpoint), checkpoint.stored()).num_added == 0


def test_a_file_without_products_leaves_the_base_as_it_is(checkpoint: TrainedGraph, paths: Paths) -> None:
    create_vectorbase(CreateSettings(paths=paths))
    with pytest.raises(DataError, match="no usable product"):
        add(paths, [*NEW[3:], {"asin": "", "title": "x"}])
    assert len(load_vector_base(base_of(checkpoint), checkpoint.stored())) == 30


def test_the_encoder_must_be_the_one_of_the_training(tmp_path: Path) -> None:
    encoder = Encoder(EncoderSettings(backend="float32"))
    settings = {"encoder": EncoderSettings(backend="auto").model_dump()}
    trained = {"name": "all-MiniLM-L6-v2", "backend": "float32", "fingerprint": encoder.fingerprint}
    table = toy_table(tmp_path / "data")
    paths = Paths(work_dir=tmp_path)
    same = toy_checkpoint(tmp_path / "same", *table, info={"settings": settings, "encoder": trained})
    assert encoder_of(same.stored(), paths).fingerprint == encoder.fingerprint  # whatever this machine would choose
    trained = {"name": "someone-elses", "backend": "float32", "fingerprint": "f" * 32}
    other = toy_checkpoint(tmp_path / "other", *table, info={"settings": settings, "encoder": trained})
    with pytest.raises(EncoderError, match=r"other was trained with .*someone-elses.*all-MiniLM-L6-v2"):
        encoder_of(other.stored(), paths)
    silent = toy_checkpoint(tmp_path / "silent", *table)
    with pytest.raises(CheckpointError, match="does not hold the settings 'encoder'"):
        encoder_of(silent.stored(), paths)
