"""The web app as it is typed: uvicorn in a process of its own, on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conftest import PROJECT


@contextmanager
def uvicorn(log: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a running app."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    names = {f"REC_SYS_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "uvicorn", "triton_utils.web_app:app", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, **names}, stdout=file, stderr=file)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            httpx.get(f"{address}/health/live")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
