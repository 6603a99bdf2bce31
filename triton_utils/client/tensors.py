"""Arrays to the messages of Triton's protocol and back, checked against a model's signature on the way.

KServe predict protocol, version 2, with raw contents: https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2

from rec_sys.modules.signature import NUMPY, Signature
from triton_utils.errors import BadInput, ServerError

Array = npt.NDArray[Any]
LENGTH = struct.Struct("<I")  # comes before each text


def request_of(signature: Signature, arrays: Mapping[str, Array], version: str = "") -> service_pb2.ModelInferRequest:
    """The message that calls a model.

    Args:
        signature: of the model.
        arrays: its inputs; texts as an object array of str.
        version: of the model; empty: the one the server prefers.

    Raises:
        BadInput: names, types, shapes or lengths are not those of the signature, or a text is none.
    """
    if wrong := signature.mismatch(arrays):
        raise BadInput(wrong)
    request = service_pb2.ModelInferRequest(model_name=signature.name, model_version=version)
    for tensor in signature.inputs:
        array = arrays[tensor.name]
        request.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=array.shape)
        if tensor.dtype == "BYTES":
            raw = _join(array.ravel().tolist(), f"{signature.name} input {tensor.name}")
        else:
            raw = np.ascontiguousarray(array).tobytes()
        request.raw_input_contents.append(raw)
    return request


def arrays_of(signature: Signature, response: service_pb2.ModelInferResponse) -> dict[str, Array]:
    """The outputs of an answer; texts as object arrays of str. Outputs the signature does not name come along too.

    Raises:
        ServerError: the answer is not what the signature says; server and client are of different versions.
    """
    arrays: dict[str, Array] = {}
    expected = {tensor.name: tensor for tensor in signature.outputs}
    try:
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
            shape = tuple(output.shape)
            values: Any
            if output.datatype == "BYTES":
                values = np.empty(prod(shape), dtype=object)
                values[:] = _split(raw)
            else:
                values = np.frombuffer(raw, dtype=NUMPY[output.datatype])
            arrays[output.name] = values.reshape(shape)
            tensor = expected.get(output.name)
            if tensor is not None:
                rank = len(tensor.axes) + bool(signature.max_batch_size)
                if (output.datatype, len(shape)) != (tensor.dtype, rank):
                    raise ValueError(f"{output.name} is {output.datatype} {list(shape)}")
        if missing := [name for name in expected if name not in arrays]:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except (ValueError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise ServerError(
            f"{signature.name} gave an answer that cannot be read ({error}); deploy the model with the program that "
            f"asks it"
        ) from error
    return arrays


def texts(values: Sequence[str]) -> Array:
    """(len(values),) object array."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _join(values: list[Any], what: str) -> bytes:
    parts = []
    for place, value in enumerate(values):
        if not isinstance(value, str):
            raise BadInput(f"{what}[{place}] is {type(value).__name__}; expected a text")
        try:
            raw = value.encode()
        except UnicodeEncodeError as error:
            raise BadInput(f"{what}[{place}] cannot be written as UTF-8 ({error.reason}); mend the text") from error
        parts += [LENGTH.pack(len(raw)), raw]
    return b"".join(parts)


def _split(raw: bytes) -> list[str]:
    values, place = [], 0
    while place < len(raw):
        (length,) = LENGTH.unpack_from(raw, place)
        place += LENGTH.size
        if place + length > len(raw):
            raise ValueError(f"a text of {length:,} bytes ends after {len(raw) - place:,}")
        values.append(raw[place : place + length].decode())
        place += length
    return values
