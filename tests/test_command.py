"""Commands as a person runs them: real processes, a tiny configuration."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from rec_sys.command import with_kept_spelling

PROJECT = Path(__file__).resolve().parents[1]

APP = """
import time
from pathlib import Path
from pydantic import Field
from rec_sys.command import command, register_schema, same_settings
from rec_sys.errors import DataError
from rec_sys.settings import Settings, read_settings

class Tiny(Settings):
    dim: int = Field(3, ge=1)
    layers: int = 1

register_schema("model", Tiny)

def work(cfg):
    if cfg.mode == "data":
        raise DataError("reviews.csv is empty;\\n  give a file with reviews")
    if cfg.mode == "bug":
        raise ValueError("a bug")
    if cfg.mode == "typo":
        return cfg.mood
    if cfg.mode == "oserror":
        Path("absent").read_text()
    if cfg.mode == "show":
        return same_settings()
    if cfg.mode == "wait":
        print("ready", flush=True)
        time.sleep(60)
    return read_settings(cfg.model, Tiny, "model")

@command("tiny_config", Path(__file__).parent / "config")
def main(cfg):
    print(work(cfg))

if __name__ == "__main__":
    main()
"""

FILES = {
    "tiny_app.py": APP,
    "config/tiny_config.yaml": "defaults: [{model: wide}, _self_]\nmode: run\nhydra: {run: {dir: outputs/tiny}}\n",
    "config/model/wide.yaml": "defaults: [/schema/model@_here_, _self_]\ndim: 64\n",
    "config/model/deep.yaml": "defaults: [/schema/model@_here_, _self_]\nlayers: 9\n",
    "config/broken_config.yaml": "mode: [run\n",
}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def app(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return tmp_path / "tiny_app.py"


def start(app: Path, *words: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(
        [sys.executable, app, *words], cwd=app.parent, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def run(app: Path, *words: str) -> Result:
    with start(app, *words) as process:
        out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


def test_yaml_holds_only_what_differs_from_the_schema(app: Path) -> None:
    assert run(app) == Result(0, "dim=64 layers=1\n", "")
    assert (app.parent / "outputs/tiny/.hydra/config.yaml").is_file()
    assert run(app, "model=deep", "model.dim=5") == Result(0, "dim=5 layers=9\n", "")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("mode=data", "error: reviews.csv is empty; give a file with reviews"),
        ("model.dim=0", "error: setting model.dim=0: Input should be greater than or equal to 1"),
        ("model.dimm=5", "error: unknown setting 'model.dimm'; did you mean 'model.dim'?"),
        ("layers=5", "error: unknown setting 'layers'; did you mean 'model.layers'?"),
        ("+model.width=5", "error: unknown setting 'model.width'; known: dim, layers"),
        ("model=dep", "error: no choice 'dep' for 'model'; did you mean 'deep'?"),
        ("mode=${moode}", "error: setting mode: Interpolation key 'moode' not found"),
        ("--multirun model.dim=1,2 zzzz=1", "error: unknown setting 'zzzz'; known: model, mode"),
    ],
)
def test_expected_error_is_one_line(app: Path, words: str, line: str) -> None:
    assert run(app, *words.split()) == Result(2, "", f"{line}\n")


@pytest.mark.parametrize("word", ["mode=ù", "mode=[a&b]", "mode=[1"])
def test_a_value_that_wants_quotes(app: Path, word: str) -> None:
    result = run(app, word)
    assert (result.code, result.out) == (2, "")
    start = f"error: setting {word} cannot be read; expected key=value, with quotes around a text that holds spaces"
    assert result.err.startswith(start)
    assert result.err.endswith("\"users=['ùser 1']\"\n")
    assert run(app, "mode='ù 1'").code == 0


@pytest.mark.parametrize("folder", ["/proc/nope", "tiny_app.py/below"])
def test_a_folder_that_cannot_be_written_to(app: Path, folder: str) -> None:
    result = run(app, f"hydra.run.dir={folder}")
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(rf"error: .*{folder}: [^\n]*; give a folder [^\n]*: paths\.work_dir=FOLDER\n", result.err)


def test_the_settings_that_were_typed_can_be_shown(app: Path) -> None:
    assert run(app, "mode=show", "model.dim=5", "+name='a b'").out == """ mode=show model.dim=5 "+name='a b'"\n"""


@pytest.mark.parametrize(
    "words", ["mode", "--config-name=broken_config", "--config-name=absent", "--config-dir=absent"]
)
def test_unreadable_settings_are_one_line(app: Path, words: str) -> None:
    result = run(app, *words.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1


def test_config_folder_is_missing(app: Path) -> None:
    (app.parent / "config").rename(app.parent / "elsewhere")
    result = run(app)
    assert result.code == 2
    advice = "run from a clone of the project, or give the folder with --config-path"
    assert result.err == f"error: no folder {app.parent}/config: {advice}\n"
    assert run(app, f"--config-path={app.parent}/elsewhere").code == 0


@pytest.mark.parametrize(
    ("mode", "last"),
    [("bug", "ValueError: a bug"), ("typo", "ConfigAttributeError: Key 'mood'"), ("oserror", "FileNotFoundError")],
)
def test_bug_keeps_its_traceback(app: Path, mode: str, last: str) -> None:
    result = run(app, f"mode={mode}")
    assert result.code == 1
    assert "tiny_app.py" in result.err
    assert last in result.err


def test_ctrl_c_stops_without_a_traceback(app: Path) -> None:
    with start(app, "mode=wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "stopped\n")


def test_multirun_runs_every_job(app: Path) -> None:
    result = run(app, "--multirun", "model=wide,deep", "hydra.sweep.dir=outputs/many")
    assert result.code == 0
    assert [line for line in result.out.splitlines() if line.startswith("dim")] == ["dim=64 layers=1", "dim=3 layers=9"]
    assert {path.name for path in (app.parent / "outputs/many").iterdir()} >= {"0", "1"}


def test_help_shows_choices_and_settings(app: Path) -> None:
    result = run(app, "--help")
    assert result.code == 0
    assert "model: deep, wide" in result.out
    assert "dim: 64" in result.out


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("users=[NULL]", "users=['NULL']"),
        ("users=[5e3, true,007]", "users=['5e3','true','007']"),
        ("users=5e3", "users='5e3'"),
        ("data.nothing=[nan,-]", "data.nothing=['nan','-']"),
        ("users=all", "users=all"),
        ("users=null", "users=null"),
        ("users=", "users="),
        ("users=['a b',\"c\"]", "users=['a b',\"c\"]"),
        ("users=[a,[b]]", "users=[a,[b]]"),
        ("users=[]", "users=[]"),
        ("k=5", "k=5"),
        ("--help", "--help"),
    ],
)
def test_ids_keep_their_spelling(typed: str, kept: str) -> None:
    assert with_kept_spelling(typed) == kept
