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
from rec_sys.inference.users import User
from rec_sys.modules.signature import TEXT_ENCODER
from rec_sys.text.text_encoder import TextEncoder
from triton_utils.backend.settings import RecommendSettings
from triton_utils.client import TritonClient
from triton_utils.server.http_api import call
from triton_utils.web.settings import settings_of

SEED = 100
BREATH = 0.01  # seconds between two ways: threads of ONNX Runtime and torch look for work a while after theirs
BLOCK = 20  # questions that one way is asked back to back where each takes a few milliseconds
PAUSE = 0.05  # seconds before each question of somebody who asks now and then: by then everything has gone to sleep
MORE = 64  # clients beyond what a queue holds
MARGIN = 1.25  # of the time that a full queue should take by what 64 clients wait
WINDOW = 30.0  # most seconds of a row with more clients than the queue holds
DELAYS = {"batching off": None, "batching, no delay": 0, "batching, 2 ms": 2_000}  # microseconds
WARM, EDGE = 5.0, 5.0  # seconds of a soak before its memory counts, and of the two ends that are compared
SOAKED: tuple[tuple[Kind, bool, int], ...] = (
    ("recommend", True, 4),
    ("recommend", False, 2),
    ("http", True, 4),
    ("http", False, 2),
    ("graph_model", True, 1),
)
Rows = list[dict[str, Any]]


def target(what: str, measured: float, wanted: float | None, unit: str) -> dict[str, Any]:
    """A line of the table; less is better; without a wanted figure it stands beside the targets."""
    if wanted is None:
        return {"target": what, "measured": f"{measured:,.3g} {unit}".strip(), "wanted": "-", "met": "-"}
    return {
        "target": what,
        "measured": f"{measured:,.3g} {unit}".strip(),
        "wanted": f"<= {wanted:,.3g} {unit}".strip(),
        "met": "yes" if measured <= wanted else "no",
    }


def in_turns(
    ways: Mapping[str, Callable[[Any], object]],
    questions: Callable[[], Any],
    seconds: float,
    block: int = 1,
    pause: float = 0.0,
) -> dict[str, npt.NDArray[np.float64]]:
    """Milliseconds of each way for each question; (num_questions,) each. The way that begins changes from turn to turn.

    Args:
        ways: by name; each is asked every question.
        questions: makes the next one.
        seconds: how long; at least five turns are taken.
        block: questions in a turn.
        pause: seconds before each question; 0: back to back, as a load generator asks.
    """
    took: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    end, turn = time.monotonic() + seconds, 0
    while turn < 5 or time.monotonic() < end:
        drawn = [questions() for _ in range(block)]
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(BREATH)
            for question in drawn:
                time.sleep(pause)
                start = time.perf_counter()
                ways[name](question)
                took[name].append(1000 * (time.perf_counter() - start))
        turn += 1
    return {name: np.array(values) for name, values in took.items()}


def targets(deployed: Deployed, servers: Running, seconds: float) -> Rows:
    """One client, ways that are compared side by side, back to back and with pauses; `seconds` for all of it."""
    arrays = load_arrays(deployed.arrays_file)
    generator = np.random.default_rng(SEED)
    questions = deployed.questions(SEED)
    sessions = {"ONNX, one thread": deployed.onnx_towers.graph_model, "ONNX, all cores": deployed.onnx_all_cores}
    encoders: dict[str, TextEncoder] = {"ONNX Runtime": deployed.onnx_encoder, **deployed.torch_encoders}
    web = http_asker(servers.web)

    def running_in(session: Any) -> Callable[[Any], object]:
        return lambda call: session.run(["vector", "attention"], call)

    def embedding(encoder: TextEncoder) -> Callable[[User], object]:
        return lambda user: encoder.encode([review.text for review in user.reviews])

    with TritonClient(servers.triton, PATIENCE) as client:

        def recommend(user: User) -> object:
            return client.recommend([user], K)

        def http(user: User) -> object:
            return web(body_of(user))

        ways: dict[str, tuple[dict[str, Callable[[Any], object]], Callable[[], Any], int]] = {
            "graph_model": (
                {**{name: running_in(session) for name, session in sessions.items()}, "Triton": client.graph_model},
                lambda: arrays[generator.integers(len(arrays))],
                BLOCK,
            ),
            "ten new texts": (
                {**{name: embedding(encoder) for name, encoder in encoders.items()}, "Triton": recommend},
                lambda: questions.next(new=True),
                1,
            ),
            "ten seen texts": ({"Triton": recommend, "HTTP": http}, lambda: questions.next(new=False), BLOCK),
        }
        for encoder in encoders.values():
            embedding(encoder)(questions.next(new=True))  # loads its weights
        remember(deployed, servers)
        rows = []
        for pause in (0.0, PAUSE):
            its = seconds / len(ways) / 2
            took = {what: in_turns(asked, draw, its, block, pause) for what, (asked, draw, block) in ways.items()}
            rows += _told(took, list(sessions), list(encoders), pause)
    return rows


def _told(
    took: Mapping[str, Mapping[str, npt.NDArray[np.float64]]], sessions: list[str], encoders: list[str], pause: float
) -> Rows:
    """Lines of the table; the targets hold for questions back to back."""
    how = f", {1000 * pause:g} ms between questions" if pause else ""

    def wanted(figure: float) -> float | None:
        return None if pause else figure

    for what, ways in took.items():
        each = ", ".join(f"{way} {np.median(values):.2f} ms" for way, values in ways.items())
        print(f"in turns{how}, {what}, p50 of {len(next(iter(ways.values()))):,}: {each}", flush=True)
    graph, new, seen = (took[what] for what in ("graph_model", "ten new texts", "ten seen texts"))
    quickest = min(sessions, key=lambda name: float(np.median(graph[name])))
    added = float(np.median(graph["Triton"]) - np.median(graph[quickest]))
    rows = [
        target(f"graph_model: gRPC adds to ONNX Runtime in process ({quickest}), p50{how}", added, wanted(1.5), "ms")
    ]
    for name in encoders:
        ratio = float(np.median(new["Triton"] / new[name]))
        rows.append(target(f"ten new texts: recommend / embedding in process ({name}){how}", ratio, wanted(1.3), ""))
    rows.append(target(f"ten seen texts: recommend, p50{how}", float(np.median(seen["Triton"])), wanted(6), "ms"))
    rows.append(target(f"ten seen texts: the same over HTTP, p50{how}", float(np.median(seen["HTTP"])), None, "ms"))
    return rows


def remember(deployed: Deployed, servers: Running) -> None:
    """Let the server see the texts that will be sent again."""
    with TritonClient(servers.triton, PATIENCE) as client:
        for user in deployed.questions(SEED).again:
            client.recommend([user], K)


def overload(deployed: Deployed, servers: Running, seconds: float, cores: int) -> tuple[Rows, Rows]:
    """64 clients, and more than the queues hold; the table, and the targets.

    Where a queue is bounded, clients that it does not hold are told to come later, and those who are answered wait as
    long as a full queue takes and no longer.
    """
    triton, web = RecommendSettings(), settings_of()  # as the web app reads them too
    limits: tuple[tuple[str, Kind, int], ...] = (
        ("Triton gRPC", "recommend", triton.workers + triton.max_waiting),
        ("HTTP", "http", web.running + web.waiting),
    )
    rows, reached = [], []
    for way, kind, holds in limits:
        address, asked = (servers.web, servers.both) if kind == "http" else (servers.triton, servers.server)
        found = []
        for clients in (64, holds + MORE):
            job = Job(kind, address, clients, str(deployed.users_file.resolve()), True, SEED + clients)
            found.append(in_processes(job, min(long_enough(seconds, clients), WINDOW), asked, cores))
            rows.append(found[-1].row("recommend, new texts", way))
            print(*(f"{name}={value}" for name, value in rows[-1].items()), sep="  ", flush=True)
        fits, more = found
        reached.append(target(f"64 clients, {way}: errors", fits.errors.total(), 0, ""))
        reached.append(target(f"64 clients, {way}: p99", fits.percentile(99) / 1000, None, "s"))
        refused = sum(count for cause, count in more.errors.items() if is_refusal(cause))
        line = {"measured": f"{refused:,}", "wanted": ">= 1", "met": "yes" if refused else "no"}
        reached.append({"target": f"{holds + MORE} clients, {way}: told to come later", **line})
        reached.append(target(f"{holds + MORE} clients, {way}: other errors", more.errors.total() - refused, 0, ""))
        bound = MARGIN * fits.percentile(99) / 1000 * holds / 64
        what = f"{holds + MORE} clients, {way}: p99, a full queue ({holds}) by what 64 wait, and a quarter"
        reached.append(target(what, more.percentile(99) / 1000, bound, "s"))
    return rows, reached


def is_refusal(cause: str) -> bool:
    """Whether an error says that the queue is full."""
    return cause == "Overloaded" or re.fullmatch(r"503 (queue_full|overloaded)", cause) is not None


def batching(deployed: Deployed, servers: Running, seconds: float, cores: int) -> Rows:
    """The text encoder without dynamic batching, with it, and with a delay in which it waits for company."""
    path = f"/v2/models/{TEXT_ENCODER}"
    deployed_config = call(servers.triton_http, "GET", f"{path}/config")
    load = f"/v2/repository/models/{TEXT_ENCODER}/load"
    rows = []
    seed = SEED + 10_000

    def use(config: dict[str, Any]) -> None:
        words = {"parameters": {"config": orjson.dumps(config).decode()}}
        call(servers.triton_http, "POST", load, words, timeout=60)
        taken = call(servers.triton_http, "GET", f"{path}/config").get("dynamic_batching")
        if taken != config.get("dynamic_batching"):
            raise SystemExit(f"stopped: the text encoder runs with dynamic_batching {taken}")

    for way, delay in DELAYS.items():
        config = {name: value for name, value in deployed_config.items() if name != "dynamic_batching"}
        if delay is not None:
            config["dynamic_batching"] = {**deployed_config["dynamic_batching"], "max_queue_delay_microseconds": delay}
        use(config)
        for what, kind in (("embed one text", "encode"), ("recommend, new texts", "recommend")):
            for clients in (1, 16):
                seed += 1
                job = Job(kind, servers.triton, clients, str(deployed.users_file.resolve()), True, seed)  # type: ignore[arg-type]
                rows.append(in_processes(job, seconds, servers.server, cores).row(what, way))
                print(*(f"{name}={value}" for name, value in rows[-1].items()), sep="  ", flush=True)
    use(deployed_config)  # without one the server would keep the last it was given
    return rows


def soak(deployed: Deployed, servers: Running, seconds: float) -> tuple[dict[str, Any], Rows]:
    """Everything at once for a while; how memory went, and the targets."""
    remember(deployed, servers)
    warm = min(WARM, seconds / 3)
    edge = min(EDGE, seconds / 6)
    series: list[tuple[float, float, float]] = []
    with ExitStack() as stack:
        groups = []
        for number, (kind, new, clients) in enumerate(SOAKED):
            file = deployed.arrays_file if kind == "graph_model" else deployed.users_file
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
