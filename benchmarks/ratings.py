"""How well ratings are predicted, and how fast: the models of ratings beside scikit-surprise, on the same folds.

    uv run -m benchmarks.ratings [--trials 40] [--pairs 2000000] [--sets musical_instruments_2014 generated]

Four folds. "Surprise: SVD" is `surprise.model_selection.cross_validate` on our folds; "its own KFold" cuts the same
folds from the same list with the same seed, and learns in another order. What a search finds is chosen without the test
reviews (the last of each user), then cross-validated like the others on all ratings. The generated set has the sizes of
MovieLens 100k and known structure; the other is read from $REC_SYS_SHARED_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import surprise
from surprise.model_selection import KFold
from surprise.model_selection import cross_validate as surprise_cross_validate

from benchmarks.rating_sets import rating_set
from benchmarks.report import print_table, report
from rec_sys.arrays import Ints
from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.ratings import Ratings, ratings_of
from rec_sys.dataset.settings import DataSettings
from rec_sys.paths import Paths
from rec_sys.recommenders.cross_validation import CrossValidation, cross_validate, folds_of
from rec_sys.recommenders.rating_model import RatingModel
from rec_sys.recommenders.registry import create
from rec_sys.text.settings import EncoderSettings
from rec_sys.train.rating_search import search_ratings
from rec_sys.train.settings import SearchSettings

FOLDS, SEED = 4, 0
MUSICAL = "musical_instruments_2014"
FILE = f"{MUSICAL}/Musical_instruments_reviews.csv.gz"
AT_ONCE = 100_000  # pairs that Surprise is asked for


class SameFolds:
    """Our folds, each list in our order, as Surprise wants them."""

    def __init__(self, fold: Ints) -> None:
        self.fold = fold

    def split(self, data: Any) -> Iterator[tuple[Any, Any]]:
        for number in range(FOLDS):
            learned = [data.raw_ratings[place] for place in np.flatnonzero(self.fold != number)]
            tested = [data.raw_ratings[place] for place in np.flatnonzero(self.fold == number)]
            yield data.construct_trainset(learned), data.construct_testset(tested)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, help="of each search")
    parser.add_argument("--pairs", type=int, default=2_000_000, help="predicted at once")
    parser.add_argument("--sets", nargs="+", default=[MUSICAL, "generated"], choices=[MUSICAL, "generated"])
    parser.add_argument("--work-dir", type=Path, default=Path())
    parser.add_argument("--name", default="ratings", help="of the result file")
    args = parser.parse_args()
    logging.getLogger("rec_sys").setLevel(logging.ERROR)
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    speed: list[dict[str, Any]] = []
    for name in args.sets:
        data = dataset_of(name, args.work_dir)
        rows += [{"data": name, **row} for row in accuracy(data, args.trials, found)]
        speed += [{"data": name, **row} for row in speeds(data, args.pairs)]
    print_table(speed)
    print()
    report(
        args.name,
        rows,
        data=f"{FOLDS}-fold cross-validation of all ratings: {', '.join(args.sets)}",
        seed=SEED,
        searches=found,
        speed=speed,
        surprise=surprise.__version__,
        threads=os.environ.get("OMP_NUM_THREADS", "all"),
    )


def dataset_of(name: str, work_dir: Path) -> Dataset:
    if name == "generated":
        return Dataset.of_table(rating_set(seed=SEED).table, name="generated")
    folder = Path(os.environ.get("REC_SYS_SHARED_DATA", "../shared/data"))
    return load_data(DataSettings(path=str(folder / FILE), name=name), EncoderSettings(), Paths(work_dir=work_dir))


def accuracy(data: Dataset, trials: int, found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row per model: means over the folds."""
    models: dict[str, RatingModel] = {
        "user + product bias": create_rating_model("rating_bias"),
        "SVD": create_rating_model("svd"),
        "SVD, 20 factors": create_rating_model("svd", factors=20),
        "biased ALS": create_rating_model("biased_als"),
    }
    for key in ("svd", "biased_als"):
        started = time.perf_counter()
        search = search_ratings(create_rating_model(key), data, SearchSettings(trials=trials))
        found[f"{data.name}: {key}"] = search.to_dict() | {"seconds": round(time.perf_counter() - started, 1)}
        models[f"{create_rating_model(key).name}, searched"] = create_rating_model(key, **search.settings)
    figures = cross_validate(list(models.values()), data, FOLDS, SEED)
    rows = [row_of(name, each) for name, each in zip(models, figures, strict=True)]
    return rows + of_surprise(ratings_of(data.table, np.arange(len(data.table))))


def create_rating_model(key: str, **settings: Any) -> RatingModel:
    model = create(key, **settings)
    assert isinstance(model, RatingModel)
    return model


def row_of(name: str, figures: CrossValidation) -> dict[str, Any]:
    return {
        "model": name,
        "RMSE": round(figures.mean("rmse"), 4),
        "MAE": round(figures.mean("mae"), 4),
        "fit, s": round(figures.mean("fit_seconds"), 3),
        "test, s": round(figures.mean("test_seconds"), 4),
    }


def of_surprise(ratings: Ratings) -> list[dict[str, Any]]:
    """The library's own cross-validation."""
    data = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    entries = zip(ratings.user.tolist(), ratings.product.tolist(), ratings.rating.tolist(), strict=True)
    data.raw_ratings = [(*entry, None) for entry in entries]
    same = SameFolds(folds_of(len(ratings), FOLDS, SEED))
    asked: Sequence[tuple[str, Any, Any]] = (
        ("Surprise: SVD", surprise.SVD(random_state=SEED), same),
        ("Surprise: SVD, its own KFold", surprise.SVD(random_state=SEED), KFold(FOLDS, random_state=SEED)),
        ("Surprise: bias (ALS)", surprise.BaselineOnly(verbose=False), same),
        ("Surprise: SVD++", surprise.SVDpp(random_state=SEED), same),
    )
    rows = []
    for name, algorithm, cv in asked:
        figures = surprise_cross_validate(algorithm, data, ["rmse", "mae"], cv)
        rows.append(
            {
                "model": name,
                "RMSE": round(float(np.mean(figures["test_rmse"])), 4),
                "MAE": round(float(np.mean(figures["test_mae"])), 4),
                "fit, s": round(float(np.mean(figures["fit_time"])), 3),
                "test, s": round(float(np.mean(figures["test_time"])), 4),
            }
        )
    return rows


def speeds(data: Dataset, pairs: int) -> list[dict[str, Any]]:
    """Predictions per second of SVD with 100 factors: ours by numbers and by ids, and Surprise's; the best of three."""
    table, generator = data.table, np.random.default_rng(SEED)
    model = create_rating_model("svd").fit(data)
    assert isinstance(model, RatingModel)
    users, products = generator.integers(0, table.num_users, pairs), generator.integers(0, table.num_products, pairs)
    few = min(pairs, AT_ONCE)
    user_ids, product_ids = (
        [ids.id(each) for each in numbers[:few].tolist()]
        for ids, numbers in ((table.users, users), (table.products, products))
    )
    source = surprise.Dataset(surprise.Reader(rating_scale=(1, 5)))
    ratings = ratings_of(table, data.split.train)
    learned = zip(ratings.user.tolist(), ratings.product.tolist(), ratings.rating.tolist(), strict=True)
    theirs = surprise.SVD(random_state=SEED).fit(source.construct_trainset([(*each, None) for each in learned]))
    asked = [(int(user), int(product), 3.0) for user, product in zip(users[:few], products[:few], strict=True)]
    one = users[:1], products[:1]
    single = 2_000

    def ours_one_by_one() -> None:
        for _ in range(single):
            model.predict_ratings(*one)

    return [
        speed("SVD: predict_ratings, by numbers", pairs, lambda: model.predict_ratings(users, products)),
        speed("SVD: predict, by ids, a table", few, lambda: model.predict(user_ids, product_ids)),
        speed("SVD: predict_ratings, one by one", single, ours_one_by_one),
        speed("Surprise: test", few, lambda: theirs.test(asked)),
    ]


def speed(name: str, count: int, work: Callable[[], Any]) -> dict[str, Any]:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return {"model": name, "pairs": count, "predictions per second": round(count / min(seconds))}


if __name__ == "__main__":
    main()
