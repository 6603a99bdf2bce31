"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from triton_utils.file_lock import exclusive, is_held

HOLD = """
import sys
from pathlib import Path
from triton_utils.file_lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_at_a_time_between_processes(tmp_path: Path) -> None:
    lock = tmp_path / "deeper" / ".lock"
    assert not is_held(lock)
    lock.parent.mkdir()
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_held(lock)
        with pytest.raises(BlockingIOError), exclusive(lock, wait=0.1):
            pass
        other.kill()  # the system gives the lock of a dead process back
    assert not is_held(lock)
    with exclusive(lock):
        assert is_held(lock)


def test_waits_for_whoever_holds_it(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    order = []

    def hold() -> None:
        with exclusive(lock):
            held.set()
            time.sleep(0.2)
            order.append("first")

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with exclusive(lock, wait=10):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
