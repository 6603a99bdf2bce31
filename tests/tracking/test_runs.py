"""The MLflow store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from rec_sys.errors import TrackingError
from rec_sys.locks import exclusive
from rec_sys.paths import Paths
from rec_sys.tracking.runs import LOCK_FILE, log_file, start_run


def test_a_new_store_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path)
    second = threading.Thread(target=start_run, args=(paths, "second", {"seed": 0}, {}), daemon=True)
    with exclusive(tmp_path / LOCK_FILE):  # as the other one does while it makes the tables
        second.start()
        second.join(1.0)
        assert second.is_alive()
        assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]
    second.join(60)
    run = start_run(paths, "third", {"seed": 1}, {})
    names = [found.info.run_name for found in run.experiment.search_runs([run.experiment_id or "0"])]
    assert sorted(names) == ["second", "third"]
    assert {file.name for file in tmp_path.iterdir()} <= {"mlflow.db", "mlruns"}


def test_a_run_goes_on_or_begins_again_where_the_store_lost_it(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path)
    first = start_run(paths, "run", {"seed": 0}, {}).run_id
    assert start_run(paths, "run", {"seed": 0}, {}, first).run_id == first
    assert start_run(paths, "run", {"seed": 0}, {}, "0" * 32).run_id not in ("0" * 32, first)


def test_a_store_that_was_moved_keeps_its_files_with_it(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("kept")
    first = start_run(Paths(work_dir=tmp_path / "before"), "first", {"seed": 0}, {})
    log_file(first, tmp_path / "note.txt")
    (tmp_path / "before").rename(tmp_path / "after")
    second = start_run(Paths(work_dir=tmp_path / "after"), "second", {"seed": 0}, {})
    log_file(second, tmp_path / "note.txt")
    assert not (tmp_path / "before").exists()
    for run in (first, second):
        found = second.experiment.get_run(run.run_id).info.artifact_uri
        assert found.startswith((tmp_path / "after/mlruns").as_uri())
        assert [each.path for each in second.experiment.list_artifacts(run.run_id)] == ["note.txt"]


def test_a_store_that_could_not_be_made_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: MlflowClient) -> None:
        assert list(tmp_path.glob(".mlflow.db.*.part"))
        assert not paths.mlflow.exists()
        raise KeyboardInterrupt

    paths = Paths(work_dir=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_experiments", stopped)
        with pytest.raises(KeyboardInterrupt):
            start_run(paths, "stopped", {}, {})
    assert not list(tmp_path.iterdir())
    assert start_run(paths, "again", {}, {}).run_id


def test_a_damaged_store_is_named_in_one_line(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path)
    paths.mlflow.write_text("not a database, and longer than the header of one would be" * 9)
    with pytest.raises(TrackingError, match=r"mlflow\.db cannot be used: .*not a database.*move it away") as caught:
        start_run(paths, "run", {}, {})
    assert "\n" not in str(caught.value)


def test_a_store_that_another_program_holds_is_not_to_be_moved_away(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path)
    start_run(paths, "run", {"seed": 0}, {})
    other = sqlite3.connect(paths.mlflow, isolation_level=None)
    other.execute("begin exclusive")
    with pytest.raises(TrackingError, match=r"database is locked; close the other program"):
        start_run(paths, "run", {"seed": 0}, {})
    other.close()


def test_nothing_is_printed_that_says_nothing_to_whoever_trains(tmp_path: Path) -> None:
    """In a process of its own, where no library is imported yet and everything from INFO on is shown."""
    code = (
        "import logging, pathlib, sys; logging.basicConfig(level=logging.INFO, stream=sys.stdout);"
        "import rec_sys.command;"
        "from rec_sys.tracking.runs import start_run; from rec_sys.paths import Paths;"
        f"start_run(Paths(work_dir=pathlib.Path({str(tmp_path)!r})), 'run', {{'seed': 0}}, {{}}); print('done')"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("done\n", "")
