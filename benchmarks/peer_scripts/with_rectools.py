# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["rectools[torch]==0.19.0", "numpy<2", "pandas<3"]
#
# [tool.uv]
# exclude-newer = "2026-11-21T00:00:00Z"
# ///
"""SASRec of RecTools, with its softmax loss over all products."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from benchmarks.peer_scripts.exchange import Ints, Model, Question, Rank, Settings, Task, padded, run

EVERY = 5  # epochs between two looks at validation
MOST = 60  # epochs


def interactions(user: Ints, item: Ints) -> Dataset:
    """Places in the list stand for times."""
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(len(user)), unit="s")
    frame = pd.DataFrame({Columns.User: user, Columns.Item: item, Columns.Weight: 1.0, Columns.Datetime: days})
    return Dataset.construct(frame)


def trainer() -> Any:
    return Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def sasrec(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    """After the library's number of epochs where they are given; else after every fifth."""
    seed_everything(0, workers=True)
    options = dict(settings)
    epochs = options.pop("epochs")
    steps = [epochs] if epochs is not None else [EVERY] * (MOST // EVERY)
    model = SASRecModel(loss="softmax", deterministic=True, get_trainer_func=trainer, **options)
    data = interactions(task.user, task.item)

    def rank(question: Question) -> Ints:
        known = question.history
        asked = interactions(question.user[known.row], known.item)
        answer = model.recommend(
            question.user, asked, k=question.depth, filter_viewed=False, on_unsupported_targets="ignore"
        )
        rows = {user: group[Columns.Item].to_numpy() for user, group in answer.groupby(Columns.User, sort=False)}
        return padded([rows.get(user, ()) for user in question.user.tolist()], question.depth)

    done = 0
    for step in steps:
        model.fit_partial(data, min_epochs=step, max_epochs=step)
        done += step
        yield {**settings, "epochs": done}, rank


MODELS = {
    "sasrec": Model(
        sasrec, {"epochs": 3}, {"epochs": (None,), "session_max_len": (50,), "n_factors": (64, 128)}, patience=3
    )
}

if __name__ == "__main__":
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    run(MODELS, lambda: version("rectools"))
