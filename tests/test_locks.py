"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from rec_sys.locks import exclusive, is_held

HOLD = """
import sys
from pathlib import Path
from rec_sys.locks import exclusive
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


def test_waits_without_end_where_no_limit_is_given(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    entered = threading.Event()

    def enter() -> None:
        with exclusive(lock, wait=None):
            entered.set()

    thread = threading.Thread(target=enter)
    with exclusive(lock):
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()


def test_a_block_may_end_in_another_thread(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    stack = ExitStack()
    stack.enter_context(exclusive(lock))
    thread = threading.Thread(target=stack.close)
    thread.start()
    thread.join()
    assert not is_held(lock)


def test_processes_that_only_look_do_not_see_each_other(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.touch()
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: is_held(lock), range(200)))


def test_a_look_creates_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "deeper" / ".lock")
    assert list(tmp_path.iterdir()) == []
