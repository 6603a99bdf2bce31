"""New products beside known ones, by hand on three directions of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional

from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.cold_start import FACTOR_WEIGHT, Calibration, ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.item_factors import Blend, ItemFactors
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import ProductStates
from tests.support.embedded_toy import TEXT_DIM, toy

RANK = 4


def unit(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def known(
    rank: int = RANK, examples: int = 40, scale: float = 0.6
) -> tuple[GraphNetwork, ProductStates, TextNeighbourBank]:
    """An untrained tower, random states of its 40 products, and texts of the first `examples` of them."""
    torch.manual_seed(0)
    model = toy().model()
    states = ProductStates(
        torch.randn(40, 17), torch.cat([torch.full((40, 1), 0.99), unit(40, 16) * (1 - 0.99**2) ** 0.5], dim=1)
    )
    if rank:
        model.blend = Blend(rank=rank, weight=0.5)
        states = states.with_item_factors(ItemFactors(torch.randn(40, rank), unit(40, rank, 1) * 0.8))
    text = unit(40, TEXT_DIM, 2)
    text[examples:] = 0
    return model, states, TextNeighbourBank(text.half(), torch.ones(40, dtype=torch.bool), Calibration(scale=scale))


def test_the_nearest_text_counts_and_its_memory_is_recalled() -> None:
    model, states, bank = known()
    new = ColdItemEncoder(model.product_tower, states, bank).eval()
    far = functional.normalize(torch.eye(TEXT_DIM)[:1] * 1.0, dim=1)
    only = TextNeighbourBank(torch.zeros(40, TEXT_DIM).half(), bank.known, bank.calibration)
    only.text[7] = far[0].half()
    one = ColdItemEncoder(model.product_tower, states, only).eval()
    with torch.no_grad():
        found, own = one.describe(far), model.product_tower.of_text(far)
        several = new.describe(bank.text[[3]].float())
    rating_bias = (1 - 0.99**2) ** 0.5
    factors = functional.normalize(states.target[[7], 17:21], dim=1)
    preference = functional.normalize(
        functional.normalize(states.target[[7], 1:17], dim=1) + functional.normalize(own.target[:, 1:17], dim=1), dim=1
    )
    torch.testing.assert_close(found.target[:, 1:17], preference * (0.6 * (1 - FACTOR_WEIGHT)) ** 0.5 * rating_bias)
    torch.testing.assert_close(found.target[:, 17:21], factors * (0.6 * FACTOR_WEIGHT) ** 0.5 * rating_bias)
    torch.testing.assert_close(found.history[:, 17:], states.history[[7], 17:])  # one neighbour: its own memory
    torch.testing.assert_close(found.history[:, :17], own.history[:, :17])
    torch.testing.assert_close(several.target.norm(dim=1), torch.ones(1), atol=1e-5, rtol=0)
    nearest = (several.target[:, 17:21] @ functional.normalize(states.target[:, 17:21], dim=1).T).argmax()
    assert nearest == 3


def test_without_text_or_examples_a_product_is_what_the_tower_says() -> None:
    model, states, bank = known()
    nothing = torch.zeros(2, TEXT_DIM)
    none = ColdItemEncoder(
        model.product_tower, states, TextNeighbourBank(torch.zeros(40, TEXT_DIM).half(), bank.known, bank.calibration)
    ).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            vars(none.describe(unit(3, TEXT_DIM))), vars(model.product_tower.of_text(unit(3, TEXT_DIM)))
        )
        blank = ColdItemEncoder(model.product_tower, states, bank).eval().describe(nothing)
    assert torch.isfinite(blank.target).all()
    assert not blank.target[:, 17:21].any()  # reads like nothing, so nothing is taken from others
    assert not blank.history[:, 17:].any()


def test_a_batch_equals_its_parts_and_an_example_can_be_left_out() -> None:
    model, states, bank = known()
    new = ColdItemEncoder(model.product_tower, states, bank).eval()
    text = unit(5, TEXT_DIM, 9)
    with torch.no_grad():
        together = new.describe(text)
        for place in range(5):
            alone = new.describe(text[[place]])
            torch.testing.assert_close(alone.target, together.target[[place]], atol=1e-6, rtol=1e-5)
        asked = bank.text[[3, 8]].float()
        parts = new.parts(asked, leave_out=torch.tensor([3, 8]))
        others = TextNeighbourBank(bank.text.clone(), bank.known, bank.calibration)
        others.text[3] = 0
        without = ColdItemEncoder(model.product_tower, states, others).eval()
        torch.testing.assert_close(parts[1][:1], without.parts(asked[:1])[1])


def test_without_a_memory_there_is_no_length_to_spare() -> None:
    model, states, bank = known(rank=0)
    with torch.no_grad():
        found = ColdItemEncoder(model.product_tower, states, bank).eval().describe(unit(3, TEXT_DIM))
    assert found.target.shape == (3, 17)
    assert found.history.shape == (3, 17)
    torch.testing.assert_close(found.target.norm(dim=1), torch.ones(3), atol=1e-5, rtol=0)


def test_what_is_loaded_describes_like_what_was_saved(tmp_path: Path) -> None:
    model, states, bank = known(examples=12)
    data = toy()
    save_checkpoint(tmp_path / "a.ckpt", model, states, data.table.products, [""] * 40, {}, bank)
    loaded = load_checkpoint(tmp_path / "a.ckpt")
    assert loaded.bank is not None
    assert loaded.bank.calibration == bank.calibration
    text = unit(3, TEXT_DIM, 4)
    before = ColdItemEncoder(model.product_tower, states, bank).eval()
    np.testing.assert_array_equal(before.numbers, np.arange(12))
    with torch.no_grad():
        torch.testing.assert_close(vars(loaded.describe_cold_items(text)), vars(before.describe(text)), atol=0, rtol=0)


def test_a_file_that_does_not_tell_the_share_of_memory_is_of_a_tenth(tmp_path: Path) -> None:
    model, states, bank = known()
    path, older = tmp_path / "a.ckpt", tmp_path / "older.ckpt"
    save_checkpoint(path, model, states, toy().table.products, [""] * 40, {}, bank)
    with safe_open(path, framework="pt") as file:
        header = file.metadata() | {"welcome": '{"length": 0.6}'}
        save_file({key: file.get_tensor(key) for key in file.keys()}, older, metadata=header)  # noqa: SIM118
    loaded = load_checkpoint(older)
    assert loaded.bank is not None
    assert loaded.bank.calibration == Calibration(scale=0.6, factor_weight=0.1)
    with torch.no_grad():
        found = loaded.describe_cold_items(unit(3, TEXT_DIM, 4)).target[:, 1:]
    preference, factors = found[:, :16].square().sum(dim=1), found[:, 16:20].square().sum(dim=1)
    torch.testing.assert_close(factors / (preference + factors), torch.full((3,), 0.1))
