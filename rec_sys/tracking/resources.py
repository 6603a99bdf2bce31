"""What a piece of work took: seconds, and how far memory rose."""

from __future__ import annotations

import gc
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

MIB = 2**20
EVERY = 0.01  # seconds between two looks at the memory


@dataclass
class Used:
    """Filled when the block ends."""

    seconds: float = float("nan")
    peak_mib: float = float("nan")


@contextmanager
def measured() -> Iterator[Used]:
    """Measure the block: wall clock, and the highest resident set during it less the one at its start, in MiB.

    The resident set is that of this process with all its threads; child processes are not counted (no model here starts
    one). Modules and buffers that the block is the first to use count; memory that was freed before but not given back
    to the system, and is used again, does not. Looked at every hundredth of a second; a peak above all that the
    process ever had is exact, since the system keeps that one.
    """
    process = psutil.Process()
    gc.collect()
    before, highest_ever = process.memory_info().rss, _highest_ever()
    peak, done = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(EVERY):
            peak = max(peak, process.memory_info().rss)

    used = Used()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    try:
        yield used
    finally:
        used.seconds = time.perf_counter() - started
        done.set()
        watcher.join()
        now = _highest_ever()
        peak = max(peak, process.memory_info().rss, now if now > highest_ever else 0)
        used.peak_mib = (peak - before) / MIB


def _highest_ever() -> int:
    """Bytes: the highest resident set of this process since it began."""
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024  # Linux counts KiB


def peak_mib() -> float:
    """MiB: the highest resident set of this process since it began."""
    return _highest_ever() / MIB
