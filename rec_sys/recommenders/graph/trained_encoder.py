"""The text encoder that a checkpoint was trained with, and the settings it was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rec_sys.arrays import Floats
from rec_sys.errors import CheckpointError, EncoderError
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.stored import StoredGraph
from rec_sys.text.encoder_files import EncoderFiles
from rec_sys.text.numpy_bert import NumpyBert
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.text_encoder import NoTexts

if TYPE_CHECKING:
    from rec_sys.text.encoder import Encoder


FEW = 128  # texts at once that numpy encodes sooner than torch is imported


def encoder_of(checkpoint: StoredGraph, paths: Paths) -> Encoder | NoTexts:
    """Load the encoder of a checkpoint; nothing is loaded, nor need be there, where it learned without texts.

    Raises:
        EncoderError: its weights cannot be had, or are not those of the training.
        CheckpointError: the checkpoint does not say which encoder it was trained with.
    """
    if not checkpoint.text_dim:
        return NoTexts()
    from rec_sys.text.encoder import Encoder  # loads torch

    encoder = Encoder(encoder_settings_of(checkpoint), paths.embeddings)
    _check(checkpoint, encoder.fingerprint, encoder.backend)
    return encoder


class LazyTextEncoder:
    """The encoder of a checkpoint for one command: numpy for a few texts, torch from there on.

    Both give the same vectors up to the number format: the cosine of float32 to bfloat16 is above .9999.

    Args:
        checkpoint: whose encoder; it must read texts.
        paths: where exported encoders are kept.

    Raises:
        EncoderError: when the first text comes and the weights cannot be had, or are not those of the training.
    """

    def __init__(self, checkpoint: StoredGraph, paths: Paths) -> None:
        self._checkpoint, self._paths = checkpoint, paths
        self._few: NumpyBert | None = None
        self._many: Encoder | NoTexts | None = None

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), text_dim) float32; zeros where there is no text."""
        if self._many is None and len(texts) <= FEW:
            settings = encoder_settings_of(self._checkpoint)
            files = EncoderFiles(settings.name)
            if files.is_plain_bert and settings.backend in ("float32", "bfloat16"):
                if self._few is None:
                    _check(self._checkpoint, files.fingerprint(settings.backend), settings.backend)
                    self._few = NumpyBert(files)
                return self._few.encode(texts)
        if self._many is None:
            self._many = encoder_of(self._checkpoint, self._paths)
        return self._many.encode(texts)


def _check(checkpoint: StoredGraph, fingerprint: str, backend: str) -> None:
    """Refuse an encoder that is not the one of the training."""
    trained = checkpoint.info.get("encoder", {})
    if fingerprint != trained.get("fingerprint"):
        raise EncoderError(
            f"checkpoint {checkpoint.path.name} was trained with the text encoder {trained.get('name')} "
            f"({trained.get('backend')}, {str(trained.get('fingerprint'))[:12]}), but the one here is "
            f"{encoder_settings_of(checkpoint).name} ({backend}, {fingerprint[:12]}); bring that encoder here or train "
            f"again"
        )


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
