from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rec_sys.errors import CheckpointError
from rec_sys.paths import Paths, typed
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from tests.support.embedded_toy import Toy, toy


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
    assert not loaded.network.training
    states = loaded.network.product_tower(data.sums())
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


def test_a_state_to_resume_from_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "resume" / "my run.ckpt"
    path.parent.mkdir()
    torch.save({"x": 1}, path)  # a pickle is never opened
    assert find_checkpoint("resume/my run.ckpt", tmp_path) == path
    with pytest.raises(CheckpointError, match=rf"to resume training from; .*{re.escape(typed('train.resume', path))}$"):
        load_checkpoint(path)


def test_the_first_weight_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    save(path, toy())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    name = "model.user_tower.out.weight"
    save_file({**tensors, name: tensors[name][:-1].contiguous()}, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"\(size mismatch for user_tower\.out\.weight: .*train again"):
        load_checkpoint(path)


def test_the_advice_to_train_names_the_work_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my runs" / "checkpoints"
    option = re.escape(Paths(work_dir=folder.parent).option)
    for name in ("", "other"):
        with pytest.raises(CheckpointError, match=rf"uv run -m rec_sys\.train\.train{option}$"):
            find_checkpoint(name, folder)
    with pytest.raises(CheckpointError, match=r"uv run -m rec_sys\.train\.train$"):
        find_checkpoint("", Paths().checkpoints)


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
