"""The whole way from a raw file to a vector base: time and peak memory of each stage, and how they grow.

    uv run -m benchmarks.pipeline [FILE.json.gz] [--parts 1 0.5 0.25 0.125] [key=value ...]

Each part holds the first lines of FILE and runs in an empty folder, each stage as a process of its own, as a person
would start it. Further words are settings of the training; the stages before it get those of data and encoder too. FILE
is made by default: 206,153 reviews by the script make_full_size.py of $REC_SYS_SHARED_DATA (default ../shared/data)
where that is there, or 50,000 generated ones.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.report import report
from rec_sys.dataset.sources.sample import write_sample

STAGES = {
    "read and check": "rec_sys.dataset.prepare",
    "embed": "rec_sys.dataset.embed",
    "train": "rec_sys.train.train",
    "vector base": "rec_sys.vector_database.create_vectorbase",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", help="reviews as JSON lines, gzip-packed")
    parser.add_argument("--parts", type=float, nargs="+", default=[1.0, 0.5, 0.25, 0.125])
    parser.add_argument("--name", default="pipeline", help="of the result file")
    args, settings = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="pipeline-", dir=args.file.parent if args.file else None) as folder:
        file = args.file or make_file(Path(folder))
        with gzip.open(file, "rb") as lines:
            total = sum(1 for _ in lines)
        rows: list[dict[str, Any]] = []
        for part in args.parts:
            rows.append(measure(file, round(total * part), Path(folder) / f"{part}", settings))
            # After each part: what was measured stays when the rest is stopped.
            report(args.name, rows, data=f"{file.name}, {total:,} reviews", seed=0, settings=settings)


def make_file(folder: Path) -> Path:
    """A large file of reviews, for speed and memory only."""
    script = Path(os.environ.get("REC_SYS_SHARED_DATA") or "../shared/data") / "make_full_size.py"
    if not script.is_file():
        return write_sample(folder, users=5_000, products=2_000, reviews=50_000).reviews
    subprocess.run([sys.executable, script, folder / "full_size.json.gz"], check=True)
    return folder / "full_size.json.gz"


def measure(file: Path, reviews: int, folder: Path, settings: list[str]) -> dict[str, Any]:
    """Run all stages on the first `reviews` lines of `file`."""
    folder.mkdir()
    raw = folder / file.name
    with gzip.open(file, "rb") as lines, gzip.open(raw, "wb", compresslevel=1) as out:
        out.writelines(islice(lines, reviews))
    row: dict[str, Any] = {"reviews": reviews}
    total = 0.0
    for stage, module in STAGES.items():
        overrides = overrides_of(stage, raw, settings)
        seconds, gib = run([sys.executable, "-m", module, f"paths.work_dir={folder / 'work'}", *overrides])
        total += seconds
        row |= {f"{stage}, min": round(seconds / 60, 2), f"{stage}, GiB": round(gib, 2)}
    row |= {"all, min": round(total / 60, 2), "disk, GiB": round(size(folder / "work") / 2**30, 2)}
    shutil.rmtree(folder)
    return row


def overrides_of(stage: str, raw: Path, settings: list[str]) -> list[str]:
    """The settings that a stage reads."""
    if stage == "vector base":
        return []
    known = settings if stage == "train" else [word for word in settings if re.match(r"\+*(data|encoder)[.=]", word)]
    return [f"data.path={raw}", *known]


def run(command: list[str]) -> tuple[float, float]:
    """Run a command to its end; returns seconds and peak resident memory in GiB."""
    print("$", " ".join(command), flush=True)
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"stopped: the command above ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 2**20  # Linux counts KiB


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
