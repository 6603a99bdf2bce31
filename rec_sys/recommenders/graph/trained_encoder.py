"""The text encoder that a checkpoint was trained with, and the settings it was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rec_sys.errors import CheckpointError, EncoderError
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.stored import StoredGraph
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.text_encoder import NoTexts

if TYPE_CHECKING:
    from rec_sys.text.encoder import Encoder


def encoder_of(checkpoint: StoredGraph, paths: Paths) -> Encoder | NoTexts:
    """Load the encoder of a checkpoint; nothing is loaded, nor need be there, where it learned without texts.

    Raises:
        EncoderError: its weights cannot be had, or are not those of the training.
        CheckpointError: the checkpoint does not say which encoder it was trained with.
    """
    if not checkpoint.text_dim:
        return NoTexts()
    from rec_sys.text.encoder import Encoder  # loads torch

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


def encoder_settings_of(checkpoint: StoredGraph) -> EncoderSettings:
    """The encoder's settings, with the number format of the training whatever this machine would choose.

    Raises:
        CheckpointError: the checkpoint does not hold them.
    """
    values = settings_of(checkpoint, "encoder")
    backend = checkpoint.info.get("encoder", {}).get("backend", "auto")
    return EncoderSettings.read({**values, "backend": backend}, "encoder")


def settings_of(checkpoint: StoredGraph, group: str) -> dict[str, Any]:
    """One group of the settings a checkpoint was trained with.

    Raises:
        CheckpointError: the checkpoint does not hold it.
    """
    values = checkpoint.info.get("settings", {}).get(group)
    if not isinstance(values, dict):
        raise CheckpointError(f"{checkpoint.path} does not hold the settings {group!r} of its training; train again")
    return values
