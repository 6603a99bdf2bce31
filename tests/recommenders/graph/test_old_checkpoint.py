"""Files of models from before there were folders are read as what they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from rec_sys.dataset.query import Query
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.dataset.splits import histories_before
from rec_sys.errors import CheckpointError
from rec_sys.files import sha256_of
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.cold_start import TextNeighbourBank
from rec_sys.recommenders.graph.item_factors import ItemFactors
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Blend, Calibration, GraphModelSettings, TrainSettings
from rec_sys.recommenders.graph.stored import KIND, read_stored
from rec_sys.text.settings import EncoderSettings
from tests.support.embedded_toy import TEXT_DIM, Toy, toy
from tests.support.exported_toy import random_checkpoint
from tests.support.old_checkpoint import save_old_checkpoint

RANK, NUM_CODES = 6, 5


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(values, dim=1)


def whole(data: Toy) -> TrainedGraph:
    """A model with item factors, exclusion codes and a bank of texts."""
    plain = data.untrained(item_factors=RANK, exclusion_codes=NUM_CODES, item_factor_texts=False)
    factors = ItemFactors(torch.randn(40, RANK, generator=torch.manual_seed(1)), unit(40, RANK, seed=2) * 0.8)
    code = torch.eye(NUM_CODES)[torch.arange(40) % NUM_CODES]
    blend = Blend(rank=RANK, weight=0.4, decay=0.8, num_codes=NUM_CODES, penalty=0.1)
    bank = TextNeighbourBank(
        torch.from_numpy(data.product_text).half(), torch.arange(40) < 35, Calibration(scale=0.6, factor_weight=0.2)
    )
    with torch.no_grad():
        for weight in plain.network.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.manual_seed(3)) * 0.1)
    return replace(plain, states=plain.states.with_item_factors(factors, code, 0.1), blend=blend, bank=bank)


def test_a_file_of_before_scores_as_it_did(tmp_path: Path) -> None:
    data = toy()
    model = whole(data)
    save_old_checkpoint(tmp_path / "old.ckpt", model)
    loaded = load_checkpoint(tmp_path / "old.ckpt")
    assert loaded.blend == model.blend
    assert loaded.network.settings == model.network.settings
    assert loaded.bank is not None
    assert model.bank is not None
    assert loaded.bank.calibration == model.bank.calibration
    assert (loaded.products.ids, loaded.names, loaded.info) == (model.products.ids, model.names, model.info)
    assert (loaded.name, loaded.complete) == ("old", True)
    assert loaded.fingerprint == sha256_of(tmp_path / "old.ckpt")  # what a vector base made from it is told by
    weights, given = loaded.network.state_dict(), model.network.state_dict()
    assert weights.keys() == given.keys()
    torch.testing.assert_close(weights, given, atol=0, rtol=0)
    query = Query(histories_before(data.table, data.split.test), data.dataset.features)
    for found, expected in zip(
        GraphScorer.of(loaded).score_both_ways(query), GraphScorer.of(model).score_both_ways(query), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    text = unit(3, TEXT_DIM, seed=4)
    torch.testing.assert_close(
        vars(loaded.describe_cold_items(text)), vars(model.describe_cold_items(text)), atol=0, rtol=0
    )


def test_the_words_of_before_are_in_the_file(tmp_path: Path) -> None:
    """The writer of this test is what the reader is held against, so it must not speak today's language."""
    save_old_checkpoint(tmp_path / "old.ckpt", whole(toy()))
    with safe_open(tmp_path / "old.ckpt", framework="numpy") as file:
        names, header = set(file.keys()), file.metadata()
    assert {"model.user_tower.damping", "model.user_tower.habit.weight", "readable.text", "products"} <= names
    assert {"model.product_tower.liking.0.weight", "model.user_tower.level.weight"} <= names
    assert not {name for name in names if "item_bias" in name or "rating_bias" in name or name.startswith("bank")}
    assert set(header) == {
        *("format", "model", "num_products", "text_dim", "review_texts", "memory", "welcome", "info"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        {"conv": "gat", "layers": 2},
        {"texts": False, "item_factors": False},
        {"review_texts": False, "rating_bias": 0},
        {"item_factors": False},
    ],
    ids=["gat", "no texts, no item factors", "product texts alone, no rating bias", "no item factors"],
)
def test_every_kind_of_file_is_read(tmp_path: Path, kind: dict[str, object]) -> None:
    model = random_checkpoint(tmp_path / "new", **kind)  # type: ignore[arg-type]
    save_old_checkpoint(tmp_path / "old.ckpt", model)
    stored, before = read_stored(tmp_path / "old.ckpt"), model.stored()
    assert stored.arrays.keys() == before.arrays.keys()
    for name, value in before.arrays.items():
        np.testing.assert_array_equal(stored.arrays[name], value, err_msg=name)
    assert (stored.settings, stored.blend, stored.calibration) == (before.settings, before.blend, before.calibration)
    assert (stored.text_dim, stored.review_texts) == (before.text_dim, before.review_texts)
    load_checkpoint(tmp_path / "old.ckpt")


def test_a_file_that_does_not_tell_the_weight_of_item_factors_has_a_tenth(tmp_path: Path) -> None:
    save_old_checkpoint(tmp_path / "older.ckpt", whole(toy()), welcome='{"length": 0.6}')
    loaded = load_checkpoint(tmp_path / "older.ckpt")
    assert loaded.bank is not None
    assert loaded.bank.calibration == Calibration(scale=0.6, factor_weight=0.1)
    layout = loaded.layout
    with torch.no_grad():
        found = loaded.describe_cold_items(unit(3, TEXT_DIM, seed=4)).target
    preference, factors = (found[:, part].square().sum(dim=1) for part in (layout.preference, layout.item_factors))
    torch.testing.assert_close(factors / (preference + factors), torch.full((3,), 0.1))


def test_what_a_file_says_of_its_training_has_the_names_of_today(tmp_path: Path) -> None:
    info = {
        "data": {"name": "sample", "fingerprint": "f", "people": 800, "products": 300},
        "settings": {
            "data": {"name": "sample", "sample_people": 800, "sample_products": 300},
            "split": {"new_people": 0.1, "new_products": 0.2, "seed": 3},
            "model": {"dim": 64, "level": 0.5, "memory": 8, "memory_texts": False, "colours": 4},
            "train": {"people_per_batch": 99, "valid_people": 100, "judge": False, "seed": 3},
            "encoder": {"name": "all-MiniLM-L6-v2", "backend": "auto"},
        },
    }
    save_old_checkpoint(tmp_path / "old.ckpt", whole(toy()), info)
    found = read_stored(tmp_path / "old.ckpt").info
    assert found["data"] == {"name": "sample", "fingerprint": "f", "users": 800, "products": 300}
    groups = found["settings"]
    assert DataSettings.read(groups["data"]).sample_users == 800
    split = SplitSettings.read(groups["split"])
    assert (split.held_out_users, split.held_out_products, split.seed) == (0.1, 0.2, 3)
    model = GraphModelSettings.read(groups["model"])
    assert (model.dim, model.rating_bias, model.item_factors, model.exclusion_codes) == (64, 0.5, 8, 4)
    assert not model.item_factor_texts
    train = TrainSettings.read(groups["train"])
    assert (train.users_per_batch, train.valid_users, train.final_test, train.seed) == (99, 100, False, 3)
    assert EncoderSettings.read(groups["encoder"]).backend == "auto"


def test_a_file_of_before_is_found_beside_folders(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "folder", whole(toy()))
    save_old_checkpoint(tmp_path / "old.ckpt", whole(toy()))
    (tmp_path / "old.ckpt").touch()
    assert find_artifact("", tmp_path, KIND) == tmp_path / "old.ckpt"
    assert find_artifact("old", tmp_path) == find_artifact("old.ckpt", tmp_path) == tmp_path / "old.ckpt"
    assert find_artifact("folder", tmp_path) == tmp_path / "folder"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.ckpt"
    save_old_checkpoint(path, whole(toy()))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)
    save_old_checkpoint(path, whole(toy()), format="rec_sys graph model 2")
    with pytest.raises(CheckpointError, match="graph model 2"):
        load_checkpoint(path)
    save_old_checkpoint(path, whole(toy()), memory='{"rank": 6}')
    with pytest.raises(CheckpointError, match="does not fit"):
        load_checkpoint(path)
