"""A BERT text encoder for CPUs that computes no padding.

All tokens of a batch lie one after another, so every linear layer is one product over real tokens only. Attention runs
over groups of texts of equal length, which need no mask. On a CPU this is clearly faster than the library's padded
forward pass (`python -m benchmarks.embedding` measures it); a test holds the two equal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import torch
import torch.nn.functional as F  # noqa: N812  (the field's own name)
from safetensors.torch import load_file
from torch import Tensor

Linear = tuple[Tensor, Tensor]  # weight (out, in), bias (out,)

TOKEN_STEP = 128  # tokens are filled up to a multiple of this, so that matrix products have few shapes
KEPT_SHAPES = "64"


class PackedBert:
    """BERT with mean pooling; calling it from several threads at once is allowed.

    Args:
        folder: holds config.json and model.safetensors.
        dtype: of weights and activations; sums over tokens are float32.
    """

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        # oneDNN keeps buffers for every shape of a matrix product it has seen, by default up to 1,024 of them, which
        # came to 9 GB for 200,000 texts. It reads these when it first computes something.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KEPT_SHAPES)
        os.environ.setdefault("LRU_CACHE_CAPACITY", KEPT_SHAPES)
        config = orjson.loads((folder / "config.json").read_bytes())
        weights = load_file(folder / "model.safetensors")
        prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        self.dtype = dtype
        self.heads: int = config["num_attention_heads"]
        self.epsilon: float = config["layer_norm_eps"]
        scale = (config["hidden_size"] // self.heads) ** -0.5

        def linear(name: str) -> Linear:
            weight, bias = (weights[f"{prefix}{name}.{part}"] for part in ("weight", "bias"))
            # The 1 / sqrt(dim) of attention is part of the query, so that scores need no pass of their own.
            factor = scale if name.endswith("self.query") else 1.0
            return (weight * factor).to(dtype), (bias * factor).to(dtype)

        def stacked(*names: str) -> Linear:
            parts = [linear(name) for name in names]
            return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])

        embeddings = {
            name: weights[f"{prefix}embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        }
        self.word = embeddings["word"].to(dtype)
        self.position = (embeddings["position"] + embeddings["token_type"][0]).to(dtype)
        self.embedding_norm = linear("embeddings.LayerNorm")
        self.layers: list[dict[str, Linear]] = []
        for number in range(config["num_hidden_layers"]):
            layer = f"encoder.layer.{number}"
            self.layers.append(
                {
                    "qkv": stacked(*(f"{layer}.attention.self.{name}" for name in ("query", "key", "value"))),
                    "out": linear(f"{layer}.attention.output.dense"),
                    "norm": linear(f"{layer}.attention.output.LayerNorm"),
                    "up": linear(f"{layer}.intermediate.dense"),
                    "down": linear(f"{layer}.output.dense"),
                    "last_norm": linear(f"{layer}.output.LayerNorm"),
                }
            )

    def __call__(self, sequences: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Unit vectors of tokenized texts.

        Args:
            sequences: token numbers of each text, sorted by length.

        Returns:
            (len(sequences), hidden_size)
        """
        with torch.inference_mode():
            vectors = self._forward(sequences, exact=self.dtype != torch.bfloat16)
            if not bool(torch.isfinite(vectors).all()):
                vectors = self._forward(sequences, exact=True)
        return vectors.numpy()

    def _forward(self, sequences: Sequence[Sequence[int]], exact: bool) -> Tensor:
        groups = [(length, len(list(same))) for length, same in groupby(sequences, key=len)]
        num_tokens = sum(length * count for length, count in groups)
        rounded = -(-num_tokens // TOKEN_STEP) * TOKEN_STEP
        tokens, places = torch.zeros(2, rounded, dtype=torch.int64)
        tokens[:num_tokens] = torch.from_numpy(np.concatenate([np.asarray(ids, dtype=np.int64) for ids in sequences]))
        places[:num_tokens] = torch.cat([torch.arange(length).repeat(count) for length, count in groups])
        x = self._norm(self.word[tokens] + self.position[places], self.embedding_norm)  # (num_tokens, hidden_size)
        for layer in self.layers:
            attended = self._attention(F.linear(x, *layer["qkv"]), groups, exact)
            x = self._norm(x + F.linear(attended, *layer["out"]), layer["norm"])
            x = self._norm(x + F.linear(F.gelu(F.linear(x, *layer["up"])), *layer["down"]), layer["last_norm"])
        parts = torch.split(x[:num_tokens].float(), [length * count for length, count in groups])
        means = [part.view(count, length, -1).mean(1) for part, (length, count) in zip(parts, groups, strict=True)]
        return F.normalize(torch.cat(means), dim=1)

    def _norm(self, x: Tensor, weights: Linear) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *weights, self.epsilon)

    def _attention(self, qkv: Tensor, groups: list[tuple[int, int]], exact: bool) -> Tensor:
        """Attention of each text over its own tokens: (num_tokens, 3 * hidden_size) -> (num_tokens, hidden_size)."""
        sizes = [length * count for length, count in groups]
        unused = len(qkv) - sum(sizes)
        parts = torch.split(qkv, [*sizes, unused])[: len(groups)]
        results = []
        for part, (length, count) in zip(parts, groups, strict=True):
            q, k, v = part.view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).flatten(1, 2)
            if exact:
                result = F.scaled_dot_product_attention(q, k, v, scale=1.0)
            else:
                # Softmax without its maximum: three times as fast in bfloat16 (torch's softmax is slow on rows whose
                # length is no multiple of 16). Scores beyond +-88 overflow; then the caller computes again, exactly.
                weights = torch.bmm(q, k.transpose(1, 2)).exp_()
                result = torch.bmm(weights, v) / weights.sum(-1, keepdim=True)
            results.append(result.view(count, self.heads, length, -1).transpose(1, 2).reshape(count * length, -1))
        return torch.cat([*results, results[0].new_zeros(unused, results[0].shape[1])])
