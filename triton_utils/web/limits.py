"""What keeps the web app small under any load: bodies, rates and queues are bounded."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triton_utils.web.errors import BODY_TOO_LARGE, QUEUE_FULL, RATE, SLOW_BODY, Cause, RequestRejected, error_response
from triton_utils.web.settings import WebSettings

CLIENTS = 10_000  # addresses remembered for their rate
FREE_OF_RATE = ("/health/", "/metrics")


class RequestLimits:
    """ASGI middleware: rejects requests that come too often, are too large or too slow, before the app reads them.

    The body is read here, whole and bounded, so a slow sender holds a few bytes and no slot.

    Args:
        app: the app behind.
        settings: limits.
        on_rejected: called with the cause of each rejection.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings, on_rejected: Callable[[Cause], None]) -> None:
        self.app, self.settings, self.on_rejected = app, settings, on_rejected
        self.rate = Rate(settings.rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            client = scope["client"][0] if scope.get("client") else ""
            if not scope["path"].startswith(FREE_OF_RATE) and not self.rate.allows(client):
                raise RequestRejected(RATE, f"more than {self.settings.rate:g} requests a second from {client}")
            body = await self._body(scope, receive)
        except RequestRejected as rejected:
            self.on_rejected(rejected.cause)
            response = error_response(rejected.cause, str(rejected))
            response.headers["Connection"] = "close"  # what is left of the body is not read
            await response(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self.settings.max_body
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        length = int(declared) if declared.isdigit() else 0
        if length > limit:
            raise RequestRejected(BODY_TOO_LARGE, f"a body of {length:,} bytes; at most {limit:,} are read")
        if not length and b"transfer-encoding" not in headers:
            return b""
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    part = message.get("body", b"")
                    size += len(part)
                    if size > limit:
                        raise RequestRejected(BODY_TOO_LARGE, f"a body of more than {limit:,} bytes")
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            seconds = self.settings.body_seconds
            raise RequestRejected(SLOW_BODY, f"{size:,} bytes came within {seconds:g} s, and no end") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class Rate:
    """Requests per second of each client address: a bucket of two seconds' worth, refilled evenly.

    Args:
        per_second: 0: no limit.
        clock: seconds.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.clock = per_second, clock
        self.size = max(2 * per_second, 1)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client: requests left, at which time

    def allows(self, client: str) -> bool:
        """Whether one more request of this client fits."""
        if not self.per_second:
            return True
        now = self.clock()
        left, then = self._left.pop(client, (self.size, now))
        left = min(left + (now - then) * self.per_second, self.size)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        if len(self._left) > CLIENTS:
            self._left.popitem(last=False)
        return allowed


class ConcurrencyLimiter:
    """Lets `settings.running` requests run and `settings.waiting` wait; one more is rejected at once.

    A request that has waited `settings.wait_seconds` is rejected too.

    Args:
        settings: how many, how long.
        on_wait: called with the seconds that each request waited.
    """

    def __init__(self, settings: WebSettings, on_wait: Callable[[float], None] = lambda _: None) -> None:
        self.settings, self.on_wait = settings, on_wait
        self.running = self.waiting = 0
        self._free = asyncio.Semaphore(settings.running)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a free slot and hold it while the block runs.

        Raises:
            RequestRejected: there is no place to wait, or it took too long.
        """
        start = time.perf_counter()
        try:
            await self._acquire()
        finally:
            self.on_wait(time.perf_counter() - start)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._free.release()

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        if self.waiting >= self.settings.waiting:
            raise RequestRejected(QUEUE_FULL, f"{self.waiting:,} requests are waiting already")
        self.waiting += 1
        try:
            async with asyncio.timeout(self.settings.wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise RequestRejected(QUEUE_FULL, f"no slot was free within {self.settings.wait_seconds:g} s") from None
        finally:
            self.waiting -= 1
