from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from rec_sys.errors import CheckpointError, DataError, EncoderError, VectorBaseError
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.trained_encoder import encoder_of
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.text_encoder import embed
from rec_sys.vector_database.create_vectorbase import Created, CreateSettings, create_vectorbase
from rec_sys.vector_database.index import VectorBaseSettings
from rec_sys.vector_database.storage import load_vector_base
from tests.support.toy_checkpoint import ToyEncoder, toy_checkpoint, toy_table

NEW: list[dict[str, object]] = [
    {"asin": "NEW1", "title": "Golden harp", "description": ["Forty strings of bronze"]},
    {"asin": "p3", "title": "Not to be taken"},
    {"asin": "NEW2", "title": "Paper kite", "description": ["Flies in a light wind"]},
    {"asin": "NEW3"},
]


@pytest.fixture
def checkpoint(tmp_path: Path) -> TrainedGraph:
    return toy_checkpoint(tmp_path / "checkpoints/toy.ckpt", *toy_table(tmp_path / "data"))


@pytest.fixture
def paths(checkpoint: TrainedGraph, tmp_path: Path) -> Paths:
    return Paths(work_dir=tmp_path)


def add(paths: Paths, rows: list[dict[str, object]], batch_size: int = 1024) -> Created:
    file = paths.work_dir / "new.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    settings = CreateSettings(paths=paths, add_products=file, batch_size=batch_size)
    return create_vectorbase(settings, ToyEncoder())


def test_all_products_of_the_newest_checkpoint(checkpoint: TrainedGraph, paths: Paths) -> None:
    created = create_vectorbase(CreateSettings(paths=paths))
    assert load_vector_base(paths.vector_base, checkpoint.stored()).products.ids == checkpoint.products.ids
    text = created.describe()
    assert "30" in text
    assert "exact" in text
    assert "toy.ckpt" in text


def test_no_checkpoint_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"uv run -m rec_sys\.train\.train"):
        create_vectorbase(CreateSettings(paths=Paths(work_dir=tmp_path)))


@pytest.mark.parametrize("batch_size", [1, 2, 1024])
def test_added_products_are_found_by_their_own_text(checkpoint: TrainedGraph, paths: Paths, batch_size: int) -> None:
    created = add(paths, NEW, batch_size)  # makes the missing base too
    assert created.counts["added"] == 2
    assert created.counts["known already"] == 1
    assert created.counts["empty"] == 1
    base = load_vector_base(paths.vector_base, checkpoint.stored())
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
    assert load_vector_base(paths.vector_base).products.ids[30:] == ["NEW1", "NEW2"]


def test_making_the_base_anew_says_what_is_lost(paths: Paths) -> None:
    add(paths, NEW)
    created = create_vectorbase(CreateSettings(paths=paths, vector_db=VectorBaseSettings(kind="hnsw")))
    assert created.dropped == 2
    assert "2 products" in created.describe()
    assert load_vector_base(paths.vector_base).kind == "hnsw"


def test_products_are_not_added_to_the_base_of_another_checkpoint(
    checkpoint: TrainedGraph, paths: Paths, tmp_path: Path
) -> None:
    create_vectorbase(CreateSettings(paths=paths))
    toy_checkpoint(tmp_path / "checkpoints/zebra.ckpt", *toy_table(tmp_path / "data"), seed=1)
    with pytest.raises(VectorBaseError, match=r"toy\.ckpt .*zebra\.ckpt"):
        add(paths, NEW)
    assert load_vector_base(paths.vector_base, checkpoint.stored()).num_added == 0


def test_a_file_without_products_leaves_the_base_as_it_is(checkpoint: TrainedGraph, paths: Paths) -> None:
    create_vectorbase(CreateSettings(paths=paths))
    with pytest.raises(DataError, match="no usable product"):
        add(paths, [*NEW[3:], {"asin": "", "title": "x"}])
    assert len(load_vector_base(paths.vector_base, checkpoint.stored())) == 30


def test_the_encoder_must_be_the_one_of_the_training(tmp_path: Path) -> None:
    encoder = Encoder(EncoderSettings(backend="float32"))
    settings = {"encoder": EncoderSettings(backend="auto").model_dump()}
    trained = {"name": "all-MiniLM-L6-v2", "backend": "float32", "fingerprint": encoder.fingerprint}
    table = toy_table(tmp_path / "data")
    paths = Paths(work_dir=tmp_path)
    same = toy_checkpoint(tmp_path / "same.ckpt", *table, info={"settings": settings, "encoder": trained})
    assert encoder_of(same, paths).fingerprint == encoder.fingerprint  # whatever this machine would choose
    trained = {"name": "someone-elses", "backend": "float32", "fingerprint": "f" * 32}
    other = toy_checkpoint(tmp_path / "other.ckpt", *table, info={"settings": settings, "encoder": trained})
    with pytest.raises(EncoderError, match=r"other\.ckpt was trained with .*someone-elses.*all-MiniLM-L6-v2"):
        encoder_of(other, paths)
    silent = toy_checkpoint(tmp_path / "silent.ckpt", *table)
    with pytest.raises(CheckpointError, match="does not hold the settings 'encoder'"):
        encoder_of(silent, paths)
