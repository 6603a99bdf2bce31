from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rec_sys.errors import CheckpointError
from rec_sys.files import sha256_of
from rec_sys.recommenders.artifact import MANIFEST_FILE, find_artifact, fingerprint_of, read_artifact
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.stored import KIND, PRODUCTS_FILE, WEIGHTS_FILE, read_stored
from tests.support.embedded_toy import toy


def trained(seed: int = 0) -> TrainedGraph:
    made = toy(seed=seed).untrained()
    names = [f"Product {number}" for number in range(len(made.products))]
    return replace(made, names=names, info={"metrics": {"ndcg@10": 0.25}})


def vouch_again(folder: Path) -> None:
    """Sums of the files as they are now, so that only what is in them is wrong."""
    manifest = orjson.loads((folder / MANIFEST_FILE).read_bytes())
    manifest["files"] = {name: sha256_of(folder / name) for name in manifest["files"]}
    manifest["fingerprint"] = fingerprint_of(manifest["files"])
    (folder / MANIFEST_FILE).write_bytes(orjson.dumps(manifest))


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    data = toy()
    save_checkpoint(tmp_path / "a", trained())
    loaded = load_checkpoint(tmp_path / "a")
    assert loaded.products.ids == data.table.products.ids
    assert loaded.names[3] == "Product 3"
    assert loaded.info["metrics"] == {"ndcg@10": 0.25}
    assert loaded.complete
    assert loaded.name == "a"
    assert not loaded.network.training
    states = loaded.network.product_tower(data.sums())
    torch.testing.assert_close(states.target, loaded.states.target)
    torch.testing.assert_close(states.history, loaded.states.history)


def test_the_arrays_on_disk_are_those_in_memory(tmp_path: Path) -> None:
    made = trained()
    save_checkpoint(tmp_path / "a", made)
    stored = read_stored(tmp_path / "a")
    before = made.stored()
    assert stored.arrays.keys() == before.arrays.keys()
    for name, value in before.arrays.items():
        np.testing.assert_array_equal(stored.arrays[name], value, err_msg=name)
    assert stored.settings == before.settings
    assert (stored.text_dim, stored.review_texts) == (before.text_dim, before.review_texts)


def test_the_manifest_vouches_for_every_file(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", trained())
    manifest = read_artifact(tmp_path / "a").manifest
    assert (manifest.kind, manifest.complete) == (KIND, True)
    assert set(manifest.files) == {WEIGHTS_FILE, PRODUCTS_FILE}
    assert {path.name for path in (tmp_path / "a").iterdir()} == {MANIFEST_FILE, WEIGHTS_FILE, PRODUCTS_FILE}
    assert manifest.fingerprint == load_checkpoint(tmp_path / "a").fingerprint
    for name in manifest.files:
        save_checkpoint(tmp_path / "a", trained())
        content = bytearray((tmp_path / "a" / name).read_bytes())
        content[-1] ^= 1
        (tmp_path / "a" / name).write_bytes(bytes(content))
        with pytest.raises(CheckpointError, match=name):
            load_checkpoint(tmp_path / "a")
        (tmp_path / "a" / name).unlink()
        with pytest.raises(CheckpointError, match=name):
            load_checkpoint(tmp_path / "a")


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", trained())
    save_checkpoint(tmp_path / "b", trained(seed=1))
    save_checkpoint(tmp_path / "same", trained())
    a, b, same = (load_checkpoint(tmp_path / name).fingerprint for name in ("a", "b", "same"))
    assert a == same != b


@pytest.mark.parametrize("content", [b"half a file", b"PK\x03\x04 of torch", b"[]", b'{"kind": "graph"'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    save_checkpoint(tmp_path / "a", trained())
    (tmp_path / "a" / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=MANIFEST_FILE):
        load_checkpoint(tmp_path / "a")


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", trained())
    save_file({"x": torch.zeros(2)}, tmp_path / "a" / WEIGHTS_FILE)
    vouch_again(tmp_path / "a")
    with pytest.raises(CheckpointError, match="does not fit"):
        load_checkpoint(tmp_path / "a")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", trained())
    manifest = orjson.loads((tmp_path / "a" / MANIFEST_FILE).read_bytes())
    (tmp_path / "a" / MANIFEST_FILE).write_bytes(orjson.dumps(manifest | {"kind": "ease"}))
    with pytest.raises(CheckpointError, match="'ease'"):
        load_checkpoint(tmp_path / "a")


def test_a_state_to_resume_from_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "resume" / "my run.ckpt"
    path.parent.mkdir()
    torch.save({"x": 1}, path)  # a pickle is never opened
    assert find_artifact("resume/my run.ckpt", tmp_path) == path
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert caught.value.remedy is not None
    assert caught.value.remedy.module == "rec_sys.train.train"
    assert caught.value.remedy.settings == {"train.resume": path}


def test_the_first_weight_that_does_not_fit_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", trained())
    path, name = tmp_path / "a" / WEIGHTS_FILE, "model.user_tower.out.weight"
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    save_file({**tensors, name: tensors[name][:-1].contiguous()}, path, metadata=metadata)
    vouch_again(tmp_path / "a")
    with pytest.raises(CheckpointError, match=r"\(size mismatch for user_tower\.out\.weight: "):
        load_checkpoint(tmp_path / "a")


def test_the_advice_to_train_names_the_work_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my runs" / "checkpoints"
    for name, where, settings in (
        ("", folder, {"paths.work_dir": folder.parent}),
        ("other", folder, {"paths.work_dir": folder.parent}),
        ("", Path("checkpoints"), {}),
    ):
        with pytest.raises(CheckpointError) as caught:
            find_artifact(name, where)
        assert caught.value.remedy is not None
        assert caught.value.remedy.module == "rec_sys.train.train"
        assert caught.value.remedy.settings == settings
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder / "a")
    assert caught.value.remedy is not None
    assert caught.value.remedy.settings == {"paths.work_dir": folder.parent}


def written(folder: Path, age: int, model: TrainedGraph) -> Path:
    """A model that was written so many seconds ago."""
    save_checkpoint(folder, model)
    os.utime(folder / MANIFEST_FILE, (1_000_000 - age, 1_000_000 - age))
    return folder


def test_the_newest_good_one_is_found(tmp_path: Path) -> None:
    new, old = (written(tmp_path / name, age, trained()) for age, name in enumerate(("new", "old")))
    (tmp_path / "newest.ckpt").write_bytes(b"half a file")
    save_file({"x": torch.zeros(2)}, tmp_path / "foreign.ckpt", metadata={"format": "of somebody else"})
    torch.save({"x": 1}, tmp_path / "state.ckpt")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST_FILE).write_bytes(b"{")
    (tmp_path / "no model").mkdir()
    assert find_artifact("", tmp_path) == new
    assert find_artifact("old", tmp_path) == old
    assert find_artifact("old.ckpt", tmp_path) == old  # as it was called before there were folders
    assert find_artifact(str(old), Path("elsewhere")) == old
    for name in ("other", "no model"):
        with pytest.raises(CheckpointError, match=name):
            find_artifact(name, tmp_path)


def test_the_newest_of_a_kind_is_found(tmp_path: Path) -> None:
    graph = written(tmp_path / "graph", 1, trained())
    other = written(tmp_path / "other", 0, trained())
    manifest = orjson.loads((other / MANIFEST_FILE).read_bytes())
    (other / MANIFEST_FILE).write_bytes(orjson.dumps(manifest | {"kind": "ease"}))
    assert find_artifact("", tmp_path) == other
    assert find_artifact("", tmp_path, "ease") == other
    assert find_artifact("", tmp_path, KIND) == graph
    with pytest.raises(CheckpointError):
        find_artifact("", tmp_path, "svd")


def test_an_unfinished_model_is_used_by_name_alone_and_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = written(tmp_path / "stopped", 0, replace(trained(), complete=False))
    with pytest.raises(CheckpointError):
        find_artifact("", tmp_path)
    good = written(tmp_path / "good", 10, trained())
    assert find_artifact("", tmp_path) == good
    for name in ("stopped", str(unfinished)):
        caplog.clear()
        assert find_artifact(name, tmp_path) == unfinished
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "stopped" in caplog.text
    assert not load_checkpoint(unfinished).complete
    caplog.clear()
    assert find_artifact("good", tmp_path) == good
    assert not caplog.records
