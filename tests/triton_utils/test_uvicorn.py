"""The web app as it is typed, in a process of its own: real sockets, large bodies, slow clients, signals."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from rec_sys.inference.recommend import ReviewRecommender
from tests.support.small_server import SmallServer, deploy_toy, late, small_server, toy_recommender
from tests.support.uvicorn_app import uvicorn, wait_for


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReviewRecommender, str]:
    return toy_recommender(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def server(toy: tuple[ReviewRecommender, str]) -> Iterator[SmallServer]:
    with small_server(*toy) as running:
        yield running


@pytest.fixture(scope="module")
def app(server: SmallServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    deploy_toy(folder / "models", server.recommender.base)
    settings = {
        "triton": server.address,
        "triton_metrics": "",
        "model_repository": str(folder / "models"),
        "body_seconds": "3",
        "max_body": "200000",
    }
    with uvicorn(folder / "log", **settings) as (address, process):
        wait_for(address, process, folder / "log")
        yield address
        server.always = None
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)  # uvicorn gives the signal on when it is done
    text = (folder / "log").read_text()
    assert "Traceback" not in text
    assert "Finished server process" in text


def test_ready_and_answering(server: SmallServer, app: str) -> None:
    assert httpx.get(f"{app}/health/ready").json()["status"] == "ready"
    answer = httpx.post(f"{app}/reviews/?k=3", json=[{"reviewerID": "A", "comment": "🎸", "score": 5}])
    (person,) = answer.json()["recommendations"]
    assert (answer.status_code, person["user_id"], len(person["items"])) == (200, "A", 3)
    product = person["items"][0]["product_id"]
    assert len(httpx.get(f"{app}/products/{product}/similar?k=4").json()["items"]) == 4
    assert "rec_sys_model_version 1.0" in httpx.get(f"{app}/metrics").text


def test_a_large_body_is_refused_while_it_is_sent(app: str) -> None:
    assert httpx.post(f"{app}/reviews/", content=b"x" * 150_000).json()["error"]["cause"] == "bad_input"
    with socket.create_connection(("127.0.0.1", int(app.rpartition(":")[2])), timeout=10) as raw:
        raw.sendall(b"POST /reviews/ HTTP/1.1\r\nHost: app\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 1000)
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert httpx.get(f"{app}/health/live").status_code == 200


def test_slow_clients_hold_no_slot(app: str) -> None:
    slow = [socket.create_connection(("127.0.0.1", int(app.rpartition(":")[2])), timeout=10) for _ in range(100)]
    for raw in slow:
        raw.sendall(b"POST /reviews/ HTTP/1.1\r\nHost: app\r\nContent-Length: 100\r\n\r\n[")
    start = time.monotonic()
    assert httpx.post(f"{app}/reviews/", json=[{"comment": "quick"}]).status_code == 200
    assert time.monotonic() - start < 2.5
    for raw in slow:
        assert raw.recv(4096).startswith(b"HTTP/1.1 408 ")
        raw.close()


def test_gone_before_the_answer(server: SmallServer, app: str) -> None:
    server.always = late(0.3)
    for _ in range(5):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{app}/reviews/", json=[], timeout=0.05)
    server.always = None
    assert httpx.post(f"{app}/reviews/", json=[]).status_code == 200


def test_many_at_once(server: SmallServer, app: str) -> None:
    """128 requests of 64 clients, each a while at the server: none fails, and health is told at once all the same."""
    server.always = late(0.05)
    with httpx.Client(base_url=app, timeout=30) as http, ThreadPoolExecutor(64) as pool:
        answers = [pool.submit(http.post, "/reviews/?k=5", json=[{"comment": f"no {number}"}]) for number in range(128)]
        waits = []
        while not all(answer.done() for answer in answers):
            start = time.monotonic()
            assert http.get("/health/live").status_code == 200
            waits.append(time.monotonic() - start)
        assert {answer.result().status_code for answer in answers} == {200}
    assert sorted(waits)[len(waits) // 2] < 0.5
    assert server.most_open <= 16


def test_a_setting_that_makes_no_sense(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with uvicorn(log, runing="3") as (_, process):
        assert process.wait(180) != 0
    assert "unknown environment variable REC_SYS_RUNING; did you mean REC_SYS_RUNNING?" in log.read_text()
