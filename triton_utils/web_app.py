"""Recommendations over HTTP.

uv run uvicorn triton_utils.web_app:app --port 8080

Triton computes, `POST /reviews/` asks it; products like another come from the deployed vector base. The settings are
environment variables, see `web/settings.py`. Nothing in here blocks the event loop: Triton is asked with asyncio, the
vector base is searched in a thread, and so are large bodies read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from rec_sys.errors import RecSysError
from rec_sys.inference.remote import Served
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
from triton_utils.web.limits import RequestLimits
from triton_utils.web.metrics import CONTENT_TYPE, Counted, Metrics, triton_metrics
from triton_utils.web.products import Deployed, similar
from triton_utils.web.schemas import REVIEWS_BODY, Answer, Health, SimilarAnswer, failures
from triton_utils.web.service import LARGE, Service
from triton_utils.web.settings import WebSettings, settings_of

logger = logging.getLogger(__name__)

ITEM = 100  # bytes of one recommended product in an answer, about
K = Annotated[int, Query(ge=1, description="products wanted; where there are fewer, all of them are given")]


def create_app(settings: WebSettings | None = None) -> FastAPI:
    """The web app.

    Args:
        settings: None: from the environment.
    """
    settings = settings or settings_of()
    metrics = Metrics()
    service = Service(settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="rec_sys",
        description="Reviews in, personal recommendations out. Errors have one shape: cause, message, what to do.",
        lifespan=lifespan,
    )

    @app.post("/reviews", include_in_schema=False)
    @app.post(
        "/reviews/",
        summary="Recommendations from reviews",
        response_model=Answer,
        responses=failures(408, 413, 422, 429, 500, 502, 503, 504),
        openapi_extra={"requestBody": REVIEWS_BODY},
    )
    async def reviews(request: Request, k: K = 10) -> Response:
        with metrics.timed("read"):
            people = await service.read(await request.body(), k)
        async with service.limiter.slot():
            with metrics.timed("triton"):
                served = await service.client.served(people, k)
        metrics.people.inc(len(people))
        metrics.reviews.inc(sum(len(person.reviews) for person in people))
        with metrics.timed("write"):
            return await _json(served, len(people) * k)

    @app.get(
        "/products/{product_id:path}/similar",
        summary="Products like another",
        response_model=SimilarAnswer,
        responses=failures(404, 422, 429, 500, 503),
    )
    async def similar_products(product_id: str, k: K = 10) -> Response:
        service.check_k(k, 1)
        deployed = service.products.deployed
        async with service.limiter.slot():
            with metrics.timed("similar"):
                items = await asyncio.to_thread(similar, deployed.base, product_id, k)
        name = deployed.base.names[deployed.base.products.number(product_id)]
        answer = {"product_id": product_id, "name": name, "version": deployed.version, "items": items}
        return Response(orjson.dumps(answer), media_type="application/json")

    @app.get("/health/live", summary="Whether the app runs", response_model=Health)
    async def live() -> Response:
        return _health("live", None, {})

    @app.get(
        "/health/ready",
        summary="Whether the app can answer",
        response_model=Health,
        responses={503: {"model": Health, "description": "what is missing"}},
    )
    async def ready() -> Response:
        problems, deployed = await service.problems()
        return _health("not ready" if problems else "ready", deployed, problems)

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def figures() -> Response:
        others = await triton_metrics(settings.triton_metrics) if settings.triton_metrics else b""
        return Response(metrics.text() + others, media_type=CONTENT_TYPE)

    def fail(cause: Cause, message: str) -> Response:
        metrics.failed(cause)
        return error_response(cause, message)

    @app.exception_handler(RecSysError)
    @app.exception_handler(RequestRejected)
    async def known(request: Request, error: Exception) -> Response:
        cause, message = cause_of(error)
        if cause.status >= 500 and not isinstance(error, RequestRejected):
            logger.warning("%s: %s", request.url.path, error)
        return fail(cause, message)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return fail(BAD_REQUEST, f"{first['loc'][-1]} is {str(first.get('input'))[:60]!r}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        if error.status_code == WRONG_METHOD.status:
            return fail(WRONG_METHOD, f"{request.method} {request.url.path}: the method is not allowed")
        if error.status_code == NO_SUCH_PAGE.status:
            return fail(NO_SUCH_PAGE, f"there is no {request.url.path[:200]}")
        return fail(BAD_REQUEST, str(error.detail))

    @app.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> Response:
        return fail(BUG, BUG.message)  # the traceback is logged by the server

    app.add_middleware(RequestLimits, settings=settings, on_rejected=metrics.failed)
    app.add_middleware(Counted, metrics=metrics)  # the one added last is the outermost
    return app


async def _json(served: Served, items: int) -> Response:
    answer = {"model": served.model, "recommendations": served.recommendations}
    body = await asyncio.to_thread(orjson.dumps, answer) if items * ITEM > LARGE else orjson.dumps(answer)
    return Response(body, media_type="application/json")


def _health(status: str, deployed: Deployed | None, problems: dict[str, str]) -> Response:
    body = {
        "status": status,
        "version": deployed.version if deployed else 0,
        "checkpoint": deployed.base.origin.fingerprint if deployed else "",
        "problems": problems,
    }
    return Response(orjson.dumps(body), 503 if problems else 200, media_type="application/json")


def __getattr__(name: str) -> FastAPI:
    """Make `app` when uvicorn asks for it, so that importing this module reads no environment."""
    if name == "app":
        return create_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
