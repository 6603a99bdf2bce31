"""`text_encoder` in the Python backend: strings in, unit vectors out; the tokenizer is part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from rec_sys.text.onnx_text_encoder import OnnxTextEncoder
from triton_utils.backend.graph_model import threads_of


class TritonPythonModel:
    """The encoder of one version."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load tokenizer and weights of this version."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.encoder = OnnxTextEncoder(folder, threads_of(args))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encode the texts of all requests together; one that is no text spoils its own request only."""
        responses: list[Any] = [None] * len(requests)
        texts: list[str] = []
        slices: dict[int, slice] = {}
        for place, request in enumerate(requests):
            values = pb_utils.get_input_tensor_by_name(request, "text").as_numpy().reshape(-1).tolist()
            try:
                request_texts = [value.decode() for value in values]
            except UnicodeDecodeError as error:
                message = f"a text is not UTF-8: {error.reason} at byte {error.start:,}"
                responses[place] = pb_utils.InferenceResponse(
                    error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
                )
                continue
            slices[place] = slice(len(texts), len(texts) + len(request_texts))
            texts += request_texts
        vectors = self.encoder.encode(texts)
        for place, rows in slices.items():
            responses[place] = pb_utils.InferenceResponse([pb_utils.Tensor("vector", vectors[rows])])
        return responses
