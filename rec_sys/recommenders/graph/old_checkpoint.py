"""Graph models from before there were folders: "rec_sys graph model 3", one safetensors file with other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from rec_sys.errors import CheckpointError, Remedy
from rec_sys.files import sha256_of
from rec_sys.recommenders.artifact import OLD_FORMAT
from rec_sys.recommenders.graph.settings import Blend, Calibration, GraphModelSettings

TORCH_FILE = b"PK\x03\x04"  # how the files of torch.save begin
UNWRITTEN_FACTOR_WEIGHT = 0.1  # of files that do not tell it

SETTINGS = {  # old name: new one
    "memory": "item_factors",
    "memory_texts": "item_factor_texts",
    "colours": "exclusion_codes",
    "level": "rating_bias",
}
BLEND = {"share": "weight", "recency": "decay", "colours": "num_codes", "push": "penalty"}
CALIBRATION = {"length": "scale", "memory_share": "factor_weight"}
WEIGHTS = {
    "model.product_tower.liking.": "model.product_tower.item_bias.",
    "model.user_tower.level.": "model.user_tower.rating_bias.",
    "model.user_tower.habit.": "model.user_tower.surplus.",
    "model.user_tower.damping": "model.user_tower.log_shrinkage",
    "readable.": "bank.",
}
GROUPS = {  # of the settings of the training
    "data": {"sample_people": "sample_users"},
    "split": {"new_people": "held_out_users", "new_products": "held_out_products"},
    "model": SETTINGS,
    "train": {"people_per_batch": "users_per_batch", "valid_people": "valid_users", "judge": "final_test"},
}
DATA = {"people": "users"}  # of what a model says of its data


@dataclass(frozen=True)
class OldCheckpoint:
    """Such a file under the names of today."""

    settings: GraphModelSettings
    text_dim: int
    review_texts: bool
    blend: Blend | None
    calibration: Calibration | None
    arrays: dict[str, npt.NDArray[Any]]
    product_ids: list[str]
    names: list[str]
    info: dict[str, Any]
    fingerprint: str  # sha256 of the file


def read_old_checkpoint(path: Path, header: Mapping[str, str], arrays: dict[str, npt.NDArray[Any]]) -> OldCheckpoint:
    """Give a file's content today's names.

    Raises:
        CheckpointError: it is of another format.
    """
    if header.get("format") != OLD_FORMAT:
        found = header.get("format", "something else")
        raise CheckpointError(f"{path} holds {found!r}; expected a folder of this version or {OLD_FORMAT!r}")
    products = orjson.loads(np.ascontiguousarray(arrays.pop("products")).tobytes())
    blend = orjson.loads(header["memory"]) if header["memory"] else None
    kept = orjson.loads(header["welcome"]) if header["welcome"] else None
    calibration = None
    if kept is not None:
        calibration = Calibration.read({"factor_weight": UNWRITTEN_FACTOR_WEIGHT, **renamed(kept, CALIBRATION)})
    info = orjson.loads(header["info"])
    groups = info.get("settings", {})
    groups |= {group: renamed(groups[group], names) for group, names in GROUPS.items() if group in groups}
    if "data" in info:
        info["data"] = renamed(info["data"], DATA)
    return OldCheckpoint(
        settings=GraphModelSettings.read(renamed(orjson.loads(header["model"]), SETTINGS), "model"),
        text_dim=int(header["text_dim"]),
        review_texts=header["review_texts"] == "1",
        blend=Blend.read(renamed(blend, BLEND), "blend") if blend else None,
        calibration=calibration,
        arrays={_weight(name): value for name, value in arrays.items()},
        product_ids=products["ids"],
        names=products["names"],
        info=info,
        fingerprint=sha256_of(path),
    )


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The same values under today's names."""
    return {names.get(key, key): value for key, value in values.items()}


def is_torch_file(path: Path) -> bool:
    """Whether a file is one of `torch.save`, such as the state of a training."""
    try:
        with path.open("rb") as file:
            return file.read(len(TORCH_FILE)) == TORCH_FILE
    except OSError:
        return False


def resume_state_error(path: Path) -> CheckpointError:
    """What to say of the state of a training where a model is expected."""
    return CheckpointError(
        f"{path} is a file of PyTorch, such as a state to resume training from; name a model",
        Remedy("or go on training", "rec_sys.train.train", {"train.resume": path}),
    )


def _weight(name: str) -> str:
    for old, new in WEIGHTS.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name
