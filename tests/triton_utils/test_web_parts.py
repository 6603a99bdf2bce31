"""Parts of the web app by themselves: settings from the environment, rates, what is shown of Triton's metrics."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from rec_sys.errors import ConfigError
from tests.conftest import PROJECT
from triton_utils.web.errors import CAUSES
from triton_utils.web.limits import CLIENTS, Rate
from triton_utils.web.metrics import triton_metrics
from triton_utils.web.settings import WebSettings, settings_of


def test_settings_come_from_the_environment() -> None:
    environment = {"REC_SYS_MAX_REVIEWS": "7", "REC_SYS_MODEL_REPOSITORY": "/models", "REC_SYS_DEADLINE": "2.5"}
    others = {"REC_SYS_SHARED_DATA": "somewhere", "MAX_REVIEWS": "9", "PATH": "/bin"}
    settings = settings_of({**environment, **others})
    assert settings == WebSettings(max_reviews=7, model_repository=Path("/models"), deadline=2.5)
    assert settings_of({}) == WebSettings()


def test_the_variables_of_the_documentation_are_understood() -> None:
    """They stand in compose files of others, so none may change its name."""
    documented = set(re.findall(r"`REC_SYS_(\w+)`", (PROJECT / "docs/serving.md").read_text()))
    assert len(documented) > 10
    assert {name.lower() for name in documented} <= set(WebSettings.model_fields)


def test_the_documentation_lists_every_cause_of_a_failure() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| (.*) \|$", (PROJECT / "docs/serving.md").read_text(), re.MULTILINE)
    for cause in CAUSES:
        assert any(str(cause.status) in statuses and f"`{cause.name}`" in text for statuses, text in rows), cause


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REC_SYS_MAX_REVIEW", "7", "REC_SYS_MAX_REVIEW; did you mean REC_SYS_MAX_REVIEWS"),
        ("REC_SYS_RUNNING", "0", "environment.running='0'.*greater than or equal to 1"),
        ("REC_SYS_DEADLINE", "soon", "environment.deadline='soon'"),
    ],
)
def test_settings_that_make_no_sense(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings_of({name: value})


def test_a_bucket_holds_two_seconds_and_fills_evenly() -> None:
    now = 0.0
    rate = Rate(5, clock=lambda: now)
    assert [rate.allows("a") for _ in range(12)] == [True] * 10 + [False] * 2
    assert rate.allows("b")
    now = 0.2  # one more
    assert [rate.allows("a") for _ in range(2)] == [True, False]
    now = 100.0
    assert [rate.allows("a") for _ in range(12)] == [True] * 10 + [False] * 2
    assert all(Rate(0).allows("a") for _ in range(1000))


def test_as_many_clients_are_remembered_and_no_more() -> None:
    rate = Rate(0.001, clock=lambda: 0.0)
    for number in range(CLIENTS + 50):
        assert rate.allows(str(number))
    assert len(rate._left) == CLIENTS
    assert not rate.allows(str(CLIENTS + 49))


TRITON = """# HELP nv_inference_request_success Number of successful inference requests
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="recommend",version="1"} 12
# HELP nv_cpu_utilization CPU utilization rate
nv_cpu_utilization 0.5
rec_sys_text_cache_hits{model="recommend",version="1"} 3
"""


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
def test_what_is_shown_of_tritons_metrics(status: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n\r\n{TRITON}".encode())
        await writer.drain()
        writer.close()

    async def ask() -> bytes:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await triton_metrics(f"127.0.0.1:{port}")

    shown = "".join(line for line in TRITON.splitlines(keepends=True) if "cpu" not in line)
    assert asyncio.run(ask()).decode() == (shown if status.startswith("200") else "")


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "127.0.0.1:port"])
def test_metrics_of_nobody(address: str) -> None:
    assert asyncio.run(triton_metrics(address)) == b""
