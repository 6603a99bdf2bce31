"""Cold items beside known ones, by hand on a few directions of text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.cold_start import ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.item_factors import ItemFactors
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.settings import Blend, Calibration
from tests.support.embedded_toy import TEXT_DIM, toy

RANK = 4
FACTOR_WEIGHT = 0.03


def unit(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def known(rank: int = RANK, examples: int = 40, scale: float = 0.6) -> TrainedGraph:
    """An untrained network, random states of its 40 products, and texts of the first `examples` of them."""
    plain = toy().untrained()
    states = ProductStates(
        torch.randn(40, 17), torch.cat([torch.full((40, 1), 0.99), unit(40, 16) * (1 - 0.99**2) ** 0.5], dim=1)
    )
    blend = None
    if rank:
        blend = Blend(rank=rank, weight=0.5)
        states = states.with_item_factors(ItemFactors(torch.randn(40, rank), unit(40, rank, 1) * 0.8))
    text = unit(40, TEXT_DIM, 2)
    text[examples:] = 0
    calibration = Calibration(scale=scale, factor_weight=FACTOR_WEIGHT)
    bank = TextNeighbourBank(text.half(), torch.ones(40, dtype=torch.bool), calibration)
    return replace(plain, states=states, blend=blend, bank=bank)


def with_texts(model: TrainedGraph, text: torch.Tensor) -> ColdItemEncoder:
    """Its encoder of cold items, with other texts of the known products."""
    assert model.bank is not None
    return replace(model, bank=replace(model.bank, text=text)).cold_items


def test_the_nearest_text_counts_and_its_item_factors_are_taken() -> None:
    model = known()
    far = torch.eye(TEXT_DIM)[:1]
    only = torch.zeros(40, TEXT_DIM).half()
    only[7] = far[0].half()
    assert model.bank is not None
    with torch.no_grad():
        found, own = with_texts(model, only).describe(far), model.network.product_tower.of_text(far)
        several = model.describe_cold_items(model.bank.text[[3]].float())
    layout, states = model.layout, model.states
    for_content = (1 - 0.99**2) ** 0.5
    factors = functional.normalize(states.target[[7], layout.item_factors], dim=1)
    preference = functional.normalize(
        functional.normalize(states.target[[7], layout.preference], dim=1)
        + functional.normalize(own.target[:, layout.preference], dim=1),
        dim=1,
    )
    torch.testing.assert_close(
        found.target[:, layout.preference], preference * (0.6 * (1 - FACTOR_WEIGHT)) ** 0.5 * for_content
    )
    torch.testing.assert_close(
        found.target[:, layout.item_factors], factors * (0.6 * FACTOR_WEIGHT) ** 0.5 * for_content
    )
    one_neighbour = states.history[[7], layout.history_factors]
    torch.testing.assert_close(found.history[:, layout.history_factors], one_neighbour)
    torch.testing.assert_close(found.history[:, layout.history_state], own.history[:, layout.history_state])
    torch.testing.assert_close(several.target.norm(dim=1), torch.ones(1), atol=1e-5, rtol=0)
    of_known = functional.normalize(states.target[:, layout.item_factors], dim=1)
    assert (several.target[:, layout.item_factors] @ of_known.T).argmax() == 3


def test_without_text_or_examples_a_product_is_what_the_tower_says() -> None:
    model = known()
    layout = model.layout
    text = unit(3, TEXT_DIM)
    with torch.no_grad():
        found = with_texts(model, torch.zeros(40, TEXT_DIM).half()).describe(text)
        own = model.network.product_tower.of_text(text)
        blank = model.describe_cold_items(torch.zeros(2, TEXT_DIM))
    nothing = ItemFactors(torch.zeros(3, RANK), torch.zeros(3, RANK))
    torch.testing.assert_close(vars(found), vars(own.with_item_factors(nothing)))
    assert torch.isfinite(blank.target).all()
    assert not blank.target[:, layout.item_factors].any()  # reads like nothing, so nothing is taken from others
    assert not blank.history[:, layout.history_factors].any()


def test_a_batch_equals_its_parts_and_an_example_can_be_left_out() -> None:
    model = known()
    cold_items, text = model.cold_items, unit(5, TEXT_DIM, 9)
    assert model.bank is not None
    with torch.no_grad():
        together = cold_items.describe(text)
        for place in range(5):
            alone = cold_items.describe(text[[place]])
            torch.testing.assert_close(alone.target, together.target[[place]], atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(alone.history, together.history[[place]], atol=1e-6, rtol=1e-5)
        asked = model.bank.text[[3, 8]].float()
        parts = cold_items.parts(asked, leave_out=torch.tensor([3, 8]))
        others = model.bank.text.clone()
        others[3] = 0
        without = with_texts(model, others).parts(asked[:1])
        for name in ("preference", "target_factors", "history_factors"):
            torch.testing.assert_close(getattr(parts, name)[:1], getattr(without, name))


def test_without_item_factors_there_is_no_length_to_spare() -> None:
    model = known(rank=0)
    with torch.no_grad():
        found = model.describe_cold_items(unit(3, TEXT_DIM))
    assert found.target.shape == (3, model.layout.vector_dim)
    assert found.history.shape == (3, model.layout.history_dim)
    torch.testing.assert_close(found.target.norm(dim=1), torch.ones(3), atol=1e-5, rtol=0)


def test_neighbours_and_sharpness_are_those_of_the_calibration() -> None:
    model = known()
    assert model.bank is not None
    text = unit(3, TEXT_DIM, 4)
    found = []
    for values in ({}, {"neighbours": 1}, {"sharpness": 2.0}):
        calibration = Calibration(scale=0.6, **values)  # type: ignore[arg-type]
        bank = replace(model.bank, calibration=calibration)
        with torch.no_grad():
            found.append(replace(model, bank=bank).describe_cold_items(text).target)
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    assert not torch.allclose(found[0], found[2], atol=1e-3)
    nearest = (functional.normalize(text, dim=1) @ model.bank.text.float().T).argmax(dim=1)
    part = model.layout.item_factors
    of_nearest = functional.normalize(model.states.target[nearest, part], dim=1)
    torch.testing.assert_close(functional.normalize(found[1][:, part], dim=1), of_nearest, atol=1e-3, rtol=0)


def test_what_is_loaded_describes_like_what_was_saved(tmp_path: Path) -> None:
    model = known(examples=12)
    save_checkpoint(tmp_path / "a", model)
    loaded = load_checkpoint(tmp_path / "a")
    assert loaded.bank is not None
    assert model.bank is not None
    assert loaded.bank.calibration == model.bank.calibration
    np.testing.assert_array_equal(loaded.cold_items.numbers, np.arange(12))
    text = unit(3, TEXT_DIM, 4)
    with torch.no_grad():
        torch.testing.assert_close(
            vars(loaded.describe_cold_items(text)), vars(model.describe_cold_items(text)), atol=0, rtol=0
        )
