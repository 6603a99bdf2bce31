"""A lock that is a file: held by one process at a time, and given back by the system when that process ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEP = 0.05  # seconds between two tries


@contextmanager
def exclusive(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock while the block runs.

    Args:
        path: of the lock; made where it is missing, and left there.
        wait: seconds to wait for whoever holds it.

    Raises:
        BlockingIOError: somebody else holds it still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + wait
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(STEP)
        yield  # closing the file gives the lock back


def is_held(path: Path) -> bool:
    """Whether somebody, this process included, holds the lock now."""
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two who ask do not see each other
        except BlockingIOError:
            return True
    return False
