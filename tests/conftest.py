"""What every test starts from: the same environment on every machine, nothing fetched, real data only where it lies."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

# Read by the libraries when they are imported, so set before any of them is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch, MKL and FAISS alike: two tests run at a time

import pytest
from hydra.core.global_hydra import GlobalHydra
from hypothesis import settings

# A shell starts what runs in the background with Ctrl-C ignored, and programs inherit that: tests send it to programs.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("REC_SYS_SHARED_DATA") or PROJECT / "../shared/data").resolve()

REAL_SETS = (  # asked for by tests
    "all_beauty_2018",
    "instruments_2018",
    "musical_instruments_2014",
    "online_retail",
    "scientific_2018",
)

# The same examples every time, and no time limit on one: a busy machine must not turn a test red.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def away_from_the_clone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Fixtures of modules are made in an empty folder: commands without a work folder would use the clone's."""
    os.chdir(tmp_path_factory.mktemp("away"))


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in an empty folder: what lies in the clone changes nothing, and nothing is left in it."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))


@pytest.fixture(autouse=True)
def library_messages() -> Iterator[None]:
    """Loggers as they were: a command that was run shows the library's messages itself from then on."""
    ours = [logging.getLogger(name) for name in ("rec_sys", "triton_utils", "rec_chat", "rec_service")]
    before = [(each.handlers[:], each.level, each.propagate) for each in ours]
    yield
    for each, (handlers, level, propagate) in zip(ours, before, strict=True):
        each.handlers[:], each.propagate = handlers, propagate
        each.setLevel(level)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings of the person at the keyboard, and no Hydra left over from the test before."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "HYDRA_")):
            monkeypatch.delenv(name)
    GlobalHydra.instance().clear()
    yield
    GlobalHydra.instance().clear()


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Give the folder of a real data set by name; the test that asks is skipped where it is missing."""

    def folder(name: str) -> Path:
        assert name in REAL_SETS  # a misspelt one would be skipped for ever
        path = SHARED_DATA / name
        if not path.is_dir():
            pytest.skip(f"no real data {name!r} in {SHARED_DATA} (set REC_SYS_SHARED_DATA)")
        return path

    return folder


@pytest.fixture
def postgres() -> str:
    """Give the address of a PostgreSQL that tests may write to; the test that asks is skipped where none listens."""
    address = os.environ.get("REC_SYS_TEST_POSTGRES") or "postgresql://postgres@127.0.0.1:5432/postgres"
    found = urlsplit(address)
    try:
        socket.create_connection((found.hostname or "127.0.0.1", found.port or 5432), timeout=2).close()
    except OSError:
        pytest.skip("no PostgreSQL (set REC_SYS_TEST_POSTGRES)")
    return address


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs real data or a GPU where there is none; using `shared_data` is enough to be marked real_data.

    Tests of one file share their fixtures, so they stay in one process; all that ask the Triton server share that.
    """
    no_data = pytest.mark.skip(reason=f"no folder {SHARED_DATA} of real data (set REC_SYS_SHARED_DATA)")
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("real_data")
        if item.get_closest_marker("real_data") and not SHARED_DATA.is_dir():
            item.add_marker(no_data)
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        served = "served" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("served" if served else item.path.name))


def _has_gpu() -> bool:
    import torch  # only where a GPU test was chosen: it costs a second

    return torch.cuda.is_available()
