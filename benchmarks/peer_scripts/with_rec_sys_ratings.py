"""Our own models of ratings, as the scripts of other libraries: the same folds, settings chosen the same way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rec_sys
from benchmarks.peer_scripts.exchange import Ints, Settings
from benchmarks.peer_scripts.folds import Doubles, Predict, Rated, RatingModel, run_ratings
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap
from rec_sys.recommenders.registry import create, recommender_class

DESCENT = {"factors": (20, 100), "epochs": (20, 50), "regularisation": (0.02, 0.1), "learning_rate": (0.005, 0.01)}
SQUARES = {"factors": (5, 10), "regularisation": (2, 5, 10, 20), "bias_shrinkage": (3, 5)}
BIASES = {"user_shrinkage": (2, 5, 15), "product_shrinkage": (3, 10, 20)}


def dataset_of(rated: Rated) -> Dataset:
    """All ratings, in their order; ids whose order is that of the numbers."""
    place = np.arange(len(rated.rating))
    table = ReviewTable(
        users=IdMap((f"{number:09d}" for number in range(int(rated.user.max()) + 1)), "user"),
        products=IdMap((f"{number:09d}" for number in range(int(rated.item.max()) + 1)), "product"),
        user=rated.user,
        product=rated.item,
        rating=rated.rating.astype(np.float32),
        timestamp=place,
        row=place,
    )
    return Dataset.of_table(table, name="export")


def predictions(key: str) -> Predict:
    seed = {"seed": 0} if recommender_class(key).seeded else {}

    def predict(rated: Rated, train: Ints, test: Ints, settings: Settings) -> Doubles:
        model = create(key, **seed, **settings).fit(dataset_of(rated).learned_from(train))
        return model.predict_ratings(rated.user[test], rated.item[test]).astype(np.float64)

    return predict


MODELS = {
    key: RatingModel(predictions(key), grid)
    for key, grid in (("svd", DESCENT), ("biased_als", SQUARES), ("rating_bias", BIASES))
}


def main(arguments: Sequence[str] | None = None) -> None:
    run_ratings(MODELS, rec_sys.__version__, arguments)


if __name__ == "__main__":
    main()
