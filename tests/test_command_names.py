"""How commands are typed by whoever has a clone, and by whoever has a wheel."""

from __future__ import annotations

import sys
from pathlib import Path

import grpc
import pytest

from rec_sys import command_names
from rec_sys.command import with_remedy
from rec_sys.command_names import command_line
from rec_sys.errors import RecSysError, RepositoryError
from triton_utils.client.attempts import Attempts, CallSettings
from triton_utils.repository.versions import Repository

DEPLOY, SERVE = "triton_utils.deploy", "triton_utils.serve"


class Refused(grpc.RpcError):
    """An answer of a server, or of nobody."""

    def __init__(self, code: grpc.StatusCode, words: str) -> None:
        super().__init__()
        self._code, self._words = code, words

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._words


def errors_of_serving(folder: Path) -> list[str]:
    """What serving says where a command helps: not deployed, damaged, nobody there, not ready, no such model."""
    said: list[RecSysError] = []
    repository = Repository(folder / "models")
    for content in (None, "{"):
        if content:
            repository.folder.mkdir()
            (repository.folder / "deployed.json").write_text(content)
        with pytest.raises(RepositoryError) as caught:
            repository.deployed()
        said.append(caught.value)
    for code, words in (
        (grpc.StatusCode.UNAVAILABLE, "failed to connect"),
        (grpc.StatusCode.UNAVAILABLE, "loading"),
        (grpc.StatusCode.NOT_FOUND, "unknown model"),
    ):
        attempts = Attempts("127.0.0.1:1", CallSettings(tries=1), "recommend")
        attempts.timeout()
        with pytest.raises(RecSysError) as failed:
            attempts.pause_after(Refused(code, words))
        said.append(failed.value)
    return [with_remedy(error) for error in said]


@pytest.mark.parametrize(
    ("first_word", "in_clone", "deploy", "serve"),
    [
        ("train.py", True, f"uv run -m {DEPLOY}", f"uv run -m {SERVE}"),
        ("rec-sys deploy", True, "rec-sys deploy", "rec-sys serve"),
        ("/opt/bin/uvicorn", False, "rec-sys deploy", "rec-sys serve"),
    ],
)
def test_serving_names_the_commands_as_they_are_typed(
    first_word: str, in_clone: bool, deploy: str, serve: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [first_word])
    monkeypatch.setattr(command_names, "IN_CLONE", in_clone)
    assert (command_line(DEPLOY), command_line(SERVE)) == (deploy, serve)
    for message, command in zip(errors_of_serving(tmp_path), [deploy, deploy, serve, deploy, deploy], strict=True):
        assert command in message
        assert ("uv run" in message) == deploy.startswith("uv run")


def test_a_module_without_a_name_is_run_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rec-sys train"])
    assert command_line("benchmarks.quality") == "python -m benchmarks.quality"
