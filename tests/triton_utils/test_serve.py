"""The command that keeps a server up: it comes back, it stops clean, and leaves no process behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest

from rec_sys.errors import ServeError
from rec_sys.inference.users import Review, User
from tests.support.served_toy import ServedToy
from tests.support.uvicorn_app import uvicorn, wait_for
from tests.triton_utils.conftest import Served
from triton_utils.client import TritonClient
from triton_utils.client.attempts import CallSettings
from triton_utils.errors import NotReady, TritonError, Unreachable
from triton_utils.serve import ServeSettings, Stop, serve
from triton_utils.server.process import ServerSettings, TritonServer, addresses_of

pytestmark = pytest.mark.triton

PROJECT = Path(__file__).resolve().parents[2]
PERSON = User("somebody", [Review("p1", "good", 5.0)])
WITHIN = 30.0  # seconds for what takes two or three on a machine with nothing else to do


def eventually(what: Callable[[], object], within: float = WITHIN) -> float:
    """Seconds until something became true."""
    start = time.monotonic()
    while not what():
        assert time.monotonic() - start < within, "never happened"
        time.sleep(0.02)
    return time.monotonic() - start


def runs(process: psutil.Process) -> bool:
    """False for a process that has ended, also where its parent has not collected it, or another one has its id."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def alive(processes: set[psutil.Process]) -> set[psutil.Process]:
    return {process for process in processes if runs(process)}


def shared_memory(process: subprocess.Popen[str]) -> set[str]:
    """Of the servers that this command started; another server on this machine has its own."""
    return {path.name for path in Path("/dev/shm").glob(f"rec_sys_triton_{process.pid}_*")}


@pytest.fixture
def repository(served: Served, tmp_path: Path) -> Path:
    """A copy of the served repository, free to be served again."""
    copy = tmp_path / "copy"
    shutil.copytree(served.toy.repository, copy, ignore=shutil.ignore_patterns(".*"), copy_function=os.link)
    return copy


@pytest.fixture
def command(repository: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`triton_utils.serve` as somebody would run it, ready."""
    words = [f"repository={repository}", "http_port=0", "grpc_port=0", "metrics_port=0", "threads=1"]
    words += ["max_restarts=1", f"paths.work_dir={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "triton_utils.serve", *words],
        cwd=PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    with process:
        try:
            assert "ready: graph_model, new_products, recommend, text_encoder" in process.stdout.readline()
            assert shared_memory(process)
            yield process
        finally:
            process.kill()
    eventually(lambda: not shared_memory(process))


def family(process: subprocess.Popen[str]) -> set[psutil.Process]:
    """The server and its models' processes."""
    return set(psutil.Process(process.pid).children(recursive=True))


def served_pid(repository: Path) -> int:
    return int(orjson.loads((repository / ".served.json").read_bytes())["pid"])


def test_a_killed_server_comes_back_and_gives_up_after_so_many_times(
    command: subprocess.Popen[str], repository: Path
) -> None:
    addresses = addresses_of(repository)
    assert addresses is not None
    with TritonClient(addresses.grpc, CallSettings(tries=1)) as client:
        expected = client.recommend([PERSON], 3)
        old, everybody = served_pid(repository), family(command)
        assert len(everybody) == 5
        os.kill(old, signal.SIGKILL)
        start = time.monotonic()
        with pytest.raises(TritonError):
            client.recommend([PERSON], 3)
        assert time.monotonic() - start < 2, "a dead server must be noticed at once"
        eventually(client.ready)
        assert client.recommend([PERSON], 3) == expected
        assert served_pid(repository) != old
        assert alive(everybody) == set()
    os.kill(served_pid(repository), signal.SIGKILL)
    output, _ = command.communicate(timeout=WITHIN)
    assert command.returncode == 2
    # that it died too often, or, on a slow machine, that it died before it was ready
    assert any(line.startswith("error: tritonserver") for line in output.splitlines())


@dataclass(frozen=True)
class Answered:
    """One request through the web app."""

    sent: float
    came: float
    status: int
    body: Any


def test_killed_under_load_behind_the_web_app(command: subprocess.Popen[str], repository: Path, tmp_path: Path) -> None:
    """503 at once while it is away, right answers within 5 s of its return, and nobody waits for ever."""
    addresses = addresses_of(repository)
    assert addresses is not None
    reviews = [{"reviewerID": "somebody", "asin": "p1", "score": 5, "comment": "good"}]
    answers: list[Answered] = []
    enough = threading.Event()
    settings = {"triton": addresses.grpc, "triton_metrics": "", "model_repository": str(repository)}

    def ask_on(http: httpx.Client, client: int) -> None:
        """Half of the clients send texts that are new each time, so that some are being read when the server dies."""
        number = 0
        while not enough.is_set():
            number += 1
            more = [{"reviewerID": "other", "comment": f"text {number} of {client}"}] if client % 2 else []
            sent = time.monotonic()
            answer = http.post("/reviews/?k=3", json=reviews + more)
            answers.append(Answered(sent, time.monotonic(), answer.status_code, answer.json()))

    with uvicorn(tmp_path / "web.log", **settings) as (address, process):
        wait_for(address, process, tmp_path / "web.log")
        with httpx.Client(base_url=address, timeout=20) as http, TritonClient(addresses.grpc) as probe:
            expected = http.post("/reviews/?k=3", json=reviews).json()["recommendations"][0]
            clients = [threading.Thread(target=ask_on, args=(http, number)) for number in range(8)]
            try:
                for client in clients:
                    client.start()
                eventually(lambda: len(answers) >= 40)
                old = served_pid(repository)
                killed = time.monotonic()
                os.kill(old, signal.SIGKILL)
                eventually(lambda: served_pid(repository) != old)
                eventually(probe.ready)
                back = time.monotonic()
                eventually(lambda: sum(each.sent > back and each.status == 200 for each in answers[-200:]) >= 40)
            finally:
                enough.set()
                for client in clients:
                    client.join(20)
        assert not any(client.is_alive() for client in clients)
        assert process.poll() is None
    assert {each.status for each in answers} == {200, 503}
    for each in answers:
        if each.status == 200:
            assert each.body["recommendations"][0] == expected
        else:
            error = each.body["error"]
            assert error["cause"] in ("unreachable", "not_ready")
            assert error["what_to_do"] == "send the request again a little later"
            assert each.came - each.sent < 2, "rejected at once"
    refused = [each for each in answers if each.status == 503]
    assert min(each.came for each in refused) - killed < 2
    assert max(each.came for each in refused) - back < 5
    assert max(each.came - each.sent for each in answers) < 10
    assert "Traceback" not in (tmp_path / "web.log").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_nothing_is_left_however_it_ends(
    command: subprocess.Popen[str], repository: Path, number: signal.Signals, code: int
) -> None:
    everybody = family(command)
    assert len(alive(everybody)) == 5  # the server and four models
    command.send_signal(number)
    command.communicate(timeout=WITHIN)
    assert command.returncode == code
    eventually(lambda: not alive(everybody))
    assert addresses_of(repository) is None


def test_what_is_asked_while_it_stops_is_answered_or_refused_at_once(
    repository: Path, toy: ServedToy, tmp_path: Path
) -> None:
    settings = toy.server_settings.model_copy(update={"repository": repository})
    outcomes: list[str] = []
    busy = User("busy", [Review("", f"a long text {number} " * 80) for number in range(5)])

    def go() -> None:
        try:
            client.recommend([busy], 3)
            outcomes.append("answered")
        except (NotReady, Unreachable) as error:
            outcomes.append(type(error).__name__)

    once = CallSettings(tries=1)
    with TritonServer(settings, tmp_path / "log") as server, TritonClient(server.addresses.grpc, once) as client:
        threads = [threading.Thread(target=go) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        server.stop()
        for thread in threads:
            thread.join(timeout=1)
    assert len(outcomes) == 4


def test_served_twice_ports_taken_and_nothing_there(served: Served, tmp_path: Path, toy: ServedToy) -> None:
    already = rf"is served already at {served.server.addresses.http} \(HTTP\)"
    with pytest.raises(ServeError, match=already), TritonServer(toy.server_settings):
        pass
    assert addresses_of(toy.repository) == served.server.addresses, "deployments must still find the first"
    port = int(served.server.addresses.grpc.rpartition(":")[2])
    copy = tmp_path / "copy"
    shutil.copytree(toy.repository, copy, ignore=shutil.ignore_patterns(".*"), copy_function=os.link)
    server = TritonServer(toy.server_settings.model_copy(update={"repository": copy, "grpc_port": port}))
    with pytest.raises(ServeError, match=rf"port {port} of 127.0.0.1: Address already in use; give others: http_port="):
        server.start()
    words = ["repository=nowhere", f"paths.work_dir={tmp_path}", "http_port=0", "grpc_port=0", "metrics_port=0"]
    command = [sys.executable, "-m", "triton_utils.serve", *words]
    result = subprocess.run(command, cwd=PROJECT, text=True, capture_output=True)
    assert result.returncode == 2
    assert result.stderr.startswith("error: nothing is deployed in ")
    assert f"uv run -m triton_utils.deploy repository={PROJECT / 'nowhere'}\n" in result.stderr
    assert not (PROJECT / "nowhere").exists()


def test_a_model_that_cannot_be_loaded_is_named(repository: Path, toy: ServedToy, tmp_path: Path) -> None:
    path = repository / "graph_model" / "1" / "model.onnx"
    path.unlink()
    settings = ServeSettings(**{**toy.server_settings.model_dump(), "repository": repository})
    with pytest.raises(ServeError, match=r"models could not be loaded: .*graph_model: .*no exported model at"):
        serve(settings, Stop(), tmp_path / "log")
    assert addresses_of(repository) is None


def test_the_server_has_the_libraries_of_this_project() -> None:
    """The same ONNX Runtime gives the same bits; numpy is older, because the server's Python backend wants it."""
    from importlib.metadata import version

    from triton_utils.server.process import tritonserver_environment

    versions = tritonserver_environment()["versions"]
    assert versions["numpy"].startswith("1.")
    for name in ("onnxruntime", "faiss-cpu", "tokenizers"):
        assert versions[name] == version(name)
    assert ServerSettings().host == "127.0.0.1"
