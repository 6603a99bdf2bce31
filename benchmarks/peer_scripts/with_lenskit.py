# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["lenskit==2025.8.1", "numpy", "pandas"]
#
# [tool.uv]
# exclude-newer = "2026-11-21T00:00:00Z"
# ///
"""Models of LensKit: the newest release that runs on Python 3.11."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from lenskit.als import ImplicitMFScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer
from lenskit.training import TrainingOptions

from benchmarks.peer_scripts.exchange import Ints, Model, Question, Rank, Settings, Task, first_items, run


def scorer(kind: Any) -> Any:
    def fit(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
        frame = pd.DataFrame({"user_id": task.user, "item_id": task.item}).drop_duplicates()
        model = kind(**settings)
        model.train(from_interactions_df(frame), TrainingOptions(rng=0))
        every = ItemList(item_ids=np.arange(task.num_items))  # those without training interactions get no score
        known = np.bincount(task.item, minlength=task.num_items) > 0

        def rank(question: Question) -> Ints:
            scores = np.empty((len(question.history), task.num_items), dtype=np.float32)
            for row, history in enumerate(question.history):
                # neighbours and factors end with an error where a history holds an item that training lacks
                items = ItemList(item_ids=np.unique(history[known[history]]))
                query = RecQuery(history_items=items)  # no user: what they have is all that is known
                scores[row] = model(query, every).scores("numpy")
            return first_items(scores, question.depth)

        yield settings, rank

    return fit


WEIGHTS = {"embedding_size": (50, 128), "regularization": (0.1, 5.0, 20.0), "weight": (10.0, 40.0)}
MODELS = {
    "item_knn": Model(
        scorer(ItemKNNScorer),
        {"feedback": "implicit"},
        {"max_nbrs": (5, 20, 50), "save_nbrs": (20, 100, None), "min_sim": (1e-6, 0.05)},
    ),
    "implicit_mf": Model(scorer(ImplicitMFScorer), {}, WEIGHTS),
    "ease": Model(scorer(EASEScorer), {}, {"regularization": (20.0, 50.0, 100.0, 200.0, 500.0)}),
}

if __name__ == "__main__":
    run(MODELS, lambda: version("lenskit"))
