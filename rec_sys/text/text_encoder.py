"""What turns texts into vectors, seen from those who ask; no torch in here."""

from __future__ import annotations

from collections.abc import Callable
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


class LazyEncoder:
    """An encoder that is loaded when the first text comes.

    Args:
        load: gives the encoder.
    """

    def __init__(self, load: Callable[[], TextEncoder]) -> None:
        self._load = load
        self._encoder: TextEncoder | None = None

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), text_dim) float32; zeros where there is no text."""
        if self._encoder is None:
            self._encoder = self._load()
        return self._encoder.encode(texts)


def embed(encoder: TextEncoder, texts: list[str]) -> Floats:
    """Vectors of texts, (len(texts), text_dim) float32, rounded to the half precision in which training reads them."""
    vectors: Floats = encoder.encode(texts).astype(np.float16).astype(np.float32)
    return vectors
