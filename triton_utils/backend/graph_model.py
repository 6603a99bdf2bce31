"""`graph_model` in the Python backend: `model.onnx` in ONNX Runtime, as the `onnxruntime` backend would run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from rec_sys.inference.onnx_encoder import open_session

MODEL_FILE = "model.onnx"


class TritonPythonModel:
    """One exported network; tensors go in and out by the names they have in the file."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the file of this version."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.session = open_session(folder / MODEL_FILE, threads_of(args))
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself: their people are no batch of one call."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        inputs = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
        if wrong := _nonsense(inputs):
            return _refused(wrong)
        try:
            outputs = self.session.run(self.outputs, inputs)
        except Exception as error:  # ONNX Runtime's errors have no common public base
            return _refused(f"these inputs do not fit together: {str(error)[:500]}")
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, array) for name, array in zip(self.outputs, outputs, strict=True)]
        )


def threads_of(args: dict[str, str]) -> int:
    """Of ONNX Runtime, as the model's config says; 0: one per core."""
    return int(json.loads(args["model_config"])["parameters"]["threads"]["string_value"])


def _nonsense(inputs: dict[str, Any]) -> str:
    """What is wrong with the inputs, in words: other lengths, numbers that are none, rows that are not there."""
    if "person" in inputs:
        num_reviews, num_users = len(inputs["person"]), len(inputs["people"])
        for name, array in inputs.items():
            if name != "people" and len(array) != num_reviews:
                return f"{name} has {len(array):,} rows, but person has {num_reviews:,}"
        if num_reviews and (inputs["person"].min() < 0 or inputs["person"].max() >= num_users):
            return f"person holds rows beyond people; expected 0 to {num_users - 1}"
        if num_reviews and inputs["age"].min() < 0:
            return "age holds a number below 0; expected 0 for a person's newest review, then 1, 2, ..."
    for name, array in inputs.items():
        unknown = np.isnan(array) if name == "rating" else False
        if array.dtype == np.float32 and not (np.isfinite(array) | unknown).all():
            return f"{name} holds numbers that are not finite" + (" (nan is fine)" if name == "rating" else "")
    return ""


def _refused(message: str) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG))
