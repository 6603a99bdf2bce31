"""What it costs to start a command: CPU and wall seconds of whole processes, from the first import to the last line.

    uv run -m benchmarks.start_up [--runs 5] [--name start_up]

A small model is trained first, on generated reviews in a temporary work folder, which takes one or two minutes. Then
every command is run once uncounted, so that compiled files and the disk's cache are warm, and in rounds after that: one
run of each per round, so that whatever else the machine does falls on all of them alike. Commands are started as
`python -m ...` with the Python that runs this; the row `uv run` shows what uv adds in front of it.

CPU seconds are user and system time of the process and all it waited for. They are what the targets are about, since a
busy machine changes them less than the wall clock.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import report
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.recommenders.graph.stored import KIND

PROJECT = Path(__file__).resolve().parents[1]
TRAINING = ("data.sample_reviews=5000", "train.max_epochs=5")
USER = "A00000SAMPLE"
REVIEWS = [{"asin": "B0SAMPLE0000", "overall": 5, "reviewText": "Kept every lure dry."}]


@dataclass(frozen=True)
class Command:
    """A process to be measured."""

    name: str
    words: tuple[str, ...]
    target: float | None = None  # CPU seconds
    exit_code: int = 0
    standard_input: str = ""


@dataclass(frozen=True)
class Run:
    """What one process took."""

    cpu: float
    wall: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of every command, beside the uncounted one")
    parser.add_argument("--name", default="start_up", help="of the result file")
    args = parser.parse_args()
    if args.runs < 1:
        parser.error("--runs: expected 1 or more")
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="start_up-") as folder:
        work_dir = Path(folder)
        print(f"training a small model in {work_dir}: {' '.join(TRAINING)}", flush=True)
        training = run(Command("train", (sys.executable, "-m", "rec_sys.train.train", *TRAINING)), work_dir)
        commands = commands_for(find_artifact("", work_dir / "checkpoints", KIND))
        runs: dict[str, list[Run]] = {command.name: [] for command in commands}
        for number in range(args.runs + 1):
            print(f"round {number} of {args.runs}{'' if number else ', uncounted'}", flush=True)
            for command in commands:
                done = run(command, work_dir)
                if number:
                    runs[command.name].append(done)
    rows = rows_of(commands, runs)
    report(
        args.name,
        rows,
        data=f"a model trained on 5,000 generated reviews for 5 epochs in {training.wall:.0f} s; {args.runs} runs each",
        seed=0,
        runs=args.runs,
        training=TRAINING,
        load_before=load_before,
        every_run={name: [vars(each) for each in done] for name, done in runs.items()},
    )
    for row in rows:
        if row["target"] is not None and row["CPU s"] > row["target"]:
            print(f"target missed: {row['what']}: {row['CPU s']} s of CPU, expected {row['target']} s at most")


def commands_for(model: Path) -> list[Command]:
    """What is measured, in the order of the table."""
    python = (sys.executable, "-c")
    module = (sys.executable, "-m")
    ask = f"import rec_sys; rec_sys.load({str(model)!r}).recommend({USER!r})"
    infer = (*module, "rec_sys.inference.infer")
    commands = [
        Command("Python that does nothing", (*python, "pass")),
        Command("import rec_sys", (*python, "import rec_sys"), target=0.3),
        Command("train --help", (*module, "rec_sys.train.train", "--help"), target=1.5),
        Command("train, a typing error", (*module, "rec_sys.train.train", "model.dmi=3"), target=1.5, exit_code=2),
        Command("create_vectorbase", (*module, "rec_sys.vector_database.create_vectorbase"), target=6),
        Command("infer, a known user", (*infer, f"users=[{USER}]"), target=4),
        Command("infer, a new user", (*infer, "reviews=-"), target=4, standard_input=json.dumps(REVIEWS)),
        Command("rec_sys.load and recommend", (*python, ask)),
    ]
    if uv := shutil.which("uv"):
        nothing = (uv, "run", "--project", str(PROJECT), "python", "-c", "pass")
        commands.append(Command("uv run, Python that does nothing", nothing))
    return commands


def run(command: Command, folder: Path) -> Run:
    """Run a command in a folder to its end.

    Raises:
        SystemExit: it ended otherwise than expected; with what it said.
    """
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
        given.write(command.standard_input.encode())
        given.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen(command.words, cwd=folder, stdin=given, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != command.exit_code:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise SystemExit(f"{text}\nstopped: {command.name} ended with {process.returncode}")
    return Run(cpu=usage.ru_utime + usage.ru_stime, wall=wall)


def rows_of(commands: Sequence[Command], runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """A row per command: the target, then median, lowest and highest of its CPU and wall seconds."""
    rows = []
    for command in commands:
        row: dict[str, Any] = {"what": command.name, "target": command.target}
        for what, seconds in (
            ("CPU s", [each.cpu for each in runs[command.name]]),
            ("wall s", [each.wall for each in runs[command.name]]),
        ):
            row[what] = round(statistics.median(seconds), 2)
            row[f"{what}, lowest"] = round(min(seconds), 2)
            row[f"{what}, highest"] = round(max(seconds), 2)
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
