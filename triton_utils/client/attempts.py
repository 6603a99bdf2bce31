"""One call's time and tries: how long it may take, when it is tried again, and what its failure is called."""

from __future__ import annotations

import random
import re
import time

import grpc
from pydantic import Field

from rec_sys.command_names import command_line
from rec_sys.errors import ConfigError
from rec_sys.settings import Settings
from triton_utils.errors import (
    BadInput,
    DeadlineExceeded,
    NotReady,
    Overloaded,
    ServerError,
    TritonError,
    UnknownModel,
    Unreachable,
)

SERVE, DEPLOY = "triton_utils.serve", "triton_utils.deploy"
NO_LIMIT = 2**31 - 1  # bytes of a message, what Triton itself allows

# What gRPC itself says when there is nobody to talk to; an UNAVAILABLE with other words was sent by the server.
BROKEN_CONNECTION = re.compile(
    r"failed to connect|errors? resolving|name resolution|socket closed|connection (reset|refused|attempt)|broken pipe|"
    r"goaway|rst_stream|stream removed|transport|too many pings|endpoint closing",
    re.IGNORECASE,
)
FULL_QUEUE = re.compile(r"queue|request timeout expired", re.IGNORECASE)

CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", NO_LIMIT),
    ("grpc.max_receive_message_length", NO_LIMIT),
    ("grpc.initial_reconnect_backoff_ms", 100),  # gRPC's own 1 s to 2 min would outlast a restart of the server
    ("grpc.min_reconnect_backoff_ms", 2000),  # how long a connection may take to come about
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),  # tries are counted here
    ("grpc.enable_http_proxy", 0),  # a proxy for the web is none for a server next door
]


class CallSettings(Settings):
    """How a client of Triton behaves."""

    deadline: float = Field(30.0, gt=0, le=3600, description="seconds that a call may take, all tries together")
    tries: int = Field(3, ge=1, le=20, description="times a call is sent while the server is unavailable")
    backoff: float = Field(0.1, ge=0, le=60, description="seconds before the second try; doubled for each further one")


class Attempts:
    """The tries of one call.

    Args:
        address: HOST:PORT, for messages.
        settings: how long and how often.
        what: what is called, for messages.
    """

    def __init__(self, address: str, settings: CallSettings, what: str) -> None:
        self.address, self.settings, self.what = address, settings, what
        self.tries = 0
        self._end = time.monotonic() + settings.deadline

    def timeout(self) -> float:
        """Seconds that the next try may take."""
        self.tries += 1
        return max(self._end - time.monotonic(), 0.001)

    def pause_after(self, error: grpc.RpcError) -> float:
        """Seconds to wait until the next try.

        Raises:
            TritonError: there is none: only a server that is unavailable, and not for being overloaded, is asked again.
        """
        unavailable = error.code() == grpc.StatusCode.UNAVAILABLE
        full = unavailable and FULL_QUEUE.search(error.details() or "")  # more of the same would make it worse
        if unavailable and not full and self.tries < self.settings.tries:
            # Half of it by chance: clients that lost one server together shall not come back together.
            pause = self.settings.backoff * 2.0 ** (self.tries - 1) * random.uniform(0.5, 1)  # noqa: S311
            if time.monotonic() + pause < self._end:
                return pause
        raise self._explained(error) from error

    def _explained(self, error: grpc.RpcError) -> TritonError:
        code, words = error.code(), " ".join((error.details() or "").split())[:500]
        status = grpc.StatusCode
        tried = f" after {self.tries} tries" if self.tries > 1 else ""
        if code in (status.UNAVAILABLE, status.INTERNAL, status.UNKNOWN) and BROKEN_CONNECTION.search(words):
            return Unreachable(
                f"{self.what}: no Triton server answers at {self.address}{tried} ({words}); start it with "
                f"{command_line(SERVE)}, or give the address of its gRPC port"
            )
        if code == status.DEADLINE_EXCEEDED:
            return DeadlineExceeded(
                f"{self.what}: no answer from {self.address} within {self.settings.deadline:g} s; send less at once, "
                f"allow more time, or see whether the server is overloaded"
            )
        if code == status.UNAVAILABLE and FULL_QUEUE.search(words):
            return Overloaded(f"{self.what}: {self.address} is overloaded{tried} ({words}); try again later")
        if code == status.UNAVAILABLE:
            return NotReady(
                f"{self.what}: the server at {self.address} is not ready{tried} ({words}); wait until it has loaded "
                f"its models, or deploy them: {command_line(DEPLOY)}"
            )
        if code == status.NOT_FOUND or (code == status.INVALID_ARGUMENT and "unknown model" in words.lower()):
            return UnknownModel(
                f"{self.what}: {self.address} has no such model ({words}); deploy it: {command_line(DEPLOY)}"
            )
        if code == status.UNIMPLEMENTED:
            return ServerError(f"{self.what}: what answers at {self.address} is no Triton server ({words})")
        if code in (status.INVALID_ARGUMENT, status.OUT_OF_RANGE):
            return BadInput(f"{self.what} refuses the input: {words}")
        if code == status.RESOURCE_EXHAUSTED:
            return BadInput(f"{self.what}: too much for one call ({words}); send less at once")
        return ServerError(f"{self.what}: {self.address} failed with {code.name} ({words}); its log says more")


def check_address(address: str) -> str:
    """HOST:PORT as it came.

    Raises:
        ConfigError: it is not of that form.
    """
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})", address)
    if not match or not 0 < int(match[2]) < 65_536:
        raise ConfigError(f"address {address!r}; expected HOST:PORT of Triton's gRPC service, such as 127.0.0.1:8001")
    return address
