"""The other models of the repository, called from within the server: the encoder and the towers of `recommend`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

from rec_sys.arrays import Floats
from rec_sys.inference.onnx_encoder import graph_model_inputs
from rec_sys.modules import signature
from rec_sys.recommenders.graph.history_arrays import HistoryArrays

Arrays = dict[str, npt.NDArray[Any]]


class CallError(Exception):
    """A model of this server could not answer; `unavailable`: it is not there now, and may be later."""

    def __init__(self, message: str, unavailable: bool) -> None:
        super().__init__(message)
        self.unavailable = unavailable


def call(model: str, version: int, inputs: Arrays, outputs: tuple[str, ...]) -> tuple[npt.NDArray[Any], ...]:
    """Ask a model of this server.

    Raises:
        CallError: it refuses, or is not loaded.
    """
    request = pb_utils.InferenceRequest(
        model_name=model,
        model_version=version,
        requested_output_names=list(outputs),
        inputs=[pb_utils.Tensor(name, array) for name, array in inputs.items()],
    )
    response = request.exec()
    if response.has_error():
        error = response.error()
        absent = any(words in error.message() for words in ("not ready", "not found", "is stopping", "unloading"))
        unavailable = absent or error.code() == pb_utils.TritonError.UNAVAILABLE
        raise CallError(f"{model} version {version}: {error.message()}", unavailable)
    # copies: the response's memory is shared with the server and given back with it
    return tuple(pb_utils.get_output_tensor_by_name(response, name).as_numpy().copy() for name in outputs)


class CalledEncoder:
    """The model `text_encoder` of one version."""

    def __init__(self, version: int, text_dim: int) -> None:
        self.version, self.text_dim = version, text_dim

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), text_dim) float32."""
        vectors = np.zeros((len(texts), self.text_dim), dtype=np.float32)
        for start in range(0, len(texts), signature.TEXTS_AT_ONCE):
            part = texts[start : start + signature.TEXTS_AT_ONCE]
            batch = np.array([[text.encode()] for text in part], dtype=np.object_)
            (vectors[start : start + len(part)],) = call(
                signature.TEXT_ENCODER, self.version, {"text": batch}, ("vector",)
            )
        return vectors


class CalledGraphEncoder:
    """The models `graph_model` and `new_products` of one version.

    Args:
        version: of both.
        text_dim: 0: the model reads no texts.
        review_texts: whether texts of reviews are read.
        max_history: newest reviews of a person that are read.
    """

    def __init__(self, version: int, text_dim: int, review_texts: bool, max_history: int) -> None:
        self.version, self.text_dim, self.review_texts = version, text_dim, review_texts
        self.max_history = max_history

    def encode_users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """Vectors (num_users, dim) and attention (num_edges,)."""
        inputs = graph_model_inputs(products, histories, self.review_texts)
        vector, attention = call(signature.GRAPH_MODEL, self.version, inputs, ("vector", "attention"))
        return vector, attention

    def encode_cold_items(self, text: Floats) -> tuple[Floats, Floats]:
        """History states (n, history_dim) and vectors to recommend (n, dim)."""
        history, target = call(signature.NEW_PRODUCTS, self.version, {"text": text}, ("history", "target"))
        return history, target
