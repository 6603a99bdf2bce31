"""A checkpoint: weights together with everything that made them and that serving needs.

The file is in the safetensors format, so nothing in it can run code. It holds the network's weights, the states of
all products as computed on the training graph, the products' ids and names, and as JSON the settings, the encoder, the
data's fingerprint and the metrics.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rec_sys.errors import CheckpointError, ConfigError
from rec_sys.files import atomic_file, sha256_of
from rec_sys.ids import IdMap
from rec_sys.paths import Paths, typed
from rec_sys.recommenders.graph.cold_start import Calibration, ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.item_factors import Blend
from rec_sys.recommenders.graph.network import GraphModel
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.settings import GraphModelSettings

logger = logging.getLogger(__name__)

FORMAT = "rec_sys graph model 3"
SUFFIX = ".ckpt"
UNWRITTEN_FACTOR_WEIGHT = 0.1  # `Welcome.memory_share` of files that do not tell it
TORCH_FILE = b"PK\x03\x04"  # how the files of torch.save begin


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, ready to recommend."""

    model: GraphModel  # in eval mode
    states: ProductStates  # of the products below
    products: IdMap
    names: list[str]  # one per product; empty where none is known
    info: dict[str, Any]  # "settings", "encoder", "data", "metrics", ...: plain JSON
    fingerprint: str  # sha256 of the file
    path: Path
    bank: TextNeighbourBank | None = None  # what new products are compared with

    @cached_property
    def new_products(self) -> ColdItemEncoder:
        """What turns texts into states of products that nobody has reviewed."""
        return ColdItemEncoder(self.model.product_tower, self.states, self.bank).eval()

    def graph_alone(self) -> ProductStates:
        """What the network says of all products, without memory, colours, and what new ones take after others."""
        dim = self.model.settings.dim
        plain = self.states.graph_alone(dim)
        if self.bank is None or not len(self.bank.cold_items):
            return plain
        cold_items = self.bank.cold_items
        history, target = plain.history.clone(), plain.target.clone()
        with torch.no_grad():
            own = self.model.product_tower.of_text(self.bank.text[cold_items].float()).graph_alone(dim)
        history[cold_items], target[cold_items] = own.history, own.target
        return ProductStates(history, target)

    def describe_new(self, text: Tensor) -> ProductStates:
        """States of products that nobody has reviewed, from their texts, (n, text_dim)."""
        return self.new_products.describe(text)


def save_checkpoint(
    path: Path,
    model: GraphModel,
    states: ProductStates,
    products: IdMap,
    names: list[str],
    info: Mapping[str, Any],
    bank: TextNeighbourBank | None = None,
) -> None:
    """Write a checkpoint, atomically."""
    tensors = {f"model.{name}": value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    tensors["states.history"] = states.history.detach().cpu().contiguous()
    tensors["states.target"] = states.target.detach().cpu().contiguous()
    if bank is not None:
        tensors["readable.text"] = bank.text.detach().cpu().contiguous()
        tensors["readable.known"] = bank.known.detach().cpu().contiguous()
    tensors["products"] = _text_tensor({"ids": products.ids, "names": names})
    header = {
        "format": FORMAT,
        "model": model.settings.model_dump_json(),
        "num_products": str(model.num_products),
        "text_dim": str(model.text_dim),
        "review_texts": str(int(model.review_texts)),
        "memory": model.blend.model_dump_json() if model.blend else "",
        "welcome": bank.calibration.model_dump_json() if bank else "",
        "info": orjson.dumps(dict(info), option=orjson.OPT_SERIALIZE_NUMPY).decode(),
    }
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: it is missing, damaged, or not a checkpoint of this package.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; {_train_first(path.parent)}")
    header = read_header(path)
    try:
        settings = GraphModelSettings.read(orjson.loads(header["model"]), "model")
        num_products, text_dim = int(header["num_products"]), int(header["text_dim"])
        model = GraphModel(settings, num_products, text_dim, header["review_texts"] == "1")
        if header["item_factors"]:
            model.blend = Blend.read(orjson.loads(header["item_factors"]), "memory")
        with safe_open(path, framework="pt") as file:
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
        products = orjson.loads(tensors["products"].numpy().tobytes())
        states = ProductStates(tensors["states.history"], tensors["states.target"])
        bank = None
        if header["welcome"]:
            kept = orjson.loads(header["welcome"])
            calibration = Calibration.read({"memory_share": UNWRITTEN_FACTOR_WEIGHT, **kept}, "welcome")
            bank = TextNeighbourBank(tensors["readable.text"], tensors["readable.known"], calibration)
    except (ConfigError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not fit this version of rec_sys ({_first_reason(error)}); train again or name another"
        ) from error
    return Checkpoint(
        model=model.eval(),
        states=states,
        products=IdMap(products["ids"], "product"),
        names=products["names"],
        info=orjson.loads(header["info"]),
        fingerprint=sha256_of(path),
        path=path,
        bank=bank,
    )


def read_header(path: Path) -> dict[str, str]:
    """The checkpoint's metadata, without reading its weights.

    Raises:
        CheckpointError: damaged, or not a checkpoint of this package.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        if _is_torch_file(path):
            raise CheckpointError(
                f"{path} is a file of PyTorch, such as a state to resume training from; name a checkpoint, or go on "
                f"training with {typed('train.resume', path)}"
            ) from error
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({error}); name another or train again"
        ) from error
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} holds {header.get('format', 'something else')!r}; expected {FORMAT!r}")
    return header


def find_checkpoint(name: str, folder: Path) -> Path:
    """The checkpoint a command should use.

    Args:
        name: a path, a name in `folder` with or without the suffix, or "" for the newest good one there.
        folder: where checkpoints are kept.

    Raises:
        CheckpointError: there is none.
    """
    if name:
        for path in (Path(name), folder / name, folder / f"{name}{SUFFIX}"):
            if path.is_file():
                return path
        raise CheckpointError(f"no checkpoint {name!r}, neither as a path nor in {folder}; {_train_first(folder)}")
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            read_header(path)
        except CheckpointError as error:
            logger.warning("passed over: %s", error)
            continue
        return path
    raise CheckpointError(f"no checkpoint in {folder}; {_train_first(folder)}")


def _train_first(folder: Path) -> str:
    """The advice to train, with the work folder to which a folder of checkpoints belongs."""
    return f"train one first: uv run -m rec_sys.train.train{Paths(work_dir=folder.parent).option}"


def _first_reason(error: Exception) -> str:
    """The first line that says something: torch lists the weights that do not fit below a headline."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.endswith(":")), type(error).__name__)


def _is_torch_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(TORCH_FILE)) == TORCH_FILE
    except OSError:
        return False


def _text_tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.frombuffer(orjson.dumps(value), dtype=np.uint8).copy())
