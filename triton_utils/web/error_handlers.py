"""Exceptions to answers: each is counted, given its cause, and answered in the one shape of `errors`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from rec_sys.errors import RecSysError
from triton_utils.web.errors import (
    BAD_REQUEST,
    BUG,
    NO_SUCH_PAGE,
    WRONG_METHOD,
    Cause,
    RequestRejected,
    cause_of,
    error_response,
)

logger = logging.getLogger(__name__)


async def known(request: Request, error: Exception) -> Response:
    """An error of this project; those that are not the sender's are logged."""
    cause, message = cause_of(error)
    if cause.status >= 500 and not isinstance(error, RequestRejected):
        logger.warning("%s: %s", request.url.path, error)
    return _answer(request, cause, message)


async def invalid(request: Request, error: RequestValidationError) -> Response:
    """A parameter of the wrong type or beyond its limits."""
    first = error.errors()[0]
    return _answer(request, BAD_REQUEST, f"{first['loc'][-1]} is {str(first.get('input'))[:60]!r}: {first['msg']}")


async def missing(request: Request, error: HTTPException) -> Response:
    """No such page, or not with this method."""
    if error.status_code == WRONG_METHOD.status:
        return _answer(request, WRONG_METHOD, f"{request.method} {request.url.path}: the method is not allowed")
    if error.status_code == NO_SUCH_PAGE.status:
        return _answer(request, NO_SUCH_PAGE, f"there is no {request.url.path[:200]}")
    return _answer(request, BAD_REQUEST, str(error.detail))


async def bug(request: Request, _: Exception) -> Response:
    """Anything else; the server logs the traceback."""
    return _answer(request, BUG, BUG.message)


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    RecSysError: known,
    RequestRejected: known,
    RequestValidationError: invalid,
    HTTPException: missing,
    Exception: bug,
}


def _answer(request: Request, cause: Cause, message: str) -> Response:
    request.app.state.service.metrics.failed(cause)
    return error_response(cause, message)
