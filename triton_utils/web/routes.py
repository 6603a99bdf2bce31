"""The routes of the web app. What they need stands in `app.state.service`; errors are answered by `error_handlers`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from rec_sys.inference.remote import Served
from triton_utils.web.metrics import CONTENT_TYPE, triton_metrics
from triton_utils.web.products import Deployed, similar
from triton_utils.web.schemas import REVIEWS_BODY, Answer, Health, SimilarAnswer, failures
from triton_utils.web.service import LARGE, Service

ITEM = 100  # bytes of one recommended product in an answer, about
JSON = "application/json"

router = APIRouter()


async def service_of(request: Request) -> Service:  # async, since FastAPI would call a plain function in a thread
    """What the app holds while it runs."""
    service: Service = request.app.state.service
    return service


Behind = Annotated[Service, Depends(service_of)]
K = Annotated[int, Query(ge=1, description="number of products; where there are fewer, all of them are given")]


@router.post("/reviews", include_in_schema=False)
@router.post(
    "/reviews/",
    summary="Recommendations from reviews",
    response_model=Answer,
    responses=failures(408, 413, 422, 429, 500, 502, 503, 504),
    openapi_extra={"requestBody": REVIEWS_BODY},
)
async def reviews(request: Request, service: Behind, k: K = 10) -> Response:
    """The best products for each user in the request, with the reviews they rest on."""
    metrics = service.metrics
    with metrics.timed("read"):
        users = await service.read(await request.body(), k)
    async with service.limiter.slot():
        with metrics.timed("triton"):
            served = await service.client.served(users, k)
    metrics.users.inc(len(users))
    metrics.reviews.inc(sum(len(user.reviews) for user in users))
    with metrics.timed("write"):
        return await _json(served, len(users) * k)


@router.get(
    "/products/{product_id:path}/similar",
    summary="Products like another",
    response_model=SimilarAnswer,
    responses=failures(404, 422, 429, 500, 503),
)
async def similar_products(product_id: str, service: Behind, k: K = 10) -> Response:
    """The products whose vectors are nearest by cosine, without the product itself."""
    service.check_k(k, 1)
    deployed = service.products.deployed
    async with service.limiter.slot():
        with service.metrics.timed("similar"):
            items = await asyncio.to_thread(similar, deployed.base, product_id, k)
    name = deployed.base.names[deployed.base.products.number(product_id)]
    answer = {"product_id": product_id, "name": name, "version": deployed.version, "items": items}
    return Response(orjson.dumps(answer), media_type=JSON)


@router.get("/health/live", summary="Whether the app runs", response_model=Health)
async def live() -> Response:
    """Asks nobody: it answers as long as the process does."""
    return _health("live", None, {})


@router.get(
    "/health/ready",
    summary="Whether the app can answer",
    response_model=Health,
    responses={503: {"model": Health, "description": "what is missing"}},
)
async def ready(service: Behind) -> Response:
    """Asks Triton, and looks for a deployed vector base."""
    problems, deployed = await service.problems()
    return _health("not ready" if problems else "ready", deployed, problems)


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def figures(service: Behind) -> Response:
    """Those of this process, and Triton's own of the models that are served here."""
    address = service.settings.triton_metrics
    return Response(
        service.metrics.text() + (await triton_metrics(address) if address else b""), media_type=CONTENT_TYPE
    )


async def _json(served: Served, items: int) -> Response:
    answer = {"model": served.model, "recommendations": served.recommendations}
    body = await asyncio.to_thread(orjson.dumps, answer) if items * ITEM > LARGE else orjson.dumps(answer)
    return Response(body, media_type=JSON)


def _health(status: str, deployed: Deployed | None, problems: dict[str, str]) -> Response:
    body = {
        "status": status,
        "version": deployed.version if deployed else 0,
        "checkpoint": deployed.base.origin.fingerprint if deployed else "",
        "problems": problems,
    }
    return Response(orjson.dumps(body), 503 if problems else 200, media_type=JSON)
