"""Which model a deployment takes; nothing is built here, since its vector base is missing. And what an error leaves."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rec_sys.errors import CheckpointError, VectorBaseError
from rec_sys.modules.signature import MODELS
from rec_sys.paths import Paths
from rec_sys.recommenders.artifact import MANIFEST_FILE
from rec_sys.recommenders.graph.checkpoint import save_checkpoint
from tests.support.deployed_states import SHAPE, state, version
from tests.support.exported_toy import random_checkpoint
from triton_utils import deploy as deploy_module
from triton_utils.deploy import DeploySettings, add_version, deploy
from triton_utils.repository.versions import Repository


def chosen(work_dir: Path, checkpoint: str = "") -> Path:
    """The model whose vector base a deployment asks for."""
    settings = DeploySettings(checkpoint=checkpoint, repository=work_dir / "repository", paths=Paths(work_dir=work_dir))
    with pytest.raises(VectorBaseError) as caught:
        deploy(settings)
    assert caught.value.remedy is not None
    return Path(str(caught.value.remedy.settings["checkpoint"]))


@pytest.mark.parametrize(("failing", "current"), [("_load", 1), ("_settle", 2)])
def test_a_version_is_removed_only_where_it_is_not_served(
    failing: str, current: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    repository = Repository(tmp_path / "repository")
    for number in (1, 2):
        for name in MODELS:
            (repository.folder / name / str(number)).mkdir(parents=True)
    repository.write_state(state(SHAPE))
    monkeypatch.setattr(deploy_module, "_load", lambda *arguments: None)
    monkeypatch.setattr(deploy_module, failing, fail)
    settings = DeploySettings(repository=repository.folder, server="127.0.0.1:1")
    with pytest.raises(KeyboardInterrupt):
        add_version(repository, 2, version(), settings)
    assert repository.deployed().current == current
    assert bool(repository.models(2)) == (current == 2)


def test_an_unfinished_model_is_deployed_by_name_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    models = Paths(work_dir=tmp_path).checkpoints
    made = random_checkpoint(tmp_path / "made")
    save_checkpoint(models / "stopped", replace(made, complete=False))
    with pytest.raises(CheckpointError):
        deploy(DeploySettings(repository=tmp_path / "repository", paths=Paths(work_dir=tmp_path)))
    save_checkpoint(models / "good", made)
    os.utime(models / "good" / MANIFEST_FILE, (1_000_000, 1_000_000))
    assert chosen(tmp_path) == models / "good"
    caplog.clear()
    assert chosen(tmp_path, "stopped") == models / "stopped"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(models / "stopped") in warnings[0]
    assert sorted(path.name for path in (tmp_path / "repository").iterdir() if path.name[0] != ".") == []
