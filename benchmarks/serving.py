"""Serving under load: in process, through Triton, over HTTP, side by side on real reviews, and the targets.

    uv run -m benchmarks.serving [--data musical_instruments_2014|PATH|sample] [--seconds 10] [--clients 1 4 16 64]
                                 [--soak 120] [--threads 0] [--work-dir serving] [--steps ways targets ...]
                                 [--name serving]

Reviews are read from $REC_SYS_SHARED_DATA (default ../shared/data), or generated. A model is trained on them once (how
good it is does not matter), deployed, and served by the real Triton server and uvicorn. Steps:

    ways       every way to ask with so many clients each: requests/s, percentiles, errors, CPU, memory
    targets    one client; the ways that are compared take turns, so that whatever else the machine does hits all of
               them; questions back to back, which the targets are about, and with pauses
    overload   64 clients, and more clients than the queues hold: these must be refused at once
    batching   the text encoder without dynamic batching, with it, and waiting 2 ms for company
    soak       two minutes of everything at once: does memory grow?

Who is asked about has ten reviews. New texts are mixed from sentences of real reviews, as long as real ones, and none
is sent twice; seen ones are 640 real texts that the server knows by then. The server remembers few texts here
(--cached-texts), so that its cache is full before the soak begins and does not pass for a leak. Rows with new texts
are measured longer with more than 16 clients, and only once the queue is as long as it gets. A client that was refused
comes again after a second, as the web app asks for.

In process the clients are threads of this process. Those of a server are threads of as many processes as there are
cores (at most one per client), which share the cores with the server: the figures of a server are those of server and
clients on one machine. What the clients take of the CPU is a column of its own; a thread that waits for its turn in a
client's process counts as latency, so at 64 clients percentiles say more about fairness than about the server.
CPU and memory of HTTP are those of web app and Triton together; memory is the sum of the resident sets of all
processes, in which what they share counts several times. `text_encoder` is asked with one text, all else with ten.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import print_table, report
from benchmarks.serving_load import Client, Job, Kind, Measured, in_processes, in_threads, long_enough
from benchmarks.serving_questions import K, load_arrays
from benchmarks.serving_setup import Deployed, Running, running, set_up
from benchmarks.serving_targets import batching, overload, remember, soak, targets
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from triton_utils.server.process import tritonserver_environment

SEED = 0
STEPS = ("ways", "targets", "overload", "batching", "soak")
PACKAGES = ("tritonclient", "grpcio", "fastapi", "uvicorn", "tokenizers")
NEW, AGAIN = "recommend, new texts", "recommend, seen texts"
GRAPH, TEXTS = "graph_model", "embed ten texts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="name of a data set, or a file of reviews with texts")
    parser.add_argument("--work-dir", type=Path, default=Path("serving"))
    parser.add_argument("--seconds", type=float, default=10, help="that each row is measured")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--soak", type=float, default=120, help="seconds; 0: none")
    parser.add_argument("--threads", type=int, default=0, help="of torch and the text encoder; 0: one per core")
    parser.add_argument("--epochs", type=int, default=3, help="of the training")
    parser.add_argument("--cached-texts", type=int, default=2_000, help="texts that the server remembers")
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--name", default="serving", help="of the result file")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = args.threads or cores
    torch.set_num_threads(threads)
    deployed = set_up(args.data, args.work_dir, args.epochs, SEED, threads, args.cached_texts)
    found: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    if "ways" in args.steps:
        rows += in_process(deployed, args.clients, args.seconds)
    with running(deployed, args.work_dir) as servers:
        if "ways" in args.steps:
            rows += through_servers(deployed, servers, args.clients, args.seconds, cores)
        if "targets" in args.steps:
            found["targets"] = targets(deployed, servers, 18 * args.seconds)
        if "overload" in args.steps:
            found["overload"], reached = overload(deployed, servers, args.seconds, cores)
            found["targets"] = found.get("targets", []) + reached
        if "batching" in args.steps:
            found["batching"] = batching(deployed, servers, args.seconds, cores)
        if "soak" in args.steps and args.soak:
            found["soak"], reached = soak(deployed, servers, args.soak)
            found["targets"] = found.get("targets", []) + reached
    for name in ("overload", "batching", "targets"):
        print(f"\n{name}\n")
        print_table(found.get(name, []))
    print("\nways\n")
    report(
        args.name,
        sorted(rows, key=lambda row: (row["clients"], row["what"])),
        data=deployed.data,
        seed=SEED,
        seconds=args.seconds,
        threads=threads,
        cached_texts=args.cached_texts,
        encoder={"torch": deployed.torch_encoder.backend, "served": "float32, ONNX Runtime"},
        server={**tritonserver_environment()["versions"]},
        packages=versions(),
        **found,
    )


def in_process(deployed: Deployed, clients: list[int], seconds: float) -> Iterator[dict[str, Any]]:
    """The ways that need no server; the clients are threads."""
    ways = ways_in_process(deployed)
    for count in clients:
        for (what, way), make in ways.items():
            new = what in (TEXTS, NEW)
            window = long_enough(seconds, count) if new else seconds
            yield described(in_threads([make(number) for number in range(count)], window, new), what, way)


def ways_in_process(deployed: Deployed) -> dict[tuple[str, str], Callable[[int], Client]]:
    """By what is asked and how: makes the client of a number."""
    arrays = load_arrays(deployed.arrays_file)
    onnx, in_torch = deployed.onnx_towers, deployed.torch_towers
    calls = [batch_of(call) for call in arrays]
    seeds = itertools.count(1)

    def drawn(number: int, values: list[Any]) -> Callable[[], Any]:
        generator = np.random.default_rng((SEED, number))
        return lambda: values[generator.integers(len(values))]

    def texts() -> Callable[[], list[str]]:
        questions = deployed.questions(SEED, next(seeds))
        return lambda: [review.text for review in questions.next(new=True).reviews]

    ways: dict[tuple[str, str], Callable[[int], Client]] = {
        (GRAPH, "torch"): lambda number: Client(drawn(number, calls), lambda call: in_torch.encode_users(*call)),
        (GRAPH, "ONNX Runtime"): lambda number: Client(
            drawn(number, arrays), lambda call: onnx.graph_model.run(["vector", "attention"], call)
        ),
        (TEXTS, "torch"): lambda _: Client(texts(), deployed.torch_encoder.encode),
        (TEXTS, "ONNX Runtime"): lambda _: Client(texts(), deployed.onnx_encoder.encode),
    }
    for name, shown in (("torch", "torch"), ("onnx", "ONNX Runtime")):
        recommender = deployed.recommender(name)
        for what in (NEW, AGAIN):

            def make(number: int, recommender: Any = recommender, new: bool = what == NEW) -> Client:
                questions = deployed.questions(SEED, next(seeds))  # never the same: the recommender remembers texts
                if not new and number == 0:
                    recommender.recommend(questions.again, K)
                return Client(lambda: [questions.next(new)], lambda users: recommender.recommend(users, K))

            ways[what, shown] = make
    return ways


def batch_of(call: dict[str, Any]) -> tuple[Any, HistoryArrays]:
    """Inputs of the exported user tower as `Towers.people` takes them."""
    text = call.get("text", np.zeros((len(call["person"]), 0), dtype=np.float32))
    edges = np.arange(len(call["person"]))
    batch = HistoryArrays(
        edge_review=edges,
        edge_user=call["person"],
        age=call["age"],
        days=call["days"],
        product=edges,
        text=text,
        rating=call["rating"],
        num_users=len(call["people"]),
    )
    return call["products"], batch


def through_servers(
    deployed: Deployed, servers: Running, clients: list[int], seconds: float, cores: int
) -> Iterator[dict[str, Any]]:
    """Triton over gRPC, and the web app; the clients are processes."""
    ways: list[tuple[str, str, Kind, bool]] = [
        (GRAPH, "Triton gRPC", "graph_model", True),
        (NEW, "Triton gRPC", "recommend", True),
        (AGAIN, "Triton gRPC", "recommend", False),
        (NEW, "HTTP", "http", True),
        (AGAIN, "HTTP", "http", False),
    ]
    seed = 10
    for count in clients:
        for what, way, kind, new in ways:
            seed += 1
            if not new:
                remember(deployed, servers)
            address = servers.web if kind == "http" else servers.triton
            file = deployed.arrays_file if kind == "graph_model" else deployed.users_file
            job = Job(kind, address, count, str(file.resolve()), new, seed)
            asked = servers.both if kind == "http" else servers.server
            window = long_enough(seconds, count) if what == NEW else seconds
            yield described(in_processes(job, window, asked, cores), what, way)


def described(measured: Measured, what: str, way: str) -> dict[str, Any]:
    """A row, shown as soon as it is there."""
    row = measured.row(what, way)
    print(*(f"{name}={value}" for name, value in row.items()), sep="  ", flush=True)
    return row


def versions() -> dict[str, str]:
    """Of what serves and asks, beside those that every benchmark tells."""
    from importlib.metadata import version

    return {name: version(name) for name in PACKAGES}


if __name__ == "__main__":
    main()
