from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rec_sys.errors import CheckpointError
from rec_sys.modules.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from tests.embedded_toy import Toy, toy


def save(path: Path, data: Toy) -> None:
    model = data.model()
    states = model.product_tower(data.sums())
    names = [f"Product {number}" for number in range(data.table.num_products)]
    save_checkpoint(path, model, states, data.table.products, names, {"metrics": {"ndcg@10": 0.25}})


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    data = toy()
    save(tmp_path / "a.ckpt", data)
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.products.ids == data.table.products.ids
    assert loaded.names[3] == "Product 3"
    assert loaded.info["metrics"] == {"ndcg@10": 0.25}
    assert not loaded.model.training
    states = loaded.model.product_tower(data.sums())
    torch.testing.assert_close(states.target, loaded.states.target)
    torch.testing.assert_close(states.history, loaded.states.history)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    save(tmp_path / "a.ckpt", toy())
    save(tmp_path / "b.ckpt", toy(seed=1))
    assert load_checkpoint(tmp_path / "a.ckpt").fingerprint != load_checkpoint(tmp_path / "b.ckpt").fingerprint


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    with pytest.raises(CheckpointError, match="train one first"):
        load_checkpoint(path)
    save(path, toy())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load_checkpoint(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="expected 'rec_sys graph model"):
        load_checkpoint(path)
    torch.save({"x": 1}, path)  # a pickle is never opened
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load_checkpoint(path)


def test_the_newest_good_one_is_found(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"uv run -m rec_sys\.train\.train"):
        find_checkpoint("", tmp_path)
    for age, name in enumerate(("new", "old")):
        save(tmp_path / f"{name}.ckpt", toy())
        os.utime(tmp_path / f"{name}.ckpt", (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "newest.ckpt").write_bytes(b"half a file")
    assert find_checkpoint("", tmp_path) == tmp_path / "new.ckpt"
    assert find_checkpoint("old", tmp_path) == tmp_path / "old.ckpt"
    assert find_checkpoint(str(tmp_path / "old.ckpt"), Path("elsewhere")) == tmp_path / "old.ckpt"
    with pytest.raises(CheckpointError, match="no checkpoint 'other'"):
        find_checkpoint("other", tmp_path)
