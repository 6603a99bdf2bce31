"""Every way in which a request can fail: its status, and a body that says what to do.

{"error": {"cause": "queue_full", "message": "...", "what_to_do": "..."}}
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

from rec_sys.command_names import command_line
from rec_sys.errors import (
    CheckpointError,
    DataError,
    DownloadError,
    EncoderError,
    RecSysError,
    RepositoryError,
    UnknownIdError,
    VectorBaseError,
)
from triton_utils.errors import (
    BadInput,
    DeadlineExceeded,
    NotReady,
    Overloaded,
    ServerError,
    UnknownModel,
    Unreachable,
)

logger = logging.getLogger(__name__)


class Cause(NamedTuple):
    """One way to fail."""

    name: str
    status: int
    what_to_do: str
    message: str = ""  # sent instead of the error's own words, which speak to whoever runs the server
    retry_after: int = 0  # seconds; 0: coming again changes nothing


LATER = "send the request again a little later"
BODY_TOO_LARGE = Cause("body_too_large", 413, "send fewer or shorter reviews; a user's newest ones are enough")
SLOW_BODY = Cause("slow_body", 408, "send the request faster, or less of it")
BAD_REQUEST = Cause("bad_input", 422, "mend the request; /docs shows examples")
NO_SUCH_PRODUCT = Cause("unknown_product", 404, "ask for a product_id that the recommendations name")
NO_SUCH_PAGE = Cause("not_found", 404, "see /docs for what there is")
WRONG_METHOD = Cause("method_not_allowed", 405, "see /docs for what there is")
RATE = Cause("rate_limit", 429, "send fewer requests per second", retry_after=1)
QUEUE_FULL = Cause("queue_full", 503, LATER, retry_after=1)
UNREACHABLE = Cause("unreachable", 503, LATER, "the model server does not answer", 2)
NOT_READY = Cause("not_ready", 503, LATER, "the model server is not ready", 2)
OVERLOADED = Cause("overloaded", 503, LATER, "the model server has more to do than it can", 1)
DEPLOY = f"deploy a model: {command_line('triton_utils.deploy')}"
NO_MODEL = Cause("unknown_model", 503, DEPLOY, "no model is deployed", 10)
NO_PRODUCTS = Cause("no_vector_base", 503, LATER, "the vectors of the products are not loaded", 10)
TOO_LATE = Cause("deadline", 504, "send fewer reviews at once, or come again later", "no answer in time", 2)
MODEL_FAILED = Cause("model_failed", 502, "tell whoever runs this server; its log says more", "the model failed")
NOT_FETCHED = Cause(
    "download_failed",
    503,
    "send the request again later; whoever runs this server finds the address in its log, and mends the network or "
    "puts the file in its place",
    "this server could not fetch a file that it needs",
    30,
)
BAD_FILES = Cause(
    "server_files",
    500,
    "tell whoever runs this server: its log names the file and says what to do",
    "a file of this server is missing or cannot be read",
)
BUG = Cause("internal", 500, "tell whoever runs this server; its log says more", "something went wrong in here")

# A request is at fault only where its reader or Triton says so; every other error is about this server's own files.
OF_ERROR: tuple[tuple[type[RecSysError], Cause], ...] = (
    (BadInput, BAD_REQUEST),
    (UnknownIdError, NO_SUCH_PRODUCT),
    (Unreachable, UNREACHABLE),
    (NotReady, NOT_READY),
    (Overloaded, OVERLOADED),
    (UnknownModel, NO_MODEL),
    (DeadlineExceeded, TOO_LATE),
    (ServerError, MODEL_FAILED),
    (VectorBaseError, NO_PRODUCTS),
    (DownloadError, NOT_FETCHED),  # before DataError, of which it is a kind
    (DataError, BAD_FILES),
    (EncoderError, BAD_FILES),
    (CheckpointError, BAD_FILES),
    (RepositoryError, BAD_FILES),
)
CAUSES = tuple(value for value in list(globals().values()) if isinstance(value, Cause))


class RequestRejected(Exception):  # noqa: N818  not an error of this program
    """A request that is answered with an error instead of being worked on."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class ErrorDetail(BaseModel):
    """What went wrong."""

    cause: str = Field(description="one word, for programs", examples=["queue_full"])
    message: str = Field(description="what happened", examples=["64 requests are waiting already"])
    what_to_do: str = Field(description="what helps", examples=[LATER])


class ErrorBody(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorDetail


def cause_of(error: Exception) -> tuple[Cause, str]:
    """The cause of an error, and the message for the sender of the request."""
    if isinstance(error, RequestRejected):
        return error.cause, str(error)
    for kind, cause in OF_ERROR:
        if isinstance(error, kind):
            return cause, cause.message or str(error)
    return BUG, BUG.message


def error_response(cause: Cause, message: str) -> Response:
    """The answer."""
    body = {"error": {"cause": cause.name, "message": message or cause.message, "what_to_do": cause.what_to_do}}
    headers = {"Retry-After": str(cause.retry_after)} if cause.retry_after else {}
    return Response(orjson.dumps(body), cause.status, headers, "application/json")
