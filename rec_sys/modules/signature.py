"""What goes into the served models and what comes out: names, types and shapes, written once.

The ONNX export, the server's `config.pbtxt` and the client's checks before sending all read it. No torch in here.

Axes: R reviews (one edge each), N people, n texts, k products per person; a number is a fixed length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

GRAPH_MODEL, NEW_PRODUCTS, TEXT_ENCODER, RECOMMEND = "graph_model", "new_products", "text_encoder", "recommend"
DATA_FORM = "data_form"  # parameter of `recommend`: JSON of `rec_sys.inference.data_form.DataForm`
MODELS = (TEXT_ENCODER, NEW_PRODUCTS, GRAPH_MODEL, RECOMMEND)  # in the order in which they are loaded

FREE = -1  # how a free axis is written in a config
UNKNOWN_TIME = -(2**63)  # a review's timestamp where it has none; its rating is nan, its texts are ""
TEXTS_AT_ONCE = 64  # most texts the text encoder takes in one batch

Dtype = Literal["FP32", "INT32", "INT64", "BYTES"]
NUMPY: dict[Dtype, type[Any]] = {"FP32": np.float32, "INT32": np.int32, "INT64": np.int64, "BYTES": np.object_}


@dataclass(frozen=True)
class Tensor:
    """One input or output."""

    name: str
    dtype: Dtype  # as the server's protocol calls it; BYTES is UTF-8 text
    axes: tuple[int | str, ...]  # lengths; a letter is a free one, the same for all tensors of a call

    @property
    def dims(self) -> tuple[int, ...]:
        """Lengths of the axes, -1 where free; without the batch axis."""
        return tuple(FREE if isinstance(axis, str) else axis for axis in self.axes)

    @property
    def numpy(self) -> npt.DTypeLike:
        """What such an array holds in numpy; texts are objects."""
        return NUMPY[self.dtype]


@dataclass(frozen=True)
class Signature:
    """One model's inputs and outputs."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 0  # 0: the axes above are all there are; otherwise a batch axis comes before them

    def input(self, name: str) -> Tensor:
        """An input by its name."""
        return next(tensor for tensor in self.inputs if tensor.name == name)

    def output(self, name: str) -> Tensor:
        """An output by its name."""
        return next(tensor for tensor in self.outputs if tensor.name == name)

    def mismatch(self, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
        """What is wrong with the inputs of a call, in words: names, types, shapes, lengths; "" where nothing is."""
        names = [tensor.name for tensor in self.inputs]
        if missing := [name for name in names if name not in arrays]:
            return f"{self.name} lacks {', '.join(missing)}; expected {', '.join(names)}"
        if unknown := [name for name in arrays if name not in names]:
            return f"{self.name} knows no {', '.join(unknown)}; expected {', '.join(names)}"
        lengths: dict[str, tuple[int, str]] = {}
        for tensor in self.inputs:
            array = arrays[tensor.name]
            axes = (("batch",) if self.max_batch_size else ()) + tensor.axes
            wanted = f"{tensor.dtype} [{', '.join(map(str, axes))}]"
            found = f"{self.name} input {tensor.name} is {array.dtype} {list(array.shape)}"
            if array.dtype != tensor.numpy or array.ndim != len(axes):
                return f"{found}; expected {wanted}"
            for axis, length in zip(axes, array.shape, strict=True):
                if isinstance(axis, int):
                    if axis != length:
                        return f"{found}; expected {wanted}"
                elif lengths.setdefault(axis, (length, tensor.name))[0] != length:
                    other, name = lengths[axis]
                    return f"{found}, but {name} has {axis}={other}; expected {wanted}"
        if self.max_batch_size and lengths["batch"][0] > self.max_batch_size:
            return f"{self.name}: {lengths['batch'][0]:,} in one batch; expected at most {self.max_batch_size}"
        return ""


def graph_model(history_dim: int, text_dim: int, dim: int) -> Signature:
    """The user tower.

    Args:
        history_dim: of a product's state.
        text_dim: of a review's text; 0 where the model reads no texts of reviews, then there is no such input.
        dim: of a person's vector.
    """
    text = (Tensor("text", "FP32", ("R", text_dim)),) if text_dim else ()
    return Signature(
        GRAPH_MODEL,
        (
            Tensor("products", "FP32", ("R", history_dim)),
            *text,
            Tensor("rating", "FP32", ("R",)),  # nan: unknown
            Tensor("person", "INT64", ("R",)),  # row of `people`
            Tensor("age", "INT64", ("R",)),  # 0 for a person's newest review
            Tensor("days", "FP32", ("R",)),  # before the newest one
            Tensor("people", "INT64", ("N",)),  # any numbers: only how many there are counts
        ),
        (Tensor("vector", "FP32", ("N", dim)), Tensor("attention", "FP32", ("R",))),
    )


def new_products(text_dim: int, history_dim: int, dim: int) -> Signature:
    """The product tower for products of which only a text is known; served where the model reads texts."""
    return Signature(
        NEW_PRODUCTS,
        (Tensor("text", "FP32", ("n", text_dim)),),
        (Tensor("history", "FP32", ("n", history_dim)), Tensor("target", "FP32", ("n", dim))),
    )


def text_encoder(text_dim: int) -> Signature:
    """Texts to unit vectors; zeros for a blank one."""
    return Signature(
        TEXT_ENCODER,
        (Tensor("text", "BYTES", (1,)),),
        (Tensor("vector", "FP32", (text_dim,)),),
        max_batch_size=TEXTS_AT_ONCE,
    )


def recommend() -> Signature:
    """The whole way from raw reviews to products."""
    return Signature(
        RECOMMEND,
        (
            Tensor("product_id", "BYTES", ("R",)),  # "" unknown
            Tensor("text", "BYTES", ("R",)),
            Tensor("rating", "FP32", ("R",)),  # nan: unknown
            Tensor("timestamp", "INT64", ("R",)),  # seconds; UNKNOWN_TIME
            Tensor("product_name", "BYTES", ("R",)),
            Tensor("person", "INT64", ("R",)),  # row of `people`, in any order
            Tensor("people", "BYTES", ("N",)),  # user ids
            Tensor("k", "INT32", (1,)),
        ),
        (
            Tensor("product_id", "BYTES", ("N", "k")),  # k: the smaller of k and the catalogue; "" where none is left
            Tensor("name", "BYTES", ("N", "k")),
            Tensor("score", "FP32", ("N", "k")),  # 0 where none is left, which its empty id says
            Tensor("stars", "FP32", ("N", "k")),
            Tensor("attention", "FP32", ("R",)),  # 0 for reviews that were not read
            Tensor("reviewed_id", "BYTES", ("R",)),  # of the review's product in the catalogue; "" where it has none
            Tensor("reviewed_name", "BYTES", ("R",)),
            Tensor("note", "BYTES", ("N",)),
            Tensor("model", "BYTES", (1,)),  # fingerprint of the checkpoint
        ),
    )
