"""The quality benchmark: what it does once, and what it says of reports of another state of the code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import quality
from benchmarks.quality import Runs, code_digest


def test_a_report_is_made_once_and_one_of_other_code_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = []

    def run(command: list[str], check: bool) -> None:
        """In the place of a training: leaves its report, or ends without one."""
        assert check
        started.append(command)
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps({"run": len(started)}))

    monkeypatch.setattr(subprocess, "run", run)
    made_by: dict[str, str] = {}
    runs = Runs("sample", tmp_path, fresh=False, extra=["model.dim=8"], made_by=made_by)
    name = runs.name("known", 3, ["a=b"])
    report = tmp_path / "reports" / name / "report.json"
    assert runs.train("known", 3, ["a=b"]) == runs.train("known", 3, ["a=b"]) == {"run": 1}
    assert [word for word in started[0] if "=" in word] == [
        f"train.name={name}", "train.seed=3", "a=b", "model.dim=8", "data=sample", f"paths.work_dir={tmp_path}"
    ]  # fmt: skip
    assert made_by == {name: code_digest()}
    assert "--fresh" not in capsys.readouterr().out

    report.with_name("code.txt").write_text("0badc0de")
    runs.train("known", 3, ["a=b"])
    assert made_by == {name: "0badc0de"}
    assert f"{name}: made by code 0badc0de, this is {code_digest()}; --fresh makes it again" in capsys.readouterr().out

    again = Runs("sample", tmp_path, fresh=True, extra=["model.dim=8"], made_by=made_by)
    assert again.train("known", 3, ["a=b"]) == {"run": 2}
    assert made_by == {name: code_digest()}

    def fail(command: list[str], check: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(KeyboardInterrupt):
        again.train("known", 3, ["a=b"])
    runs.train("known", 3, ["a=b"])
    assert made_by == {name: "unknown"}


def test_the_state_of_the_code_follows_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "ROOT", tmp_path)
    (tmp_path / "rec_sys/train").mkdir(parents=True)
    (tmp_path / "config/data").mkdir(parents=True)
    digests = []
    for file, text in (
        ("rec_sys/train/a.py", "1"),
        ("rec_sys/train/a.py", "2"),
        ("config/data/b.yaml", "2"),
        ("rec_sys/notes.txt", "of no account"),
    ):
        (tmp_path / file).write_text(text)
        digests.append(code_digest())
    assert len(set(digests)) == 3
    assert digests[2] == digests[3]
