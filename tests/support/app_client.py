"""The web app in this process, called over ASGI; each call starts and stops it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from triton_utils.web.errors import ErrorBody
from triton_utils.web.settings import WebSettings
from triton_utils.web_app import create_app

Ask = Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        yield http


def ask(behind: WebSettings | FastAPI, question: Ask) -> Any:
    """The answer of the app of these settings, or of this app."""
    app = behind if isinstance(behind, FastAPI) else create_app(behind)

    async def whole() -> Any:
        async with connected(app) as http:
            return await question(http)

    return asyncio.run(whole())


def post(settings: WebSettings, body: Any, **more: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    answer: httpx.Response = ask(settings, lambda http: http.post("/reviews/", content=content, **more))
    return answer


def get(settings: WebSettings, path: str) -> httpx.Response:
    answer: httpx.Response = ask(settings, lambda http: http.get(path))
    return answer


def assert_rejected(answer: httpx.Response, status: int, cause: str, words: str = "") -> None:
    body = ErrorBody.model_validate_json(answer.content).error
    assert (answer.status_code, body.cause) == (status, cause), answer.text
    assert re.search(words, body.message), body.message
    assert len(body.what_to_do) > 10
    assert ("retry-after" in answer.headers) == (status in (429, 503, 504))
