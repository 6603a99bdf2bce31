"""The exported networks in ONNX Runtime, as `rec_sys.modules.model_export` wrote them; no torch in here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats
from rec_sys.errors import CheckpointError
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from rec_sys.text.onnx_session import onnx_session

Arrays = dict[str, npt.NDArray[Any]]


class OnnxGraphEncoder:
    """Two exported networks in this process; calling them from several threads at once is allowed.

    Args:
        graph_model: the exported user tower.
        new_products: the exported product tower of texts; None where the model reads no texts.
        max_history: newest reviews of a user that are read.
        threads: of ONNX Runtime, for each of both; 0: as many as there are cores.

    Raises:
        CheckpointError: a file is missing or damaged, or the two are not of one checkpoint.
    """

    def __init__(self, graph_model: Path, new_products: Path | None, max_history: int, threads: int = 0) -> None:
        self.graph_model = open_session(graph_model, threads)
        self.product_tower = None if new_products is None else open_session(new_products, threads)
        inputs = {tensor.name: tensor.shape for tensor in self.graph_model.get_inputs()}
        self.max_history, self.review_texts = max_history, "text" in inputs
        self.history_dim = int(inputs["products"][1])
        self.text_dim = 0 if self.product_tower is None else int(self.product_tower.get_inputs()[0].shape[1])
        self.checkpoint = checkpoint_of(self.graph_model)
        if self.product_tower is not None and (other := checkpoint_of(self.product_tower)) != self.checkpoint:
            raise CheckpointError(
                f"{graph_model} was exported from checkpoint {self.checkpoint[:12]}, but {new_products} from "
                f"{other[:12]}; export both from one checkpoint"
            )

    def encode_users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """Vectors (num_users, vector_dim) and attention (num_edges,)."""
        vector, attention = self.graph_model.run(
            ["vector", "attention"], graph_model_inputs(products, histories, self.review_texts)
        )
        return vector, attention

    def encode_cold_items(self, text: Floats) -> tuple[Floats, Floats]:
        """History states (n, history_dim) and vectors to recommend (n, vector_dim).

        Raises:
            CheckpointError: the model reads no texts.
        """
        if self.product_tower is None:
            raise CheckpointError("this model reads no texts, so a text says nothing of a new product to it")
        history, target = self.product_tower.run(["history", "target"], {"text": text})
        return history, target


def graph_model_inputs(products: Floats, histories: HistoryArrays, review_texts: bool) -> Arrays:
    """What the exported user tower is asked with: one row per edge; names as in `rec_sys.modules.signature`."""
    row = histories.edge_review
    arrays: Arrays = {
        "products": np.asarray(products[histories.product[row]], dtype=np.float32),
        "rating": histories.rating[row],
        "person": histories.edge_user,
        "age": histories.age,
        "days": histories.days,
        "people": np.arange(histories.num_users, dtype=np.int64),
    }
    if review_texts:
        arrays["text"] = histories.text[row]
    return arrays


def open_session(path: Path, threads: int = 0) -> Any:
    """An ONNX Runtime session over one exported network; see `onnx_session`.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"no exported model at {path}; export the checkpoint with rec_sys.modules.model_export")
    try:
        return onnx_session(path, threads)
    except ValueError as error:
        raise CheckpointError(f"exported model {path} is damaged ({error}); export it again") from error


def checkpoint_of(session: Any) -> str:
    """Fingerprint of the checkpoint that a file was exported from; "" where the file does not say."""
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return metadata.get("checkpoint", "")
