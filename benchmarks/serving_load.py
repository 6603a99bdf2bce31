"""Clients that ask without pause, in threads or in processes of their own, and what the asked processes used meanwhile.

    python -m benchmarks.serving_load      reads one Job as a line of JSON, then the line that says when to begin

Each client asks, waits for the answer and asks again. What counts is what was answered between `begin` and `end`;
before that the queue fills. Making a question is not on the clock. No torch in here: such a process starts within a
second or two.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
import psutil

from benchmarks.serving_questions import K, Questions, load_arrays
from rec_sys.inference.users import User
from triton_utils.client import TritonClient
from triton_utils.client.attempts import CallSettings

PATIENCE = CallSettings(deadline=120, tries=1)  # seconds; each refusal is counted, none is tried again
PAUSE = 1.0  # seconds that a client waits after an error: what the web app asks for (Retry-After)
EACH, FULL = 0.22, 80  # seconds that ten new texts take on two cores, about; most who wait in a queue
IDLE = 4.0  # seconds after which a connection is made anew; uvicorn closes it after five
MIB = 2**20

Kind = Literal["graph_model", "recommend", "http", "encode"]


class Client(NamedTuple):
    """Somebody who asks."""

    prepare: Callable[[], Any]  # the next question
    ask: Callable[[Any], object]  # until it is answered; raises where it is not


class HttpError(Exception):
    """An answer that is none: its status and cause."""


@dataclass
class Seen:
    """What clients saw, by the clock that all processes share."""

    answers: list[tuple[float, float]] = field(default_factory=list)  # when it came, and after how many seconds
    errors: list[tuple[float, str]] = field(default_factory=list)  # when it came, and its cause

    def between(self, begin: float, end: float) -> Seen:
        """What came in this time."""
        return Seen(
            [answer for answer in self.answers if begin <= answer[0] < end],
            [error for error in self.errors if begin <= error[0] < end],
        )


@dataclass(frozen=True)
class Job:
    """What the clients of one process ask."""

    kind: Kind
    address: str  # HOST:PORT
    clients: int
    questions: str  # file of `Questions`, or of arrays for graph_model
    new: bool = True  # texts that nobody sent before; else those of a few questions, again and again
    seed: int = 0  # other processes, other questions


@dataclass(frozen=True)
class Measured:
    """One row: so many clients, asking one way."""

    clients: int
    seconds: float
    milliseconds: Any  # (num_answers,) of each answer
    errors: Counter[str]
    cpu_seconds: float  # of the asked processes
    client_seconds: float  # CPU of the asking processes; nan where they are the asked one
    mib: float  # resident in the asked processes at the end

    def percentile(self, percent: float) -> float:
        """Milliseconds within which so many per cent of the answers came; nan where there was none."""
        return float(np.percentile(self.milliseconds, percent)) if len(self.milliseconds) else float("nan")

    def row(self, what: str, way: str) -> dict[str, Any]:
        """For the table."""
        count = len(self.milliseconds)
        each = 1000 / max(count, 1)
        return {
            "what": what,
            "way": way,
            "clients": self.clients,
            "requests/s": round(count / self.seconds, 1),
            **{f"p{percent}, ms": round(self.percentile(percent), 2) for percent in (50, 95, 99)},
            "CPU, ms each": round(self.cpu_seconds * each, 2),
            "clients' CPU": None if np.isnan(self.client_seconds) else round(self.client_seconds * each, 2),
            "memory, MiB": round(self.mib),
            "errors": ", ".join(f"{cause} {times:,}" for cause, times in self.errors.most_common()) or "none",
        }


class Processes:
    """Processes with all their children, as one.

    Args:
        pids: the parents.
    """

    def __init__(self, *pids: int) -> None:
        self.parents = pids

    def now(self) -> list[psutil.Process]:
        """All of them; a model that is loaded anew has another process."""
        parents = [psutil.Process(pid) for pid in self.parents]
        return parents + [child for parent in parents for child in parent.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of CPU since they began."""
        return float(sum(sum(process.cpu_times()[:2]) for process in self.now()))

    def mib(self) -> float:
        """Resident memory; what several of them share counts for each."""
        return float(sum(process.memory_info().rss for process in self.now())) / MIB


class ThisProcess:
    """This process alone; asking is quick, since its clients hold the interpreter's lock most of the time."""

    def cpu(self) -> float:
        """Seconds of CPU since it began."""
        return time.process_time()

    def mib(self) -> float:
        """Resident memory."""
        return float(psutil.Process().memory_info().rss) / MIB


def long_enough(seconds: float, clients: int) -> float:
    """Seconds for ways that embed: longer with many clients, so that each has more than one answer."""
    return seconds * max(1, clients / 16)


def warm_up(seconds: float, clients: int, new: bool) -> float:
    """Seconds that clients ask before it counts: until the queue is full; nobody who found it short is counted."""
    return max(0.5, seconds / 4, new * min(clients, FULL) * EACH)


def in_threads(clients: Sequence[Client], seconds: float, new: bool) -> Measured:
    """Clients that ask something in this process; `new`: with texts that must be embedded."""
    begin = time.monotonic() + warm_up(seconds, len(clients), new)
    found: list[Seen] = []
    runner = threading.Thread(target=lambda: found.append(ask_until(clients, begin + seconds)))
    runner.start()
    cpu, mib = _watch(begin, begin + seconds, ThisProcess())
    runner.join()
    seen = found[0].between(begin, begin + seconds)
    return _measured(len(clients), seconds, seen, cpu, float("nan"), mib)


@contextmanager
def started(job: Job, processes: int) -> Any:
    """Processes whose clients are connected and only wait for `go`."""
    shares = [len(part) for part in np.array_split(range(job.clients), min(processes, job.clients))]
    workers = []
    try:
        for number, share in enumerate(shares):
            mine = Job(**{**asdict(job), "clients": share, "seed": job.seed * 1000 + number})
            command = [sys.executable, "-m", "benchmarks.serving_load"]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            pipe = subprocess.PIPE
            worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, cwd=Path(__file__).parents[1])
            workers.append(worker)
            _tell(worker, orjson.dumps(asdict(mine)))
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline() != b"ready\n":
                raise SystemExit(f"stopped: a client process ended with {worker.wait()}")
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def in_processes(job: Job, seconds: float, asked: Processes, processes: int) -> Measured:
    """Clients in processes of their own that ask a server.

    Args:
        job: what all of them ask together.
        seconds: how long.
        asked: the processes that answer.
        processes: how many the clients are spread over, as threads.
    """
    with started(job, processes) as workers:
        begin = time.monotonic() + warm_up(seconds, job.clients, job.new and job.kind != "graph_model")
        asking = Processes(*(worker.pid for worker in workers))
        go(workers, begin + seconds)
        _sleep_until(begin)
        before = asking.cpu()
        cpu, mib = _watch(begin, begin + seconds, asked)
        client_cpu = asking.cpu() - before
        seen = collect(workers).between(begin, begin + seconds)
    return _measured(job.clients, seconds, seen, cpu, client_cpu, mib)


def go(workers: Sequence[subprocess.Popen[bytes]], end: float) -> None:
    """Let the clients ask until `end`."""
    for worker in workers:
        _tell(worker, json.dumps(end).encode())


def collect(workers: Sequence[subprocess.Popen[bytes]]) -> Seen:
    """What the clients saw, once all of them are done."""
    seen = Seen()
    for worker in workers:
        assert worker.stdout is not None
        found = orjson.loads(worker.stdout.readline())
        seen.answers += [(when, took) for when, took in found["answers"]]
        seen.errors += [(when, cause) for when, cause in found["errors"]]
    return seen


def ask_until(clients: Sequence[Client], end: float) -> Seen:
    """Let each client ask in a thread of its own until the clock says `end`, and wait for the last answers."""
    seen = Seen()  # appending to a list is safe between threads

    def work(client: Client) -> None:
        while time.monotonic() < end:
            question = client.prepare()
            start = time.monotonic()
            try:
                client.ask(question)
            except Exception as error:
                seen.errors.append((time.monotonic(), str(error) if isinstance(error, HttpError) else _name(error)))
                time.sleep(PAUSE)
            else:
                now = time.monotonic()
                seen.answers.append((now, now - start))

    threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def client_of(job: Job, number: int) -> Client:
    """One client of a server, connected to it.

    Args:
        job: what it asks.
        number: among the clients of its process; others ask other questions.
    """
    path, seed = Path(job.questions), (job.seed, number)
    if job.kind == "http":
        questions = Questions.load(path, seed)
        return Client(lambda: body_of(questions.next(job.new)), http_asker(job.address))
    client = TritonClient(job.address, PATIENCE)
    client.ready()
    if job.kind == "graph_model":
        arrays, generator = load_arrays(path), np.random.default_rng(seed)
        return Client(lambda: arrays[generator.integers(len(arrays))], client.graph_model)
    questions = Questions.load(path, seed)
    if job.kind == "encode":
        return Client(lambda: [questions.next(job.new).reviews[0].text], client.encode)
    return Client(lambda: [questions.next(job.new)], lambda users: client.recommend(users, K))


def http_asker(address: str) -> Callable[[bytes], bytes]:
    """Ask the web app over one connection that is kept."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE.deadline)
    connection.connect()
    used = time.monotonic()

    def ask(body: bytes) -> bytes:
        nonlocal used
        if time.monotonic() - used > IDLE:
            connection.close()
            connection.connect()
        try:
            connection.request("POST", f"/reviews/?k={K}", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()  # the next question makes a new one
            raise
        finally:
            used = time.monotonic()
        if response.status != 200:
            raise HttpError(f"{response.status} {orjson.loads(content)['error']['cause']}")
        return content

    return ask


def body_of(user: User) -> bytes:
    """A person's reviews as the web app reads them."""
    return orjson.dumps(
        [
            {
                "reviewerID": user.user_id,
                "asin": review.product_id,
                "score": review.rating,
                "comment": review.text,
                "date": review.timestamp,
            }
            for review in user.reviews
        ]
    )


def _measured(clients: int, seconds: float, seen: Seen, cpu: float, client_cpu: float, mib: float) -> Measured:
    milliseconds = 1000 * np.array([took for _, took in seen.answers])
    return Measured(clients, seconds, milliseconds, Counter(cause for _, cause in seen.errors), cpu, client_cpu, mib)


def _watch(begin: float, end: float, asked: Processes | ThisProcess) -> tuple[float, float]:
    """CPU seconds in this time, and resident MiB at its end."""
    _sleep_until(begin)
    before = asked.cpu()
    _sleep_until(end)
    return asked.cpu() - before, asked.mib()


def _sleep_until(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0))


def _name(error: Exception) -> str:
    return type(error).__name__


def _tell(worker: subprocess.Popen[bytes], line: bytes) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line + b"\n")
    worker.stdin.flush()


def main() -> None:
    """Be the clients of one job."""
    job = Job(**orjson.loads(sys.stdin.buffer.readline()))
    clients = [client_of(job, number) for number in range(job.clients)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if line := sys.stdin.buffer.readline():
        sys.stdout.buffer.write(orjson.dumps(asdict(ask_until(clients, float(line)))) + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
