"""New products beside a memory on the checkerboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rec_sys.dataset.splits import SplitSettings, split_by_time
from rec_sys.evaluation.new_products import with_texts_from
from rec_sys.modules.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.modules.memory import MemoryMix, make_memory
from rec_sys.train.welcome import welcome
from tests.embedded_toy import Toy, toy
from tests.train.test_remember import INFO, RANK, data_of, saved


def with_memory(folder: Path, data: Toy) -> Path:
    path = saved(folder, data)
    kept = load_checkpoint(path)
    count = data.table.num_products
    memory = make_memory(torch.rand(count, count, generator=torch.Generator().manual_seed(0)), torch.ones(count), RANK)
    kept.model.memory = MemoryMix(rank=RANK, share=0.5)
    save_checkpoint(path, kept.model, kept.states.with_memory(memory), kept.products, kept.names, INFO)
    return path


@pytest.mark.parametrize("exposure", [0.5, 1.5])
def test_the_wanted_exposure_is_reached_and_nothing_else_changes(tmp_path: Path, exposure: float) -> None:
    data = toy(num_users=60, num_products=120)
    path = with_memory(tmp_path, data)
    before = load_checkpoint(path)
    found = welcome(path, data_of(data), data.split, data.split.valid, data.product_text, exposure)
    after = load_checkpoint(path)
    assert found is not None
    assert found.exposure == pytest.approx(exposure, abs=0.1)
    assert 0 < found.length < 1
    assert after.readable is not None
    assert after.readable.welcome.length == found.length
    torch.testing.assert_close(after.model.state_dict(), before.model.state_dict(), atol=0, rtol=0)
    reviewed = np.unique(data.table.product[data.split.train])
    torch.testing.assert_close(after.states.target[reviewed], before.states.target[reviewed], atol=0, rtol=0)
    assert f"exposure {found.exposure:.2f}" in found.note


def test_products_kept_out_of_training_are_placed_by_their_texts_and_are_no_examples(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=40)
    split = split_by_time(data.table, SplitSettings(new_products=0.2))
    kept_out = Toy(data.table, split, data.review_text, data.product_text)
    path = with_memory(tmp_path, kept_out)
    found = welcome(path, data_of(kept_out), split, split.valid, data.product_text, 1.0)
    after = load_checkpoint(path)
    new = np.setdiff1d(np.arange(40), data.table.product[split.train])
    assert found is not None
    assert found.count == len(new) > 0
    assert after.readable is not None
    assert not after.readable.text[new].any()
    with torch.no_grad():
        described = after.describe_new(torch.from_numpy(data.product_text[new]))
    torch.testing.assert_close(after.states.target[new], described.target)
    torch.testing.assert_close(after.states.history[new], described.history)


def test_without_texts_nothing_is_done(tmp_path: Path) -> None:
    data = toy()
    path = with_memory(tmp_path, data)
    before = path.read_bytes()
    nothing = np.zeros_like(data.product_text)
    described = with_texts_from(data.table, data.split.train[:0], data.review_text, nothing)
    assert welcome(path, data_of(data), data.split, data.split.valid, described, 2.0) is None
    assert path.read_bytes() == before
