"""Reading of events at the size of real shops: time and peak memory of `prepare`, each in a process of its own.

    uv run -m benchmarks.event_reading [--scale 1] [--only events properties ten_million]

The files have the rows, visitors, items and value lengths of RetailRocket's published ones (2,756,101 events, 1,407,580
visitors, 235,061 items, 20,275,902 rows of properties) and are drawn by chance: no figure of quality may be taken from
them. `ten_million` are events alone; `scale` makes all of them smaller.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.report import report

EVENTS, VISITORS, ITEMS = 2_756_101, 1_407_580, 235_061
PROPERTY_ROWS, PROPERTIES, LOOKS = 20_275_902, 1_104, 18  # rows, different names, times at which somebody looked
START, SECONDS = 1_430_622_000, 137 * 86_400
BLOCK = 1_000_000  # rows that are drawn at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=["events", "properties", "ten_million"])
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="events-") as name:
        folder = Path(name)
        size = round(EVENTS * args.scale)
        if {"events", "properties"} & set(args.only):
            write_events(folder / "events.csv", size, round(VISITORS * args.scale))
        if "events" in args.only:
            rows.append(measured("events", size, folder, [f"data.path={folder / 'events.csv'}"]))
        if "properties" in args.only:
            total = round(PROPERTY_ROWS * args.scale)
            files = [folder / f"item_properties_part{part}.csv" for part in (1, 2)]
            for part, file in enumerate(files):
                write_properties(file, total // 2, part)
            words = [f"data.path={folder / 'events.csv'}", f"data.item_properties=[{files[0]},{files[1]}]"]
            rows.append(measured("events and properties", size + total, folder, words))
        if "ten_million" in args.only:
            size = round(10_000_000 * args.scale)
            write_events(folder / "many.csv", size, round(4_000_000 * args.scale))
            rows.append(measured("ten million events", size, folder, [f"data.path={folder / 'many.csv'}"]))
    report("event_reading", rows, data=f"generated files of the size of RetailRocket's, scale {args.scale:g}", seed=0)


def write_events(path: Path, rows: int, visitors: int) -> None:
    """Events with the shares of kinds, and about the spread over items, of the published file."""
    random = np.random.default_rng(0)
    chance = (np.arange(ITEMS) + 20.0) ** -0.8
    total = np.cumsum(chance)
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        kind = random.choice(["view", "addtocart", "transaction"], count, p=[0.9667, 0.0252, 0.0081])
        bought = kind == "transaction"
        frame = pl.DataFrame(
            {
                "timestamp": START * 1000 + random.integers(0, SECONDS * 1000, count),
                "visitorid": random.integers(0, visitors, count),
                "event": kind,
                "itemid": np.searchsorted(total, random.random(count) * total[-1]),
                "transactionid": pl.Series([int(n) if yes else None for n, yes in enumerate(bought)], dtype=pl.Int64),
            }
        )
        with path.open("ab") as file:
            frame.write_csv(file, include_header=start == 0)


def write_properties(path: Path, rows: int, seed: int) -> None:
    """Properties with hidden names and values of words and numbers, category and availability among them."""
    random = np.random.default_rng([1, seed])
    names = np.array(["categoryid", "available", *map(str, range(PROPERTIES - 2))])
    chance = np.array([0.039, 0.074, *((np.arange(PROPERTIES - 2) + 3.0) ** -1.1)])
    chance[2:] *= (1 - 0.113) / chance[2:].sum()
    words = np.array([f"{number} n{number % 900}.000 {number * 7919 % 1_300_000}" for number in range(50_000)])
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        name = random.choice(names, count, p=chance)
        value = np.where(
            name == "available",
            random.integers(0, 2, count).astype(str),
            np.where(name == "categoryid", random.integers(0, 1_700, count).astype(str), random.choice(words, count)),
        )
        frame = pl.DataFrame(
            {
                "timestamp": (START + random.integers(0, LOOKS, count) * 7 * 86_400) * 1000,
                "itemid": random.integers(0, 2 * ITEMS, count),  # half of the catalogue was never looked at
                "property": name,
                "value": value,
            }
        )
        with path.open("ab") as file:
            frame.write_csv(file, include_header=start == 0)


def measured(what: str, size: int, folder: Path, words: list[str]) -> dict[str, Any]:
    """`prepare` in a process of its own, and a second time, when it is found."""
    command = [
        sys.executable,
        "-m",
        "rec_sys.dataset.prepare",
        "data=events",
        *words,
        f"paths.work_dir={folder}/{what}",
    ]
    megabytes = sum(file.stat().st_size for file in folder.glob("*.csv") if str(file) in " ".join(words)) / 1e6
    seconds, peak = _run(command)
    again, _ = _run(command)
    return {
        "file": what,
        "rows": size,
        "MB": round(megabytes),
        "seconds": round(seconds, 1),
        "peak MiB": round(peak),
        "found again, seconds": round(again, 1),
    }


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of a command.

    Raises:
        SystemExit: it failed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said)
    return time.perf_counter() - start, usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


if __name__ == "__main__":
    main()
