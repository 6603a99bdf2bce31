"""One way to report a measurement: a table on the screen and `benchmarks/results/<name>.json`."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rec_sys.files import write_json
from rec_sys.tables import rows_table

RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "numpy",
    "scipy",
    "polars",
    "torch",
    "torch-geometric",
    "sentence-transformers",
    "onnxruntime",
    "faiss-cpu",
)


def report(
    name: str, rows: Sequence[Mapping[str, Any]], *, data: str, seed: int | None = None, **more: Any
) -> dict[str, Any]:
    """Print `rows` as a table and write them, with what is needed to repeat the measurement.

    Args:
        name: of the benchmark; names the file.
        rows: one per line of the table; all have the keys of the first.
        data: what was measured on, in words.
        seed: of everything random.
        more: further facts for the file, such as options and peak memory.

    Returns:
        What was written.
    """
    print_table(rows)
    result = {"name": name, "data": data, "seed": seed, **more, "rows": list(rows), **machine()}
    path = RESULTS / f"{name}.json"
    write_json(path, result)
    print(f"\n{data}; {result['cpu']}, {result['cpus']} CPUs; written to {path}")
    return result


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Numbers to the right, words to the left, columns from the keys of the first row."""
    if rows:
        print(rows_table(rows))


def machine() -> dict[str, Any]:
    """Machine, versions, commit and time, for the JSON file."""
    return {
        "machine": platform.platform(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {package: found for package in _PACKAGES if (found := _version(package))},
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        return subprocess.check_output(
            ["git", *arguments], cwd=Path(__file__).parent, text=True, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None
