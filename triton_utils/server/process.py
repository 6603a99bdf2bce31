"""A real tritonserver on this machine, without a container: started, waited for, restarted, stopped, nothing left over.

The program comes with the wheel `nvidia-pytriton`, in an environment of its own (`tritonserver_environment.py`).
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from rec_sys.errors import ServeError
from rec_sys.files import write_json
from rec_sys.locks import exclusive, is_held
from rec_sys.settings import Settings
from triton_utils.repository.versions import DEFAULT_FOLDER, Instances, Repository, Run
from triton_utils.server.http_api import failures, is_ready

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = PROJECT / "triton_utils/server/tritonserver_environment.py"
LAUNCHER = PROJECT / "triton_utils/server/die_with_parent.py"
SERVED_LOCK, ADDRESSES = ".served.lock", ".served.json"  # in the repository: that it is served, and where
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  where the Python backend's processes exchange tensors
POLL = 0.05  # seconds
SHOWN = 15  # last lines of the log shown with an error


class ServerSettings(Settings):
    """One tritonserver."""

    repository: Path = Field(DEFAULT_FOLDER, description="folder of models, made by deploy")
    host: str = Field("127.0.0.1", description="address to listen on")
    http_port: int = Field(8000, ge=0, le=65535, description="0: any free one")
    grpc_port: int = Field(8001, ge=0, le=65535, description="0: any free one")
    metrics_port: int = Field(8002, ge=0, le=65535, description="Prometheus; 0: any free one")
    threads: int = Field(0, ge=0, description="of the text encoder and of the vector search; 0: one per core")
    instances: Instances = Field(default_factory=Instances, description="processes per model")
    start_timeout: float = Field(120, gt=0, description="seconds until all models must be ready")
    stop_timeout: float = Field(10, gt=0, description="seconds that running requests have before the server is killed")


@dataclass(frozen=True)
class Addresses:
    """Where a server listens, as host:port."""

    http: str
    grpc: str
    metrics: str


class TritonServer:
    """One tritonserver over one repository; the repository can be served once at a time.

    Start it from a thread that lives as long as it shall (the main one): it ends with the thread that started it.

        with TritonServer(ServerSettings(repository=folder, http_port=0, grpc_port=0, metrics_port=0)) as server:
            client = InferenceServerClient(server.addresses.grpc)

    Args:
        settings: repository, addresses, limits.
        log: file to which the server's own lines are appended; None: standard error.
    """

    def __init__(self, settings: ServerSettings, log: Path | None = None) -> None:
        self.settings, self.log = settings, log
        self.repository = settings.repository.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        self._ports: tuple[int, ...] = ()

    def __enter__(self) -> TritonServer:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def addresses(self) -> Addresses:
        """Where the server listens; known once it was started."""
        http_port, grpc_port, metrics_port = self._ports
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "") else self.settings.host  # noqa: S104
        return Addresses(f"{host}:{http_port}", f"{host}:{grpc_port}", f"{host}:{metrics_port}")

    @property
    def pid(self) -> int | None:
        """Of the tritonserver now running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process; `wait_ready` waits for it.

        Raises:
            ServeError: a port is taken, the environment cannot be made, or somebody serves this repository already.
            RepositoryError: nothing is deployed in it.
        """
        if self.pid is not None:
            raise ServeError(f"tritonserver runs already (process {self.pid}); stop it first")
        Repository(self.repository).deployed()  # before anything is made for it
        environment = tritonserver_environment()
        if not self._ports:
            self._hold_repository()
            self._ports = self._free_ports()
        Repository(self.repository).configure(Run(threads=self.settings.threads, instances=self.settings.instances))
        names = self.models
        command = [
            environment["python"],
            "-IS",
            str(LAUNCHER),
            str(os.getpid()),
            environment["tritonserver"],
            *self._arguments(environment, names),
        ]
        with self._log_file() as log:
            self._process = subprocess.Popen(
                command,
                env=self._variables(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us alone, and the whole group can be ended
            )
        write_json(self.repository / ADDRESSES, {"pid": self._process.pid, **asdict(self.addresses)})

    @property
    def models(self) -> list[str]:
        """Names of the models of the repository."""
        return models_in(self.repository)

    def wait_ready(self, timeout: float | None = None, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until every model of the repository answers.

        Args:
            timeout: in seconds; None: that of the settings.
            until: gives up waiting, without an error, when it says so.

        Raises:
            ServeError: the server ended, a model could not be loaded, or it took longer than `timeout` seconds.
        """
        timeout = self.settings.start_timeout if timeout is None else timeout
        end = time.monotonic() + timeout
        names = self.models
        while not until() and not all(is_ready(self.addresses.http, name) for name in names):
            if self.pid is None:
                code = self._process.returncode if self._process else None
                raise ServeError(f"tritonserver ended with code {code} before it was ready{self._last_lines()}")
            if failed := {name: why for name, why in failures(self.addresses.http).items() if name in names}:
                raise ServeError("models could not be loaded: " + "; ".join(f"{n}: {why}" for n, why in failed.items()))
            if time.monotonic() >= end:
                raise ServeError(f"tritonserver was not ready after {timeout:g} s{self._last_lines()}")
            time.sleep(POLL)

    def ended(self) -> int | None:
        """The code with which the server ended by itself; None while it runs. What it left behind is removed."""
        if self._process is None or self._process.poll() is None:
            return None
        self._clean_up()
        return self._process.returncode

    def stop(self) -> None:
        """End the server: running requests may finish, then it is killed. Nothing of it is left afterwards."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.settings.stop_timeout + 2)
        self.kill()
        if self._ports:  # else another server holds the repository, and the addresses are its own
            (self.repository / ADDRESSES).unlink(missing_ok=True)
        self._ports = ()
        self._held.close()

    def kill(self) -> None:
        """End the server and its model processes at once."""
        if self._process is not None:
            self._clean_up()
            self._process.wait()

    def _clean_up(self) -> None:
        assert self._process is not None  # noqa: S101  both callers have seen to that
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its models' processes too, which may outlive it
        for region in SHARED_MEMORY.glob(f"{self._region}*"):
            region.unlink(missing_ok=True)

    @property
    def _region(self) -> str:
        """How the names of its shared memory begin."""
        return f"rec_sys_triton_{os.getpid()}_{self._ports[1] if self._ports else 0}_"

    def _hold_repository(self) -> None:
        try:
            self._held.enter_context(exclusive(self.repository / SERVED_LOCK, wait=1.0))
        except BlockingIOError:
            served_at = addresses_of(self.repository)
            where = f" at {served_at.http} (HTTP), {served_at.grpc} (gRPC)" if served_at else ""
            raise ServeError(f"{self.repository} is served already{where}; stop that server or use it") from None

    def _free_ports(self) -> tuple[int, ...]:
        """The three ports, each bound once to see that it is free."""
        requested = (self.settings.http_port, self.settings.grpc_port, self.settings.metrics_port)
        with ExitStack() as stack:
            ports = []
            for port in requested:
                probe = stack.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.settings.host, port))
                except OSError as error:
                    self._held.close()
                    raise ServeError(
                        f"port {port} of {self.settings.host}: {error.strerror}; "
                        f"give others: http_port=, grpc_port=, metrics_port= (0: any free one)"
                    ) from error
                ports.append(int(probe.getsockname()[1]))
            return tuple(ports)

    def _arguments(self, environment: dict[str, Any], names: list[str]) -> list[str]:
        host, (http_port, grpc_port, metrics_port) = self.settings.host, self._ports
        return [
            f"--model-repository={self.repository}",
            f"--backend-directory={environment['backends']}",
            f"--backend-config=python,shm-region-prefix-name={self._region}",
            "--model-control-mode=explicit",
            *(f"--load-model={name}" for name in names),
            "--disable-auto-complete-config",  # the generated config is complete; asking the model takes a second
            "--exit-on-error=false",  # so that the reason can be asked for
            f"--exit-timeout-secs={max(1, round(self.settings.stop_timeout))}",
            f"--http-address={host}",
            f"--http-port={http_port}",
            f"--grpc-address={host}",
            f"--grpc-port={grpc_port}",
            f"--metrics-address={host}",
            f"--metrics-port={metrics_port}",
            "--reuse-http-port=false",
            "--allow-gpu-metrics=false",
        ]

    def _variables(self, environment: dict[str, Any]) -> dict[str, str]:
        left_out = ("VIRTUAL_ENV", "PYTHONHOME", "LD_PRELOAD")
        inherited = {name: value for name, value in os.environ.items() if name not in left_out}
        folder = str(Path(environment["python"]).parent)
        threads = self.settings.threads or os.cpu_count() or 1
        return inherited | {
            "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",  # by it the stub finds its environment
            "LD_LIBRARY_PATH": os.pathsep.join(environment["libraries"]),
            "PYTHONPATH": str(PROJECT),  # model.py reads it: the stub's own Python does not
            "OMP_NUM_THREADS": str(threads),  # FAISS
            "TOKENIZERS_PARALLELISM": "false",
        }

    @contextmanager
    def _log_file(self) -> Iterator[Any]:
        if self.log is None:
            yield sys.__stderr__
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as file:
            yield file

    def _last_lines(self) -> str:
        if self.log is None or not self.log.is_file():
            return ""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip(" +-|")]
        return f"; the end of {self.log}: " + " / ".join(line.strip()[:300] for line in lines[-SHOWN:])


@functools.cache
def tritonserver_environment() -> dict[str, Any]:
    """Paths of tritonserver, its backends and its Python, which are installed first where they are not.

    Raises:
        ServeError: there is no uv, or the packages cannot be had.
    """
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise ServeError("no uv in PATH; it installs tritonserver: https://docs.astral.sh/uv")
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    command = [uv, "run", "--no-project", "--script", str(ENVIRONMENT)]
    result = subprocess.run(command, capture_output=True, text=True, env=inherited, cwd="/")
    if result.returncode:
        reason = " / ".join(line.strip() for line in result.stderr.splitlines() if line.strip())
        raise ServeError(f"the environment of tritonserver cannot be made ({reason[-1000:]})")
    environment: dict[str, Any] = orjson.loads(result.stdout.splitlines()[-1])
    return environment


def models_in(repository: Path) -> list[str]:
    """Names of the models that are served from a repository."""
    return sorted(path.parent.name for path in repository.glob("[!.]*/config.pbtxt"))


def addresses_of(repository: Path) -> Addresses | None:
    """Where a repository is served on this machine; None where it is not."""
    if not is_held(repository / SERVED_LOCK):
        return None
    try:
        written = orjson.loads((repository / ADDRESSES).read_bytes())
        return Addresses(http=written["http"], grpc=written["grpc"], metrics=written["metrics"])
    except (OSError, orjson.JSONDecodeError, KeyError):
        return None  # held, but not started yet
