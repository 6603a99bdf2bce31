"""Tests run in empty folders: what a trained model in the clone would change, it does not change here."""

from __future__ import annotations

from pathlib import Path

import pytest

from rec_sys.errors import CheckpointError, VectorBaseError
from rec_sys.paths import Paths
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.vector_database.storage import load_vector_base
from tests.conftest import PROJECT


@pytest.fixture(scope="module")
def folder_of_the_module() -> Path:
    """Where fixtures of modules are made."""
    return Path.cwd()


@pytest.mark.parametrize("turn", [1, 2])
def test_the_working_directory_is_empty_and_not_the_clone(turn: int, folder_of_the_module: Path) -> None:
    assert list(Path().iterdir()) == []
    Path("left over").touch()  # the second turn does not find it
    for folder in (Path.cwd(), folder_of_the_module):
        assert folder != PROJECT
        assert PROJECT not in folder.parents


def test_the_default_work_folder_holds_no_model() -> None:
    with pytest.raises(CheckpointError):
        find_artifact("", Paths().checkpoints)
    with pytest.raises(VectorBaseError):
        load_vector_base(Paths().vector_base)
