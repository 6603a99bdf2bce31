"""MLflow: one run per training and per judged model, in an SQLite file of one's own. `uv run mlflow ui` shows it."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from rec_sys.errors import TrackingError
from rec_sys.locks import exclusive
from rec_sys.paths import Paths

EXPERIMENT = "rec_sys"
LOCK_FILE = "mlflow.db.lock"
FAIL_SECONDS = 5.0


class RunLogger(MLFlowLogger):
    """A run. That it failed is written by `fail_run`, after Lightning is done.

    Lightning ends a run while it handles Ctrl-C, when what was interrupted may be a transaction of MLflow that still
    holds the file: the run could not be ended, and the error would stand in the place of the stop.
    """

    def finalize(self, status: str = "success") -> None:
        if status != "failed":
            super().finalize(status)


def fail_run(logger: MLFlowLogger) -> None:
    """Mark a run as failed; call it outside `except`, where nothing keeps the interrupted call alive.

    There is another error to report, so one of the tracking store is passed over, and a store that another program
    holds is waited for no longer than FAIL_SECONDS.
    """
    gc.collect()

    def write() -> None:
        with contextlib.suppress(Exception):
            logger.experiment.set_terminated(logger.run_id, "FAILED")

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(FAIL_SECONDS)


def start_run(
    paths: Paths, run_name: str, parameters: Mapping[str, Any], tags: Mapping[str, str], run_id: str | None = None
) -> RunLogger:
    """Open a run and write down its parameters (nested ones with slashes), or go on with the run `run_id`.

    Where the store no longer knows that run, because it was deleted meanwhile, another is opened.

    Raises:
        TrackingError: the store cannot be used.
    """
    # Notes on how the store is made say nothing to whoever trains a model. MLflow sets its levels when it is imported.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.loggers.mlflow").setLevel(logging.ERROR)
    from alembic.util.exc import CommandError  # here, since it tells of its plugins when it is imported

    tags = {**tags, "git_commit": git_commit(), "command": " ".join(sys.argv)}
    try:
        with exclusive(paths.mlflow.with_name(LOCK_FILE), wait=None, remove=True):  # one makes the tables
            _make_store(paths.mlflow)
            _point_here(paths.mlflow, paths.work_dir / "mlruns")
            known = run_id if run_id and _knows(paths.mlflow, run_id) else None
            logger = RunLogger(
                experiment_name=EXPERIMENT,
                run_name=run_name,
                tracking_uri=address_of(paths.mlflow),
                artifact_location=_location(paths.work_dir / "mlruns"),
                run_id=known,
                tags=tags,
            )
            if known:
                logger.experiment.update_run(known, "RUNNING")
            else:
                logger.log_hyperparams(dict(parameters))
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise TrackingError(f"the MLflow store {paths.mlflow} cannot be used: {reason}; {_advice(reason)}") from error
    return logger


def _make_store(path: Path) -> None:
    """Make a store where there is none: whole or not at all, since one left half made could never be opened again."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".part") as folder:
        temporary = Path(folder) / path.name
        MlflowClient(address_of(temporary)).search_experiments()
        if not path.exists():  # a program that knows nothing of our lock may have made one
            os.replace(temporary, path)


def _location(folder: Path) -> str:
    return folder.resolve().as_uri()


def _point_here(store: Path, folder: Path) -> None:
    """Have a store whose work folder was moved find the files of its runs.

    MLflow keeps whole addresses, and would write the next files where the folder was.
    """
    here = _location(folder)
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        asked = "select artifact_location from experiments where name = ?"
        for (before,) in connection.execute(asked, [EXPERIMENT]).fetchall():
            if before == here or not before.startswith("file:"):
                continue
            connection.execute(
                "update runs set artifact_uri = ? || substr(artifact_uri, ?) where substr(artifact_uri, 1, ?) = ?",
                [here, len(before) + 1, len(before) + 1, f"{before}/"],
            )
            connection.execute("update experiments set artifact_location = ? where name = ?", [here, EXPERIMENT])


def _knows(store: Path, run_id: str) -> bool:
    try:
        MlflowClient(address_of(store)).get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _advice(reason: str) -> str:
    """What to do; only a store that can hold nothing worth keeping is told to be moved away."""
    if "locked" in reason:
        return "close the other program that holds it, or wait for it, and run again"
    if "not a database" in reason or "already exists" in reason:
        return "move it away and a new one is made"
    return "if it cannot be mended, name another folder with paths.work_dir=..."


def address_of(store: Path) -> str:
    """Of a store, as MLflow takes it."""
    return f"sqlite:///{store.resolve()}"


def log_figures(logger: MLFlowLogger, figures: Mapping[str, float], step: int | None = None) -> None:
    """Write figures down; MLflow allows no "@" in a name."""
    logger.log_metrics({name.replace("@", "_at_"): value for name, value in figures.items()}, step)


def log_file(logger: MLFlowLogger, path: Path) -> None:
    """Keep a file with the run."""
    logger.experiment.log_artifact(logger.run_id, str(path))


def log_folder(logger: MLFlowLogger, path: Path) -> None:
    """Keep a folder, such as a model's, with the run under its name."""
    logger.experiment.log_artifacts(logger.run_id, str(path), path.name)


def git_commit() -> str:
    """The commit of the checkout this package runs from, with "+" where files differ from it; "" outside git."""
    folder = Path(__file__).parent
    try:
        commit = _git("rev-parse", "--short=12", "HEAD", folder=folder)
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no", folder=folder) else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*arguments: str, folder: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
