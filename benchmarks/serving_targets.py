"""What serving shall reach, and what was measured: figures of ways that take turns, full queues, a long load."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks.serving_load import (
    PATIENCE,
    Job,
    Kind,
    body_of,
    collect,
    go,
    http_asker,
    in_processes,
    long_enough,
    started,
)
from benchmarks.serving_questions import K, load_arrays
from benchmarks.serving_setup import Deployed, Running
from rec_sys.inference.people import Person
from rec_sys.modules.signature import TEXT_ENCODER
from rec_sys.vector_database.text_encoder import TextEncoder
from triton_utils.backend.settings import RecommendSettings
from triton_utils.client import TritonClient
from triton_utils.server import ask
from triton_utils.web.settings import settings_of

SEED = 100
BREATH = 0.01  # seconds between two turns: threads of ONNX Runtime and torch look for work a while after theirs
BLOCK = 20  # questions of a turn where each takes a few milliseconds
MORE = 64  # clients beyond what a queue holds
MARGIN = 1.5  # of the time that a full queue takes
WARM, EDGE = 20.0, 5.0  # seconds of a soak before its memory counts, and of the two ends that are compared
SOAKED: tuple[tuple[Kind, bool, int], ...] = (
    ("recommend", True, 4),
    ("recommend", False, 2),
    ("http", True, 4),
    ("http", False, 2),
    ("graph_model", True, 1),
)
Rows = list[dict[str, Any]]


def target(what: str, measured: float, wanted: float, unit: str) -> dict[str, Any]:
    """A line of the table; less is better."""
    return {
        "target": what,
        "measured": f"{measured:,.3g} {unit}".strip(),
        "wanted": f"<= {wanted:,.3g} {unit}".strip(),
        "met": "yes" if measured <= wanted else "no",
    }


def in_turns(
    ways: Mapping[str, Callable[[Any], object]], questions: Callable[[], Any], seconds: float, block: int = 1
) -> dict[str, npt.NDArray[np.float64]]:
    """Milliseconds of each way for each question; (num_questions,) each. The way that begins changes from turn to turn.

    Args:
        ways: by name; each is asked every question.
        questions: makes the next one.
        seconds: how long; at least five turns are taken.
        block: questions in a turn, asked without pause, as a client that has more to ask would.
    """
    took: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    end, turn = time.monotonic() + seconds, 0
    while turn < 5 or time.monotonic() < end:
        drawn = [questions() for _ in range(block)]
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(BREATH)
            for question in drawn:
                start = time.perf_counter()
                ways[name](question)
                took[name].append(1000 * (time.perf_counter() - start))
        turn += 1
    return {name: np.array(values) for name, values in took.items()}


def targets(deployed: Deployed, servers: Running, seconds: float) -> Rows:
    """One client, ways that are compared side by side; `seconds` for all of it."""
    arrays = load_arrays(deployed.arrays_file)
    generator = np.random.default_rng(SEED)
    questions = deployed.questions(SEED)
    onnx = deployed.onnx_towers
    encoders: dict[str, TextEncoder] = {"ONNX Runtime": deployed.onnx_encoder, **deployed.torch_encoders}
    web = http_asker(servers.web)
    with TritonClient(servers.triton, PATIENCE) as client:
        graph = in_turns(
            {"onnx": lambda call: onnx.graph_model.run(["vector", "attention"], call), "triton": client.graph_model},
            lambda: arrays[generator.integers(len(arrays))],
            seconds / 3,
            BLOCK,
        )

        def texts(person: Person) -> list[str]:
            return [review.text for review in person.reviews]

        def embedding(encoder: TextEncoder) -> Callable[[Person], object]:
            return lambda person: encoder.encode(texts(person))

        for encoder in encoders.values():
            encoder.encode(texts(questions.next(new=True)))  # loads its weights
        new = in_turns(
            {
                **{name: embedding(encoder) for name, encoder in encoders.items()},
                "triton": lambda person: client.recommend([person], K),
            },
            lambda: questions.next(new=True),
            seconds / 3,
        )
        remember(deployed, servers)
        seen = in_turns(
            {"triton": lambda person: client.recommend([person], K), "http": lambda person: web(body_of(person))},
            lambda: questions.next(new=False),
            seconds / 3,
            BLOCK,
        )
    added = np.median(graph["triton"]) - np.median(graph["onnx"])
    rows = [target("graph_model: gRPC adds to ONNX Runtime in process, p50", float(added), 1.5, "ms")]
    for name in encoders:
        ratio = float(np.median(new["triton"] / new[name]))
        rows.append(target(f"recommend, ten new texts / embedding them in process ({name})", ratio, 1.3, ""))
    rows.append(target("recommend, ten seen texts: p50 over gRPC", float(np.median(seen["triton"])), 6, "ms"))
    for name, took in (("graph_model", graph), ("ten new texts", new), ("ten seen texts", seen)):
        ways = ", ".join(f"{way} {np.median(values):.2f} ms" for way, values in took.items())
        print(f"in turns, {name}, p50 of {len(next(iter(took.values()))):,}: {ways}", flush=True)
    return rows


def remember(deployed: Deployed, servers: Running) -> None:
    """Let the server see the texts that will be sent again."""
    with TritonClient(servers.triton, PATIENCE) as client:
        for person in deployed.questions(SEED).again:
            client.recommend([person], K)


def overload(deployed: Deployed, servers: Running, seconds: float, cores: int) -> tuple[Rows, Rows]:
    """64 clients, which the queues hold, and more than they hold; the table, and the targets."""
    triton, web = RecommendSettings(), settings_of()  # as the web app reads them too
    limits: tuple[tuple[str, Kind, int, int, float], ...] = (
        ("Triton gRPC", "recommend", triton.workers, triton.max_waiting, float("inf")),
        ("HTTP", "http", web.running, web.waiting, web.wait_seconds),
    )
    rows, reached = [], []
    for way, kind, running, waiting, longest in limits:
        address, asked = (servers.web, servers.both) if kind == "http" else (servers.triton, servers.server)
        for clients in (64, running + waiting + MORE):
            job = Job(kind, address, clients, str(deployed.people_file.resolve()), True, SEED + clients)
            window = long_enough(seconds, clients)
            measured = in_processes(job, window, asked, cores)
            rows.append(measured.row("recommend, new texts", way))
            fits = clients <= running + waiting
            if fits:
                errors = measured.errors.total()
                reached.append(target(f"{clients} clients, {way}: errors", errors, 0, ""))
            else:
                refused = sum(count for cause, count in measured.errors.items() if is_refusal(cause))
                others = measured.errors.total() - refused
                reached.append(target(f"{clients} clients, {way}: errors that are no 'come later'", others, 0, ""))
                line = {"measured": f"{refused:,}", "wanted": ">= 1", "met": "yes" if refused else "no"}
                reached.append({"target": f"{clients} clients, {way}: told to come later", **line})
            rate = max(len(measured.milliseconds) / window, 1e-9)
            whole = MARGIN * (min(waiting / rate, longest) + running / rate)
            p99 = measured.percentile(99) / 1000
            reached.append(target(f"{clients} clients, {way}: p99, a full queue's time", p99, whole, "s"))
            print(*(f"{name}={value}" for name, value in rows[-1].items()), sep="  ", flush=True)
    return rows, reached


def is_refusal(cause: str) -> bool:
    """Whether an error says that the queue is full."""
    return cause == "Overloaded" or re.fullmatch(r"503 (queue_full|overloaded)", cause) is not None


def batching(deployed: Deployed, servers: Running, seconds: float, cores: int) -> Rows:
    """The text encoder as it is configured, and without dynamic batching; one text and ten."""
    path = f"/v2/models/{TEXT_ENCODER}"
    config = ask(servers.triton_http, "GET", f"{path}/config")
    without = {name: value for name, value in config.items() if name != "dynamic_batching"}
    load = f"/v2/repository/models/{TEXT_ENCODER}/load"
    rows = []
    seed = SEED + 10_000
    for way, used in (("batching on", config), ("batching off", without)):
        ask(servers.triton_http, "POST", load, {"parameters": {"config": orjson.dumps(used).decode()}}, timeout=60)
        _check_batching(servers, path, used is config)
        for what, kind in (("embed one text", "encode"), ("recommend, new texts", "recommend")):
            for clients in (1, 16):
                seed += 1
                job = Job(kind, servers.triton, clients, str(deployed.people_file.resolve()), True, seed)  # type: ignore[arg-type]
                rows.append(in_processes(job, seconds, servers.server, cores).row(what, way))
                print(*(f"{name}={value}" for name, value in rows[-1].items()), sep="  ", flush=True)
    # As it was deployed; without a config the server would keep the last one it was given.
    ask(servers.triton_http, "POST", load, {"parameters": {"config": orjson.dumps(config).decode()}}, timeout=60)
    _check_batching(servers, path, True)
    return rows


def _check_batching(servers: Running, path: str, expected: bool) -> None:
    if ("dynamic_batching" in ask(servers.triton_http, "GET", f"{path}/config")) != expected:
        raise SystemExit("stopped: the server did not take the other config of its text encoder")


def soak(deployed: Deployed, servers: Running, seconds: float) -> tuple[dict[str, Any], Rows]:
    """Everything at once for a while; how memory went, and the targets."""
    remember(deployed, servers)
    warm = min(WARM, seconds / 3)
    edge = min(EDGE, seconds / 6)
    series: list[tuple[float, float, float]] = []
    with ExitStack() as stack:
        groups = []
        for number, (kind, new, clients) in enumerate(SOAKED):
            file = deployed.arrays_file if kind == "graph_model" else deployed.people_file
            address = servers.web if kind == "http" else servers.triton
            job = Job(kind, address, clients, str(file.resolve()), new, SEED + 20_000 + number)
            groups.append(stack.enter_context(started(job, 1)))
        begin = time.monotonic()
        for workers in groups:
            go(workers, begin + seconds)
        while (now := time.monotonic() - begin) < seconds:
            series.append((round(now, 2), round(servers.server.mib(), 1), round(servers.both.mib(), 1)))
            time.sleep(0.5)
        seen = [collect(workers) for workers in groups]
    errors: dict[str, int] = {}
    for its in seen:
        for _, cause in its.errors:
            errors[cause] = errors.get(cause, 0) + 1
    answers = sum(len(its.answers) for its in seen)
    moment, server, both = np.array(series).T
    reached = []
    for name, mib in (("Triton", server), ("Triton and web app", both)):
        early = np.median(mib[(moment >= warm) & (moment < warm + edge)])
        late = np.median(mib[moment >= seconds - edge])
        growth = float(100 * (late / early - 1))
        reached.append(target(f"{seconds:g} s of load: memory of {name} grows ({early:,.0f} MiB)", growth, 5, "%"))
    reached.append(target(f"{seconds:g} s of load: errors in {answers:,} answers", sum(errors.values()), 0, ""))
    print(f"soak: {answers:,} answers, errors: {errors or 'none'}", flush=True)
    shown = series[:: max(1, len(series) // 60)]  # seconds, MiB of Triton, MiB of both
    return {"seconds": seconds, "answers": answers, "errors": errors, "mib": shown}, reached
