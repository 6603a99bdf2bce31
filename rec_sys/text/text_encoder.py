"""The protocol of a text encoder, and `embed`, which asks one; no torch in here."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rec_sys.arrays import Floats


class TextEncoder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), text_dim) float32; zeros where there is no text."""


class NoTexts:
    """The encoder of a model that learned without texts: always returns vectors of no length."""

    fingerprint = ""

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), 0)"""
        return np.zeros((len(texts), 0), dtype=np.float32)


def embed(encoder: TextEncoder, texts: list[str]) -> Floats:
    """Vectors of texts, (len(texts), text_dim) float32, rounded to the half precision in which training reads them."""
    vectors: Floats = encoder.encode(texts).astype(np.float16).astype(np.float32)
    return vectors
