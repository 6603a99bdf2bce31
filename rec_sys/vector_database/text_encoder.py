"""The text encoder that a checkpoint was trained with; no other one may speak to it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from rec_sys.dataset.encoder import Encoder, EncoderSettings
from rec_sys.dataset.table import Floats
from rec_sys.errors import CheckpointError, EncoderError
from rec_sys.modules.checkpoint import Checkpoint
from rec_sys.paths import Paths


class TextEncoder(Protocol):
    """Turns texts into vectors."""

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), text_dim) float32; zeros where there is no text."""


class NoTexts:
    """The encoder of a checkpoint that learned without texts: whatever is said, it hears nothing."""

    fingerprint = ""

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), 0)"""
        return np.zeros((len(texts), 0), dtype=np.float32)


def encoder_of(checkpoint: Checkpoint, paths: Paths) -> Encoder | NoTexts:
    """Load the encoder of a checkpoint; nothing is loaded, nor need be there, where it learned without texts.

    Raises:
        EncoderError: its weights cannot be had, or are not those of the training.
        CheckpointError: the checkpoint does not say which encoder it was trained with.
    """
    if not checkpoint.model.text_dim:
        return NoTexts()
    trained = checkpoint.info.get("encoder", {})
    settings = encoder_settings_of(checkpoint)
    encoder = Encoder(settings, paths.embeddings)
    if encoder.fingerprint != trained.get("fingerprint"):
        raise EncoderError(
            f"checkpoint {checkpoint.path.name} was trained with the text encoder {trained.get('name')} "
            f"({trained.get('backend')}, {str(trained.get('fingerprint'))[:12]}), but the one here is "
            f"{settings.name} ({encoder.backend}, {encoder.fingerprint[:12]}); bring that encoder here or train again"
        )
    return encoder


def encoder_settings_of(checkpoint: Checkpoint) -> EncoderSettings:
    """The encoder's settings, with the number format of the training whatever this machine would choose.

    Raises:
        CheckpointError: the checkpoint does not hold them.
    """
    values = settings_of(checkpoint, "encoder")
    backend = checkpoint.info.get("encoder", {}).get("backend", "auto")
    return EncoderSettings.read({**values, "backend": backend}, "encoder")


def settings_of(checkpoint: Checkpoint, group: str) -> dict[str, Any]:
    """One group of the settings a checkpoint was trained with.

    Raises:
        CheckpointError: the checkpoint does not hold it.
    """
    values = checkpoint.info.get("settings", {}).get(group)
    if not isinstance(values, dict):
        raise CheckpointError(f"{checkpoint.path} does not hold the settings {group!r} of its training; train again")
    return values


def embed(encoder: TextEncoder, texts: list[str]) -> Floats:
    """Vectors of texts, (len(texts), text_dim) float32, rounded to the half precision in which training reads them."""
    vectors: Floats = encoder.encode(texts).astype(np.float16).astype(np.float32)
    return vectors
