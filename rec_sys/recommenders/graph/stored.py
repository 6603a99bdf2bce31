"""A trained graph model as it lies on disk, read without torch: serving and the vector base need no more.

A model is a folder (`rec_sys.recommenders.artifact`) that holds `weights.safetensors` (weights of the network, states
of all products, texts that cold items are compared with) and `products.json`. Before there were folders it was one
file; `old_checkpoint.py` reads these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from safetensors import SafetensorError, safe_open

from rec_sys.arrays import Floats
from rec_sys.errors import CheckpointError, ConfigError
from rec_sys.ids import IdMap
from rec_sys.recommenders.artifact import OLD_SUFFIX, read_artifact, train_first
from rec_sys.recommenders.graph.old_checkpoint import is_torch_file, read_old_checkpoint, resume_state_error
from rec_sys.recommenders.graph.settings import Blend, Calibration, GraphModelSettings, layout_of
from rec_sys.recommenders.graph.vector_layout import VectorLayout

KIND = "graph"
WEIGHTS_FILE, PRODUCTS_FILE = "weights.safetensors", "products.json"
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class StoredGraph:
    """Everything of a trained graph model, as plain values and arrays."""

    settings: GraphModelSettings
    text_dim: int  # of a text's vector; 0: the model reads no texts
    review_texts: bool  # whether texts of reviews are read
    blend: Blend | None  # what stands beside the network's vectors
    calibration: Calibration | None  # of cold items; None: they are their own text alone
    arrays: Arrays  # "model.*" weights, "states.history", "states.target", "bank.text", "bank.known"
    products: IdMap
    names: list[str]  # one per product; empty where none is known
    info: dict[str, Any]  # "settings", "encoder", "data", "metrics", ...: plain JSON
    fingerprint: str  # of the files; "" of a model that has not been saved
    path: Path  # folder, or file of before; the name alone of a model that has not been saved
    complete: bool = True  # false: training did not end, so item factors and cold-start calibration are missing

    @property
    def name(self) -> str:
        """Of the model."""
        return self.path.name.removesuffix(OLD_SUFFIX)

    @property
    def layout(self) -> VectorLayout:
        """Of the vectors of this model."""
        return layout_of(self.settings.dim, self.blend)

    @property
    def history(self) -> Floats:
        """(num_products, history_dim) products as something that a user has reviewed."""
        return self.arrays["states.history"]

    @property
    def target(self) -> Floats:
        """(num_products, vector_dim) products to recommend, unit vectors."""
        return self.arrays["states.target"]


def header_of(stored: StoredGraph) -> dict[str, str]:
    """What the file of weights says of itself; safetensors takes texts alone."""
    values: Mapping[str, Any] = {
        "settings": stored.settings.model_dump(mode="json"),
        "text_dim": stored.text_dim,
        "review_texts": stored.review_texts,
        "blend": stored.blend.model_dump(mode="json") if stored.blend else None,
        "calibration": stored.calibration.model_dump(mode="json") if stored.calibration else None,
    }
    return {"graph": orjson.dumps(values).decode()}


def read_stored(path: Path) -> StoredGraph:
    """Read a trained graph model.

    Args:
        path: its folder, its file of weights, or a file of before there were folders.

    Raises:
        CheckpointError: it is missing, damaged, or another kind of model; the message says what to do.
    """
    if path.name == WEIGHTS_FILE and path.is_file():
        path = path.parent
    if path.is_file():
        return _read_old(path)
    if not path.is_dir():
        raise CheckpointError(f"no model at {path}", train_first(path.parent))
    artifact = read_artifact(path)
    if artifact.manifest.kind != KIND:
        raise CheckpointError(
            f"{path} holds a model of kind {artifact.manifest.kind!r}; expected {KIND!r}: name another"
        )
    try:
        header, arrays = read_arrays(path / WEIGHTS_FILE)
        values = orjson.loads(header["graph"])
        products = orjson.loads((path / PRODUCTS_FILE).read_bytes())
        return StoredGraph(
            settings=GraphModelSettings.read(values["settings"], "model"),
            text_dim=int(values["text_dim"]),
            review_texts=bool(values["review_texts"]),
            blend=Blend.read(values["blend"], "blend") if values["blend"] else None,
            calibration=Calibration.read(values["calibration"], "calibration") if values["calibration"] else None,
            arrays=arrays,
            products=IdMap(products["ids"], "product"),
            names=products["names"],
            info=artifact.manifest.info,
            fingerprint=artifact.manifest.fingerprint,
            path=path,
            complete=artifact.manifest.complete,
        )
    except (ConfigError, SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise unfit(path, error) from error


def read_arrays(path: Path) -> tuple[dict[str, str], Arrays]:
    """Metadata and arrays of a safetensors file."""
    with safe_open(path, framework="numpy") as file:
        header: dict[str, str] = file.metadata() or {}
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def unfit(path: Path, error: Exception) -> CheckpointError:
    """What to say of a model that this version cannot use."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = next((line for line in lines if not line.endswith(":")), type(error).__name__)  # torch heads its lists
    return CheckpointError(f"{path} does not fit this version of rec_sys ({reason}); train again or name another model")


def _read_old(path: Path) -> StoredGraph:
    try:
        header, arrays = read_arrays(path)
    except (SafetensorError, OSError) as error:
        if is_torch_file(path):
            raise resume_state_error(path) from error
        raise CheckpointError(f"{path} is damaged or not a model ({error}); name another or train again") from error
    try:
        old = read_old_checkpoint(path, header, arrays)
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise unfit(path, error) from error
    empty = np.zeros((0, 0), dtype=np.float32)
    assert old.arrays.get("states.target", empty).ndim == 2  # noqa: S101
    return StoredGraph(
        settings=old.settings,
        text_dim=old.text_dim,
        review_texts=old.review_texts,
        blend=old.blend,
        calibration=old.calibration,
        arrays=old.arrays,
        products=IdMap(old.product_ids, "product"),
        names=old.names,
        info=old.info,
        fingerprint=old.fingerprint,
        path=path,
    )
