"""A trained graph model in memory, ready to recommend; saved and loaded whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from rec_sys.files import write_json
from rec_sys.ids import IdMap
from rec_sys.recommenders.artifact import OLD_SUFFIX, Manifest, writing_artifact
from rec_sys.recommenders.graph.cold_start import ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.settings import Blend, Calibration, layout_of
from rec_sys.recommenders.graph.stored import (
    KIND,
    PRODUCTS_FILE,
    WEIGHTS_FILE,
    Arrays,
    StoredGraph,
    header_of,
    read_stored,
    unfit,
)
from rec_sys.recommenders.graph.vector_layout import VectorLayout

UNSAVED = Path("model")


@dataclass(frozen=True)
class TrainedGraph:
    """A trained graph model."""

    network: GraphNetwork  # in eval mode
    states: ProductStates  # of the products below, with item factors and exclusion codes where there are any
    products: IdMap
    names: list[str]  # one per product; empty where none is known
    info: dict[str, Any]  # "settings", "encoder", "data", "metrics", ...: plain JSON
    blend: Blend | None = None  # what stands beside the network's vectors
    bank: TextNeighbourBank | None = None  # what cold items are compared with
    fingerprint: str = ""  # of its files; "" before it is saved
    path: Path = UNSAVED
    complete: bool = True  # false: training did not end

    @property
    def name(self) -> str:
        """Of the model."""
        return self.path.name.removesuffix(OLD_SUFFIX)

    @property
    def text_dim(self) -> int:
        """Of a text's vector; 0: the model reads no texts."""
        return self.network.text_dim

    @property
    def layout(self) -> VectorLayout:
        """Of the vectors of this model."""
        return layout_of(self.network.settings.dim, self.blend)

    @cached_property
    def cold_items(self) -> ColdItemEncoder:
        """What turns texts into states of products that nobody has reviewed."""
        return ColdItemEncoder(self.network.product_tower, self.states, self.bank, self.blend).eval()

    def network_alone(self) -> TrainedGraph:
        """The network without item factors, exclusion codes, and what cold items take after others."""
        states = self.states.network_alone(self.layout)
        if self.bank is not None and len(self.bank.cold_items):
            cold = self.bank.cold_items
            history, target = states.history.clone(), states.target.clone()
            with torch.no_grad():
                own = self.network.product_tower.of_text(self.bank.text[cold].float())
            history[cold], target[cold] = own.history, own.target
            states = ProductStates(history, target)
        return replace(self, states=states, blend=None)

    def describe_cold_items(self, text: Tensor) -> ProductStates:
        """States of products that nobody has reviewed, from their texts, (n, text_dim)."""
        return self.cold_items.describe(text)

    def stored(self) -> StoredGraph:
        """The same as plain values and arrays; memory is shared where it can be."""
        arrays: Arrays = {f"model.{name}": _array(value) for name, value in self.network.state_dict().items()}
        arrays["states.history"], arrays["states.target"] = _array(self.states.history), _array(self.states.target)
        calibration: Calibration | None = None
        if self.bank is not None:
            arrays["bank.text"], arrays["bank.known"] = _array(self.bank.text), _array(self.bank.known)
            calibration = self.bank.calibration
        return StoredGraph(
            settings=self.network.settings,
            text_dim=self.network.text_dim,
            review_texts=self.network.review_texts,
            blend=self.blend,
            calibration=calibration,
            arrays=arrays,
            products=self.products,
            names=self.names,
            info=self.info,
            fingerprint=self.fingerprint,
            path=self.path,
            complete=self.complete,
        )


def save_checkpoint(folder: Path, trained: TrainedGraph) -> None:
    """Write a model as a folder, whole or not at all; `trained.complete` goes into its manifest."""
    stored = trained.stored()
    manifest = Manifest(
        kind=KIND, complete=trained.complete, settings=stored.settings.model_dump(mode="json"), info=trained.info
    )
    with writing_artifact(folder, manifest) as temporary:
        save_file(stored.arrays, temporary / WEIGHTS_FILE, metadata=header_of(stored))
        write_json(temporary / PRODUCTS_FILE, {"ids": stored.products.ids, "names": stored.names})


def load_checkpoint(path: Path) -> TrainedGraph:
    """Read a trained graph model.

    Args:
        path: its folder, or a file of before there were folders.

    Raises:
        CheckpointError: it is missing, damaged, or not a graph model.
    """
    return from_stored(read_stored(path))


def from_stored(stored: StoredGraph) -> TrainedGraph:
    """The network and tensors of a stored model.

    Raises:
        CheckpointError: a weight does not fit.
    """
    tensors = {name: torch.from_numpy(value) for name, value in stored.arrays.items()}
    network = GraphNetwork(stored.settings, len(stored.products), stored.text_dim, stored.review_texts)
    try:
        network.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
        states = ProductStates(tensors["states.history"], tensors["states.target"])
        bank = None
        if stored.calibration is not None:
            bank = TextNeighbourBank(tensors["bank.text"], tensors["bank.known"], stored.calibration)
    except (RuntimeError, KeyError) as error:
        raise unfit(stored.path, error) from error
    return TrainedGraph(
        network=network.eval(),
        states=states,
        products=stored.products,
        names=stored.names,
        info=stored.info,
        blend=stored.blend,
        bank=bank,
        fingerprint=stored.fingerprint,
        path=stored.path,
        complete=stored.complete,
    )


def _array(tensor: Tensor) -> Any:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())
