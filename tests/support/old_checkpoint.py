"""Files as graph models were written before there were folders, in the words of then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
from safetensors.numpy import save_file

from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.settings import Blend, Calibration, GraphModelSettings

TENSORS = (  # name of today, name of then
    ("model.product_tower.item_bias.", "model.product_tower.liking."),
    ("model.user_tower.rating_bias.", "model.user_tower.level."),
    ("model.user_tower.surplus.", "model.user_tower.habit."),
    ("model.user_tower.log_shrinkage", "model.user_tower.damping"),
    ("bank.", "readable."),
)


def save_old_checkpoint(path: Path, trained: TrainedGraph, info: dict[str, Any] | None = None, **header: str) -> None:
    """Write "rec_sys graph model 3".

    Args:
        path: the file.
        trained: the model.
        info: what the file says of itself; None: as the model has it.
        header: values in the place of those that follow from the model.
    """
    stored = trained.stored()
    arrays = {name_of_then(name): np.array(value) for name, value in stored.arrays.items()}
    products = orjson.dumps({"ids": stored.products.ids, "names": stored.names})
    arrays["products"] = np.frombuffer(products, dtype=np.uint8).copy()
    values = {
        "format": "rec_sys graph model 3",
        "model": orjson.dumps(settings_of_then(stored.settings)).decode(),
        "num_products": str(len(stored.products)),
        "text_dim": str(stored.text_dim),
        "review_texts": str(int(stored.review_texts)),
        "memory": _memory(stored.blend),
        "welcome": _welcome(stored.calibration),
        "info": orjson.dumps(stored.info if info is None else info).decode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(arrays, path, metadata=values | header)


def name_of_then(name: str) -> str:
    """Of a tensor."""
    for today, then in TENSORS:
        if name.startswith(today):
            return then + name.removeprefix(today)
    return name


def settings_of_then(settings: GraphModelSettings) -> dict[str, Any]:
    """Settings of the network, without those that were constants."""
    same = (
        *("conv", "dim", "heads", "layers", "hops", "dropout", "max_history", "min_reviews"),
        *("new_product_rate", "new_product_cost", "texts", "temperature"),
    )
    return {name: getattr(settings, name) for name in same} | {
        "level": settings.rating_bias,
        "memory": settings.item_factors,
        "memory_texts": settings.item_factor_texts,
        "colours": settings.exclusion_codes,
    }


def _memory(blend: Blend | None) -> str:
    if blend is None:
        return ""
    values = {"rank": blend.rank, "share": blend.weight, "recency": blend.decay}
    return orjson.dumps(values | {"colours": blend.num_codes, "push": blend.penalty}).decode()


def _welcome(calibration: Calibration | None) -> str:
    if calibration is None:
        return ""
    return orjson.dumps({"length": calibration.scale, "memory_share": calibration.factor_weight}).decode()
