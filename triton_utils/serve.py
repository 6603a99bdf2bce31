"""Start a real Triton server on this machine and keep it up.

uv run -m triton_utils.serve                                        # what was deployed, on 127.0.0.1
uv run -m triton_utils.serve http_port=9000 grpc_port=9001 metrics_port=9002 threads=2
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pydantic import Field

from rec_sys.command import command, register_schema
from rec_sys.errors import ServeError
from rec_sys.paths import Paths
from rec_sys.settings import read_settings
from triton_utils.server.process import ServerSettings, TritonServer

logger = logging.getLogger("triton_utils.serve")  # also where `-m` names this module __main__

LOG_FILE = "tritonserver.log"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSE = 0.1  # seconds between two looks at the server


class ServeSettings(ServerSettings):
    """A server that is started again when it dies."""

    max_restarts: int = Field(5, ge=0, description="times the server is started again within `restart_window`")
    restart_window: float = Field(300, gt=0, description="seconds; older restarts are forgotten")
    paths: Paths = Field(default_factory=Paths, description="where to write the log of the run")


register_schema("serve", ServeSettings)
register_schema("paths", Paths)


class Stop:
    """A wish to stop, made by a signal or from another thread."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the block runs the signals that end a program set this instead; a second one ends it at once."""

        def ask(number: int, _frame: FrameType | None) -> None:
            if self.is_set():
                raise KeyboardInterrupt("stopped at once")
            self.signal = signal.Signals(number)
            self.set()

        before = {number: signal.signal(number, ask) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    settings: ServeSettings, stop: Stop, log: Path | None = None, ready: Callable[[TritonServer], None] | None = None
) -> None:
    """Run a server until `stop` is set; when it dies, start it again.

    Args:
        settings: what to serve, and where.
        stop: ends the server.
        log: of the server.
        ready: called each time the server has become ready.

    Raises:
        ServeError: it cannot be started, or died more often than is allowed.
        RepositoryError: nothing is deployed.
    """
    server = TritonServer(settings, log)
    restarts: deque[float] = deque()
    try:
        while True:
            server.start()
            if not _wait_ready(server, stop):
                return
            if ready is not None:
                ready(server)
            while (code := server.ended()) is None:
                if stop.wait(PAUSE):
                    return
            if stop.is_set():
                return
            now = time.monotonic()
            restarts.append(now)
            while restarts[0] < now - settings.restart_window:
                restarts.popleft()
            if len(restarts) > settings.max_restarts:
                raise ServeError(
                    f"tritonserver died {len(restarts)} times within {settings.restart_window:g} s, the last time with "
                    f"{_in_words(code)}; see {log or 'its messages'}, or allow more with max_restarts="
                )
            logger.warning("tritonserver died with %s; starting it again", _in_words(code))
    finally:
        server.stop()


def _wait_ready(server: TritonServer, stop: Stop) -> bool:
    """Whether the server became ready; not where it was stopped before that."""
    server.wait_ready(until=stop.is_set)
    return not stop.is_set()


def _in_words(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


@command("serve_config")
def main(cfg: DictConfig) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    settings = read_settings(cfg, ServeSettings, "")
    log = Path(HydraConfig.get().runtime.output_dir) / LOG_FILE

    def announce(server: TritonServer) -> None:
        addresses = server.addresses
        print(
            f"ready: {', '.join(server.models)} of {server.repository}\n"
            f"  HTTP     http://{addresses.http}\n"
            f"  gRPC     {addresses.grpc}\n"
            f"  metrics  http://{addresses.metrics}/metrics\n"
            f"  log      {log}\n"
            f"stop with Ctrl-C",
            flush=True,
        )

    stop = Stop()
    with stop.on_signals():
        serve(settings, stop, log, announce)
    if stop.signal is signal.SIGINT:
        raise KeyboardInterrupt


if __name__ == "__main__":
    main()
