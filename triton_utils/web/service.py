"""What stands behind the routes of the web app, and what a request may ask of it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from rec_sys.errors import DataError, VectorBaseError
from rec_sys.inference.read_reviews import parse_users
from rec_sys.inference.users import User
from triton_utils.client.async_client import AsyncTritonClient
from triton_utils.client.attempts import CallSettings
from triton_utils.errors import TritonError
from triton_utils.web.errors import BAD_REQUEST, RequestRejected, cause_of
from triton_utils.web.limits import ConcurrencyLimiter
from triton_utils.web.metrics import Metrics
from triton_utils.web.products import Deployed, Products
from triton_utils.web.settings import WebSettings

logger = logging.getLogger(__name__)

LARGE = 50_000  # bytes of a body or an answer that are read or written in a thread
READY = CallSettings(deadline=2, tries=1)  # a question about readiness is answered now


class Service:
    """What the app holds while it runs: the queue, the deployed products, a connection to Triton.

    Args:
        settings: addresses and limits.
        metrics: where requests, waiting and new versions are counted.
    """

    client: AsyncTritonClient  # there while the app runs

    def __init__(self, settings: WebSettings, metrics: Metrics) -> None:
        def show(deployed: Deployed) -> None:
            metrics.deployed(deployed.version, deployed.base.origin.fingerprint, len(deployed.base))

        self.settings, self.metrics = settings, metrics
        self.limiter = ConcurrencyLimiter(settings, metrics.stage.labels("wait").observe)
        self.products = Products(settings.model_repository, show)
        metrics.watch(self.limiter)

    async def start(self) -> None:
        """Connect; inside the event loop that will use it."""
        settings = self.settings
        calls = CallSettings(deadline=settings.deadline, tries=settings.tries, backoff=settings.backoff)
        self.client = AsyncTritonClient(settings.triton, calls)
        await self.products.refresh()
        self._watch = asyncio.create_task(self.products.watch(settings.check_seconds))

    async def stop(self) -> None:
        """Disconnect."""
        self._watch.cancel()
        with suppress(asyncio.CancelledError):
            await self._watch
        await self.client.close()

    async def read(self, body: bytes, k: int) -> list[User]:
        """The people of a request.

        Raises:
            RequestRejected: it makes no sense, or asks for too much.
        """
        people = await asyncio.to_thread(self._read, body) if len(body) > LARGE else self._read(body)
        self.check_k(k, len(people))
        return people

    def _read(self, body: bytes) -> list[User]:
        try:
            people = parse_users(body, "the body", self.products.form)
        except DataError as error:
            raise RequestRejected(BAD_REQUEST, str(error)) from error
        count = sum(len(person.reviews) for person in people)
        if count > self.settings.max_reviews:
            raise RequestRejected(
                BAD_REQUEST,
                f"{count:,} reviews; at most {self.settings.max_reviews:,} are read: leave out a person's oldest ones, "
                f"or send people in several requests",
            )
        if len(people) > self.settings.max_people:
            raise RequestRejected(
                BAD_REQUEST,
                f"{len(people):,} people; at most {self.settings.max_people:,} are answered: send them in several "
                f"requests",
            )
        for person in people:
            for review in person.reviews:
                values = (person.user_id, review.product_id, review.text, review.product_name, review.product_info)
                longest = max(map(len, values))
                if longest > self.settings.max_text:
                    raise RequestRejected(
                        BAD_REQUEST,
                        f"a review of {person.user_id[:60]!r} has a field of {longest:,} characters; at most "
                        f"{self.settings.max_text:,} are read: cut it, its beginning is enough",
                    )
        return people

    def check_k(self, k: int, people: int) -> None:
        """Reject an answer that would be too large.

        Raises:
            RequestRejected: it would.
        """
        if k > self.settings.max_k:
            raise RequestRejected(BAD_REQUEST, f"k={k:,}; at most {self.settings.max_k:,} products are given")
        if k * people > self.settings.max_answers:
            raise RequestRejected(
                BAD_REQUEST,
                f"{people:,} people times k={k:,} products; at most {self.settings.max_answers:,} are given in one "
                f"answer: give a smaller k, or send people in several requests",
            )

    async def problems(self) -> tuple[dict[str, str], Deployed | None]:
        """What is missing, and the version that is deployed."""
        problems, deployed = {}, None
        try:
            await self.client.check_ready(READY)
        except TritonError as error:
            problems["triton"] = cause_of(error)[1]
        try:
            deployed = self.products.deployed
        except VectorBaseError as error:
            logger.info("not ready: %s", error)
            problems["vector_base"] = cause_of(error)[1]
        return problems, deployed
