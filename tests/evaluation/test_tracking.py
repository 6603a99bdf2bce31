"""The MLflow store."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from rec_sys.evaluation.tracking import start_run
from rec_sys.paths import Paths


def test_a_new_store_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    paths = Paths(work_dir=tmp_path)
    descriptor = os.open(paths.mlflow.parent, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # as the other one does while it makes the tables
    started = threading.Thread(target=start_run, args=(paths, "second", {"seed": 0}, {}))
    started.start()
    started.join(1.0)
    assert started.is_alive()
    assert not paths.mlflow.exists()
    os.close(descriptor)
    started.join()
    run = start_run(paths, "third", {}, {})
    names = [found.info.run_name for found in run.experiment.search_runs([run.experiment_id or "0"])]
    assert sorted(names) == ["second", "third"]
