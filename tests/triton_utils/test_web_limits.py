"""The web app over ASGI where there is too much of something, or what is behind it fails, dawdles or is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import orjson
import pytest

from rec_sys.errors import DataError, DownloadError, EncoderError, RecSysError, RepositoryError
from rec_sys.inference.recommend import ReviewRecommender
from tests.support.app_client import ask, assert_rejected, post
from tests.support.small_server import SmallServer, fail, late, small_server
from triton_utils.web.settings import WebSettings
from triton_utils.web_app import create_app

Code = grpc.StatusCode


def test_limits_of_a_request(server: SmallServer, settings: WebSettings) -> None:
    megabyte = [{"comment": "word " * 200_000}]
    assert_rejected(post(settings, megabyte), 422, "bad_input", "a field of 999,999 characters; at most 50,000")
    many = [{"comment": f"review {n}", "reviewerID": f"p{n}"} for n in range(10_000)]
    assert_rejected(post(settings, many), 422, "bad_input", "10,000 reviews; at most 2,000")
    assert_rejected(post(settings, many[:2_000]), 422, "bad_input", "2,000 people; at most 500")
    assert_rejected(post(settings, many[:300], params={"k": 100}), 422, "bad_input", "300 people times k=100")
    assert_rejected(post(settings, b"x" * 5_000_000), 413, "body_too_large", "5,000,000 bytes; at most 4,194,304")
    assert server.calls == 0
    of_one = [{**review, "reviewerID": "p"} for review in many[:2_000]]
    assert post(settings, of_one).status_code == 200
    assert post(settings, many[:500], params={"k": 2}).status_code == 200


def test_a_body_of_unknown_length(server: SmallServer, settings: WebSettings) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    refused = ask(settings, lambda http: http.post("/reviews/", content=pieces()))
    assert_rejected(refused, 413, "body_too_large", "more than 4,194,304 bytes")

    async def whole() -> AsyncIterator[bytes]:
        yield b'[{"comm'
        yield b'ent": "in two parts"}]'

    assert ask(settings, lambda http: http.post("/reviews", content=whole())).status_code == 200


def test_a_slow_sender(settings: WebSettings) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    quick = settings.model_copy(update={"body_seconds": 0.2})
    assert_rejected(ask(quick, lambda http: http.post("/reviews/", content=pieces())), 408, "slow_body", "within 0.2 s")


@pytest.mark.parametrize(
    ("step", "status", "cause"),
    [
        (fail(Code.UNAVAILABLE, "version 1 is not at ready state"), 503, "not_ready"),
        (fail(Code.UNAVAILABLE, "the queue is full"), 503, "overloaded"),
        (fail(Code.NOT_FOUND, "unknown model"), 503, "unknown_model"),
        (fail(Code.INVALID_ARGUMENT, "text[3] is too long"), 422, "bad_input"),
        (fail(Code.INTERNAL, "Traceback of /secret/path"), 502, "model_failed"),
        (late(1), 504, "deadline"),
    ],
)
def test_what_goes_wrong_behind(server: SmallServer, settings: WebSettings, step: Any, status: int, cause: str) -> None:
    server.always = step
    deadline = 0.3 if cause == "deadline" else 20
    answer = post(settings.model_copy(update={"deadline": deadline}), [{"comment": "a"}])
    assert_rejected(answer, status, cause)
    assert "secret" not in answer.text
    assert settings.triton not in answer.text


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (DownloadError("https://hub/model?key=secret cannot be reached"), 503, "download_failed"),
        (DataError("/secret/cache.parquet is damaged; delete it"), 500, "server_files"),
        (EncoderError("/secret/model lacks config.json"), 500, "server_files"),
        (RepositoryError("/secret/deployed.json is damaged"), 500, "server_files"),
    ],
)
def test_files_that_the_server_lacks_are_not_the_senders_fault(
    settings: WebSettings, error: RecSysError, status: int, cause: str
) -> None:
    app = create_app(settings)

    @app.get("/needs/a/file")
    async def needs_a_file() -> None:
        raise error

    answer = ask(app, lambda http: http.get("/needs/a/file"))
    assert_rejected(answer, status, cause)
    assert "log" in answer.json()["error"]["what_to_do"]
    assert "secret" not in answer.text


def test_a_dead_server_is_a_quick_503_and_its_return_is_noticed(
    answering: tuple[ReviewRecommender, str], settings: WebSettings
) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        body = orjson.dumps([{"comment": "a"}])
        start = time.monotonic()
        assert_rejected(await http.post("/reviews/", content=body), 503, "unreachable")
        assert time.monotonic() - start < 2
        ready = await http.get("/health/ready")
        assert (ready.status_code, list(ready.json()["problems"])) == (503, ["triton"])
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/products/nobody/similar")).status_code == 404  # needs no Triton
        with small_server(*answering, port=port):
            start = time.monotonic()
            while (await http.post("/reviews/", content=body)).status_code != 200:
                assert time.monotonic() - start < 5
                await asyncio.sleep(0.05)
            assert (await http.get("/health/ready")).status_code == 200

    with small_server(*answering) as gone:
        port = gone.port
    ask(settings.model_copy(update={"triton": f"127.0.0.1:{port}"}), story)


def test_the_queue_is_bounded(server: SmallServer, settings: WebSettings) -> None:
    server.always = late(1)
    narrow = settings.model_copy(update={"running": 2, "waiting": 3})

    async def crowd(http: httpx.AsyncClient) -> list[httpx.Response]:
        body = orjson.dumps([{"comment": "a"}])
        start = time.monotonic()
        requests = [asyncio.create_task(http.post("/reviews/", content=body)) for _ in range(20)]
        done, _ = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        assert time.monotonic() - start < 0.9  # refused at once, while the others are still being worked on
        assert all(task.result().status_code == 503 for task in done)
        live = time.monotonic()
        await http.get("/health/live")
        assert time.monotonic() - live < 0.5
        answers = await asyncio.gather(*requests)
        figures = (await http.get("/metrics")).text
        assert 'rec_sys_errors_total{cause="queue_full"} 15.0' in figures
        assert "rec_sys_requests_waiting 0.0" in figures
        return list(answers)

    answers = ask(narrow, crowd)
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(503)) == (5, 15)
    assert_rejected(next(a for a in answers if a.status_code == 503), 503, "queue_full", "3 requests are waiting")
    assert server.most_open == 2


def test_nobody_waits_for_ever(server: SmallServer, settings: WebSettings) -> None:
    server.always = late(0.5)
    narrow = settings.model_copy(update={"running": 1, "waiting": 5, "wait_seconds": 0.1})

    async def two(http: httpx.AsyncClient) -> list[httpx.Response]:
        return list(await asyncio.gather(*(http.post("/reviews/", content=b"[]") for _ in range(2))))

    answers = sorted(ask(narrow, two), key=lambda answer: answer.status_code)
    assert answers[0].status_code == 200
    assert_rejected(answers[1], 503, "queue_full", r"no slot was free within 0\.1 s")


def test_too_many_requests_of_one_client(settings: WebSettings) -> None:
    async def many(http: httpx.AsyncClient) -> list[httpx.Response]:
        answers = [await http.get("/products/nobody/similar") for _ in range(8)]
        assert (await http.get("/health/live")).status_code == 200
        return answers

    answers = ask(settings.model_copy(update={"rate": 2}), many)
    assert [answer.status_code for answer in answers[:4]] == [404] * 4
    assert_rejected(answers[-1], 429, "rate_limit", "more than 2 requests a second")
