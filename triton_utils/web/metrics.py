"""Figures for Prometheus: those of the web app, and those of Triton that are about this project's models."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_utils.web.errors import CAUSES, Cause
from triton_utils.web.limits import ConcurrencyLimiter

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # what every Prometheus reads
STAGES = ("read", "wait", "triton", "write", "similar", "all")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds
# Requests, failures and times of the models, and what our own model counts; Triton has dozens more.
OF_TRITON = re.compile(
    r"(?:# (?:HELP|TYPE) )?(?:rec_sys_\w+|nv_inference_(?:request_success|request_failure|count|exec_count|"
    r"request_duration_us|queue_duration_us|pending_request_count))\b"
)
MAX_TRITON = 1_000_000  # bytes read of Triton's metrics
TRITON_SECONDS = 1.0  # that Triton has to tell them


class Metrics:
    """All figures of one app, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "rec_sys_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.stage = Histogram(
            "rec_sys_stage_seconds", "Time of each stage", ("stage",), buckets=BUCKETS, registry=self.registry
        )
        self.errors = Counter("rec_sys_errors", "Requests that failed, by cause", ("cause",), registry=self.registry)
        self.users = Counter("rec_sys_people", "Users who were recommended something", registry=self.registry)
        self.reviews = Counter("rec_sys_reviews", "Reviews that were sent", registry=self.registry)
        self.running = Gauge("rec_sys_requests_running", "Requests worked on now", registry=self.registry)
        self.waiting = Gauge("rec_sys_requests_waiting", "Requests waiting for a slot", registry=self.registry)
        self.version = Gauge("rec_sys_model_version", "Version now deployed; 0: none", registry=self.registry)
        self.model = Gauge(
            "rec_sys_model_info",
            "The model now deployed",
            ("version", "checkpoint", "products"),
            registry=self.registry,
        )
        for cause in CAUSES:  # a counter that is there with 0 can be watched from the start
            self.errors.labels(cause.name)
        for stage in STAGES:
            self.stage.labels(stage)

    def watch(self, limiter: ConcurrencyLimiter) -> None:
        """Show how full a queue is."""
        self.running.set_function(lambda: limiter.running)
        self.waiting.set_function(lambda: limiter.waiting)

    def deployed(self, version: int, checkpoint: str, products: int) -> None:
        """Show the model that is deployed now."""
        self.version.set(version)
        self.model.clear()
        self.model.labels(str(version), checkpoint, str(products)).set(1)

    def failed(self, cause: Cause) -> None:
        """Count a failure."""
        self.errors.labels(cause.name).inc()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of the block, however it ends."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stage.labels(stage).observe(time.perf_counter() - start)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)


class Counted:
    """ASGI middleware, the outermost: counts answers and takes their time."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0  # gone before it was answered

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self.metrics.timed("all"):
            try:
                await self.app(scope, receive, watch)
            finally:
                # The route's pattern, not the path: the paths are endless, and each would be a series of its own.
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
                self.metrics.requests.labels(method, route, str(status)).inc()


async def triton_metrics(address: str) -> bytes:
    """The part of Triton's own metrics that is about our models; empty where they cannot be had in time."""
    try:
        async with asyncio.timeout(TRITON_SECONDS):
            text = await _get(address, "/metrics")
    except (OSError, TimeoutError, ValueError):
        return b""
    lines = [line for line in text.decode(errors="replace").splitlines() if OF_TRITON.match(line)]
    return "".join(f"{line}\n" for line in lines).encode()


async def _get(address: str, path: str) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        whole = await _read_all(reader)
    finally:
        writer.close()
    head, _, body = whole.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0] + b" ":
        raise ValueError(f"{address} answers {head[:60]!r}")
    return body


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    parts, size = [], 0
    while (part := await reader.read(65_536)) and size < MAX_TRITON:
        parts.append(part)
        size += len(part)
    return b"".join(parts)
