"""Cross-validation of predicted ratings: the ratings in k parts, each predicted by what was learned from the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.ratings import ratings_of
from rec_sys.errors import DataError
from rec_sys.metrics.rating import rating_report
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.base import Recommender
from rec_sys.tables import Section

FIGURES = ("rmse", "mae")


@dataclass(frozen=True)
class FoldFigures:
    """One model on one fold."""

    rmse: float  # root of the mean squared error, on the scale 1 to 5
    mae: float  # mean absolute error
    fit_seconds: float
    test_seconds: float  # of predicting


@dataclass(frozen=True)
class CrossValidation:
    """One model on all folds."""

    key: str  # of the model
    name: str  # in tables
    folds: list[FoldFigures]

    def mean(self, figure: str) -> float:
        """Mean over the folds of a field of `FoldFigures`."""
        return float(np.mean(self.values(figure)))

    def values(self, figure: str) -> list[float]:
        """A field of `FoldFigures`, by fold."""
        return [getattr(fold, figure) for fold in self.folds]

    def rows(self) -> list[dict[str, Any]]:
        """A row per fold, then their mean."""
        numbered = [(str(number), fold) for number, fold in enumerate(self.folds, 1)]
        means = FoldFigures(*(self.mean(figure) for figure in FoldFigures.__dataclass_fields__))
        return [
            {
                "model": self.name,
                "fold": number,
                "RMSE": round(fold.rmse, 4),
                "MAE": round(fold.mae, 4),
                "fit, s": round(fold.fit_seconds, 3),
                "test, s": round(fold.test_seconds, 4),
            }
            for number, fold in [*numbered, ("mean", means)]
        ]


def folds_of(num_ratings: int, folds: int, seed: int) -> Ints:
    """(num_ratings,) the fold of each rating, from 0: those of scikit-surprise's `KFold(folds, random_state=seed)`.

    The first folds have one rating more where they cannot all be of one size.

    Raises:
        DataError: there are fewer ratings than folds.
    """
    if num_ratings < folds:
        raise DataError(f"{num_ratings:,} ratings cannot be cross-validated in {folds} folds; give more ratings")
    order = np.arange(num_ratings)
    np.random.RandomState(seed).shuffle(order)
    fold = np.empty(num_ratings, dtype=np.int64)
    for number, part in enumerate(np.array_split(order, folds)):
        fold[part] = number
    return fold


def cross_validate(
    models: Sequence[Recommender],
    dataset: Dataset,
    folds: int = 4,
    seed: int = 0,
    reviews: Ints | None = None,
    progress: ProgressCallback | None = None,
) -> list[CrossValidation]:
    """Figures of models on the same folds. Folds follow from the ratings and the seed, not from the file's order.

    Args:
        models: that predict ratings; each is fitted anew, with its settings, for each fold.
        dataset: where the ratings are.
        folds: how many parts.
        seed: of the parts.
        reviews: numbers of the reviews to take; None: all. For a choice leave out those of the test.
        progress: told how far the work is.

    Raises:
        DataError: there are fewer ratings than folds, or none.
    """
    table = dataset.table
    ratings = ratings_of(table, np.arange(len(table)) if reviews is None else reviews)
    fold = folds_of(len(ratings), folds, seed)
    stage = Stage("cross-validate", folds * len(models), "fits", progress)
    found: list[list[FoldFigures]] = [[] for _ in models]
    for number in range(folds):
        part = dataset.learned_from(np.sort(ratings.review[fold != number]))
        test = ratings.review[fold == number]
        for figures, model in zip(found, models, strict=True):
            figures.append(_of_fold(type(model)(model.settings), part, test))
            stage.advance()
    return [CrossValidation(model.key, model.name, figures) for model, figures in zip(models, found, strict=True)]


def _of_fold(model: Recommender, dataset: Dataset, test: Ints) -> FoldFigures:
    table = dataset.table
    started = time.perf_counter()
    model.fit(dataset)
    fitted = time.perf_counter()
    predicted = model.predict_ratings(table.user[test], table.product[test])
    done = time.perf_counter()
    report = rating_report(predicted, table.rating[test])
    return FoldFigures(float(np.sqrt(report.mse)), report.mae, fitted - started, done - fitted)


def cross_validation_section(
    found: Sequence[CrossValidation], floor: str, dataset: Dataset, left_out: str = ""
) -> Section:
    """The part of a report.

    Args:
        found: the model that is reported on, then those beside it, on the same folds.
        floor: key of the one among them that knows biases alone.
        dataset: whose rating scale is told where it is not 1 to 5.
        left_out: what of the ratings was left out.
    """
    own = found[0]
    notes = [f"{len(own.folds)} folds of all ratings, the same for each model; RMSE and MAE on the scale 1 to 5."]
    low, high = dataset.rating_scale or (1.0, 5.0)
    if (low, high) != (1.0, 5.0):
        notes.append(f"On the file's own scale, {low:g} to {high:g}, they are {(high - low) / 4:g} times as large.")
    notes += [left_out] if left_out else []
    notes += [beside_bias(own, other) for other in found[1:] if other.key == floor]
    figures = {f"cv/{figure}": own.mean(figure) for figure in FIGURES}
    figures |= {f"cv/{other.key}/{figure}": other.mean(figure) for other in found[1:] for figure in FIGURES}
    return Section("Cross-validation", [row for each in found for row in each.rows()], notes, figures)


def beside_bias(own: CrossValidation, bias: CrossValidation) -> str:
    """Whether a model is better than bias alone, as a sentence.

    By a figure, one of the two is better where the mean over folds of their difference is above the standard deviation
    of that difference between folds; else bias alone is as good.
    """
    said: dict[str, list[str]] = {"better": [], "as good": [], "worse": []}
    for figure in FIGURES:
        gains = np.array(bias.values(figure)) - np.array(own.values(figure))
        gain, spread = float(gains.mean()), float(gains.std(ddof=1))
        verdict = "better" if gain > spread else "worse" if gain < -spread else "as good"
        said[verdict].append(
            f"{figure.upper()} ({own.mean(figure):.4f} against {bias.mean(figure):.4f}, gain {gain:+.4f}, between "
            f"folds ±{spread:.4f})"
        )
    words = {
        "as good": f"Bias alone is as good here as {own.name}",
        "worse": f"Bias alone is better here than {own.name}",
        "better": f"{own.name} is better than bias alone",
    }
    return " ".join(f"{words[verdict]} by {' and '.join(said[verdict])}." for verdict in words if said[verdict])
