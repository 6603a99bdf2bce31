# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["scikit-surprise==1.1.5", "numpy"]
#
# [tool.uv]
# exclude-newer = "2026-11-21T00:00:00Z"
# ///
"""Models of ratings of Surprise."""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import version
from typing import Any

import numpy as np
import surprise

from benchmarks.peer_scripts.exchange import Ints, Settings
from benchmarks.peer_scripts.folds import Doubles, Predict, Rated, RatingModel, run_ratings


def predictions(make: Any, seeded: bool = False) -> Predict:
    def predict(rated: Rated, train: Ints, test: Ints, settings: Settings) -> Doubles:
        def rows(some: Ints) -> zip[tuple[int, int, float]]:
            columns = (rated.user[some].tolist(), rated.item[some].tolist(), rated.rating[some].tolist())
            return zip(*columns, strict=True)

        source = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
        model = make(**settings, **({"random_state": 0} if seeded else {}))
        with contextlib.redirect_stdout(io.StringIO()):  # neighbours tell what they do
            model.fit(source.construct_trainset([(*row, None) for row in rows(train)]))
        return np.array([model.predict(user, item).est for user, item, _ in rows(test)])

    return predict


def baseline(reg_u: float = 15, reg_i: float = 10) -> Any:
    """These are the library's defaults."""
    return surprise.BaselineOnly(bsl_options={"method": "als", "reg_u": reg_u, "reg_i": reg_i})


def knn(k: int = 40, name: str = "msd", user_based: bool = True) -> Any:
    return surprise.KNNBaseline(k=k, sim_options={"name": name, "user_based": user_based}, verbose=False)


DESCENT = {"n_factors": (20, 100), "n_epochs": (20, 50), "reg_all": (0.02, 0.1)}
MODELS = {
    "svd": RatingModel(predictions(surprise.SVD, seeded=True), DESCENT | {"lr_all": (0.005, 0.01)}),
    "svdpp": RatingModel(predictions(surprise.SVDpp, seeded=True), DESCENT),
    "knn_baseline": RatingModel(
        predictions(knn), {"k": (20, 40, 80), "name": ("msd", "pearson_baseline"), "user_based": (True, False)}
    ),
    "baseline_only": RatingModel(predictions(baseline), {"reg_u": (2, 5, 15), "reg_i": (3, 10, 20)}),
}

if __name__ == "__main__":
    run_ratings(MODELS, version("scikit-surprise"))
