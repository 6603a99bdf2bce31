"""Recommendations over HTTP.

uv run uvicorn triton_utils.web_app:app --port 8080

`POST /reviews/` has Triton compute; products like another come from the deployed vector base. The settings are
environment variables, see `web/settings.py`. Nothing blocks the event loop: Triton is called with asyncio, the vector
base is searched in a thread, and so are large bodies read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from triton_utils.web.error_handlers import HANDLERS
from triton_utils.web.limits import RequestLimits
from triton_utils.web.metrics import Counted, Metrics
from triton_utils.web.routes import router
from triton_utils.web.service import Service
from triton_utils.web.settings import WebSettings, settings_of


def create_app(settings: WebSettings | None = None) -> FastAPI:
    """The web app.

    Args:
        settings: None: from the environment.
    """
    settings = settings or settings_of()
    service = Service(settings, Metrics())

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
        exception_handlers=HANDLERS,
    )
    app.state.service = service
    app.include_router(router)
    app.add_middleware(RequestLimits, settings=settings, on_rejected=service.metrics.failed)
    app.add_middleware(Counted, metrics=service.metrics)  # the one added last is the outermost
    return app


def __getattr__(name: str) -> FastAPI:
    """Make `app` when uvicorn asks for it, so that importing this module reads no environment."""
    if name == "app":
        return create_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
