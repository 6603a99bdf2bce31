"""Locks between processes: each is a file that one process holds at a time.

The lock is the kernel's (`flock`, through the library `filelock`), so it is free as soon as its process ends, however
it ends, and a lock file that lies there means nothing by itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

POLL = 0.05  # seconds between two tries
LOOK = 0.1  # seconds for which a lock must be seen held: another process that only looks holds it for microseconds


@contextmanager
def exclusive(path: Path, wait: float | None = 0.0, remove: bool = False) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        path: of the lock file; made where it is missing, with its folder.
        wait: seconds to wait for the process that holds it; None: as long as it takes.
        remove: whether the file goes when the block ends. Whoever waits for it notices and takes a new one.

    Raises:
        BlockingIOError: another process, or another block of this one, still holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        lock.acquire(timeout=-1 if wait is None else wait, poll_interval=POLL)
    except Timeout:
        raise BlockingIOError(errno.EWOULDBLOCK, "the lock is held by another process", str(path)) from None
    try:
        yield
    finally:
        if remove:
            with suppress(OSError):  # Windows removes no open file
                path.unlink(missing_ok=True)
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process, this one included, holds the lock now. Nothing is created."""
    if not path.is_file():
        return False
    lock = _lock(path)
    try:
        lock.acquire(timeout=LOOK, poll_interval=LOOK / 10)
    except Timeout:
        return True
    lock.release()
    return False


def _lock(path: Path) -> FileLock:
    # Never `filelock`'s soft lock, which outlives its process; and released by the thread that ends the block,
    # which need not be the one that began it.
    return FileLock(path, fallback_to_soft=False, thread_local=False)
