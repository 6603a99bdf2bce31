"""What can go wrong between a client and Triton: one class per cause, each message with what to do.

TritonError
├── Unreachable         nobody answers at the address, or the connection broke
├── DeadlineExceeded    no answer in time
├── NotReady            a server answers, but it is starting, stopping, or has not loaded the model
├── Overloaded          the server's queue is full
├── UnknownModel        the server has no such model or version
├── BadInput            what was sent does not fit the model; nothing is gained by sending it again
└── ServerError         the model failed, or its answer cannot be read
"""

from __future__ import annotations

from rec_sys.errors import RecSysError


class TritonError(RecSysError):
    """Base of all errors of a call to Triton."""


class Unreachable(TritonError):
    """Nobody answers at the address, or the connection broke."""


class DeadlineExceeded(TritonError):
    """No answer in time."""


class NotReady(TritonError):
    """A server answers, but it is starting, stopping, or has not loaded the model."""


class Overloaded(TritonError):
    """The server's queue is full."""


class UnknownModel(TritonError):
    """The server has no such model or version."""


class BadInput(TritonError):
    """What was sent does not fit the model; nothing is gained by sending it again."""


class ServerError(TritonError):
    """The model failed, or its answer cannot be read."""
