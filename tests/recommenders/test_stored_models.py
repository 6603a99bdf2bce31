"""Every registered model loads as an earlier program saved it, and answers what it answered then."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from rec_sys.recommenders import registry
from tests.support.recommender_contract import contract_dataset
from tests.support.stored_models import FOLDER, SCORES_FILE, scores_of


@pytest.mark.parametrize("name", registry.names())
def test_a_model_of_yesterday_loads(name: str, tmp_path: Path) -> None:
    folder = FOLDER / name
    assert folder.is_dir(), (
        f"a new model: uv run python -m tests.support.stored_models {name}, and commit what it writes"
    )
    dataset = contract_dataset()
    copy = shutil.copytree(folder / "model", tmp_path / "model")  # nothing is written into the folder that is kept
    model = registry.load(copy, dataset)
    assert model.key == name
    expected = np.load(folder / SCORES_FILE, allow_pickle=False)
    np.testing.assert_allclose(scores_of(model, dataset), expected, atol=1e-4, rtol=1e-4)
