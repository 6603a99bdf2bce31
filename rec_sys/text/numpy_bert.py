"""BERT with mean pooling in numpy, for the few texts of one request: importing torch alone would take seconds."""

from __future__ import annotations

import numpy as np
import orjson
from safetensors.numpy import load_file

from rec_sys.arrays import Floats
from rec_sys.text.encoder_files import WEIGHTS, EncoderFiles


class NumpyBert:
    """Texts to unit vectors in float32, one text at a time.

    Args:
        files: of a plain BERT (`EncoderFiles.is_plain_bert`).
    """

    def __init__(self, files: EncoderFiles) -> None:
        config = orjson.loads((files.folder / "config.json").read_bytes())
        weights = load_file(files.folder / WEIGHTS)
        prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        self._weights = {name.removeprefix(prefix): value for name, value in weights.items()}
        self._tokenizer, self.dimension = files.tokenizer, files.dimension
        self._layers: int = config["num_hidden_layers"]
        self._heads: int = config["num_attention_heads"]
        self._epsilon = np.float32(config["layer_norm_eps"])

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), dimension) float32; zeros where there is no text."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            if text.strip():
                mean = self._states(self._tokenizer.encode(text).ids).mean(axis=0)
                vectors[row] = mean / np.linalg.norm(mean)
        return vectors

    def _states(self, tokens: list[int]) -> Floats:
        """(num_tokens, hidden_size)"""
        weights = self._weights
        words = weights["embeddings.word_embeddings.weight"][tokens]
        places = weights["embeddings.position_embeddings.weight"][: len(tokens)]
        kind = weights["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(words + places + kind, "embeddings.LayerNorm")
        for number in range(self._layers):
            layer = f"encoder.layer.{number}"
            attended = self._linear(self._attention(x, f"{layer}.attention.self"), f"{layer}.attention.output.dense")
            x = self._norm(x + attended, f"{layer}.attention.output.LayerNorm")
            up = gelu(self._linear(x, f"{layer}.intermediate.dense"))
            x = self._norm(x + self._linear(up, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return x

    def _attention(self, x: Floats, name: str) -> Floats:
        length, size = x.shape
        query, key, value = (
            self._linear(x, f"{name}.{part}").reshape(length, self._heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )  # each (heads, length, size / heads)
        score = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[2]))
        weight = np.exp(score - score.max(axis=2, keepdims=True))
        weight /= weight.sum(axis=2, keepdims=True)
        result: Floats = (weight @ value).transpose(1, 0, 2).reshape(length, size)
        return result

    def _linear(self, x: Floats, name: str) -> Floats:
        result: Floats = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return result

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + self._epsilon)
        result: Floats = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return result


def gelu(x: Floats) -> Floats:
    """X * Phi(x) with the error function of Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7."""
    size = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    error = np.sign(x) * (1 - series * np.exp(-np.square(size)))
    result: Floats = (x * (1 + error) / 2).astype(np.float32)
    return result
