"""Models as earlier programs saved them, and the scores they gave: what is saved today must load tomorrow.

    uv run python -m tests.support.stored_models NAME      # once, for a new model

The folders under tests/recommenders/stored/ are committed and stay as they are: where a model changes what it saves, it
still has to read these.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.recommenders.base import Recommender
from tests.support.recommender_contract import contract_dataset, query_before, small

FOLDER = Path(__file__).parents[1] / "recommenders/stored"
SCORES_FILE = "scores.npy"  # beside the folder of the model


def scores_of(model: Recommender, dataset: Dataset) -> Floats:
    """What a model answers to the first three users of validation."""
    return model.score(query_before(model, dataset, dataset.split.valid[:3]))


def store(name: str) -> None:
    """Fit a small model and save it with its scores."""
    dataset = contract_dataset()
    model = small(name).fit(dataset)
    model.save(FOLDER / name / "model")
    np.save(FOLDER / name / SCORES_FILE, scores_of(model, dataset), allow_pickle=False)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        store(each)
