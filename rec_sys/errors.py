"""One tree of errors. Every message names what came, what was expected and what to do.

RecSysError                what a command prints as one line, without a traceback
├── ConfigError            a setting that is unknown, out of its limits or contradicts another
├── DataError              a raw file or table that cannot be read or holds nothing usable
│   └── DownloadError      a data set that could not be fetched
├── EncoderError           text encoder weights that are missing or do not fit
├── CheckpointError        a checkpoint that is missing, damaged or of another kind
├── VectorBaseError        a vector base that is missing, damaged or belongs to another checkpoint
├── NotFittedError         a recommender that was asked before it was fitted or loaded
├── UnknownIdError         a user or product the table does not hold
├── RepositoryError        a model repository that is missing or damaged, or a deployment that came to nothing
├── ServeError             a Triton server that cannot be started or does not stay up
└── TrackingError          an MLflow store that cannot be used

An error of the library says what to do as data (`remedy`), and does not know from where it is called: the frame of the
commands turns the remedy into the command to type, Python users read `error.remedy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remedy:
    """What puts an error right: a command of this project with its settings."""

    action: str  # what it does, such as "train a model first"
    module: str  # of the command, such as "rec_sys.train.train"
    settings: Mapping[str, object] = field(default_factory=dict)  # by dotted name


class RecSysError(Exception):
    """Base of all errors this package raises on purpose.

    Args:
        message: what came, what was expected, what to do.
        remedy: the command that puts it right, where there is one.
    """

    def __init__(self, message: str, remedy: Remedy | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigError(RecSysError):
    """A setting is unknown, out of its limits or contradicts another."""


class DataError(RecSysError):
    """A raw file or table cannot be read or holds nothing usable."""


class DownloadError(DataError):
    """A data set could not be fetched."""


class EncoderError(RecSysError):
    """Text encoder weights are missing or do not fit."""


class CheckpointError(RecSysError):
    """A checkpoint is missing, damaged or of another kind."""


class VectorBaseError(RecSysError):
    """A vector base is missing, damaged or belongs to another checkpoint."""


class NotFittedError(RecSysError):
    """A recommender was asked before it was fitted or loaded."""


class UnknownIdError(RecSysError):
    """A user or product the table does not hold."""


class RepositoryError(RecSysError):
    """A model repository is missing or damaged, or a deployment came to nothing."""


class ServeError(RecSysError):
    """A Triton server cannot be started or does not stay up."""


class TrackingError(RecSysError):
    """An MLflow store cannot be used."""
