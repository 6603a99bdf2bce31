"""Models with their settings chosen on validation: one grid search over `Recommender.grid`, for every model.

Choices go by ndcg@10 with seen items filtered on the validation reviews, never on the test.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from rec_sys.dataset.dataset import Dataset
from rec_sys.errors import ConfigError, DataError
from rec_sys.metrics.grid_search import grid_search
from rec_sys.metrics.validation import validation_score
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Grid, Recommender
from rec_sys.recommenders.registry import recommender_class

MAX_USERS = 25_000  # at most so many are ranked while settings are chosen, evenly picked
USERS_PER_EPOCH = 5_000  # and so many after each epoch of a model that is trained in epochs
DEFAULT = ("popularity", "item_knn", "ease")  # fast, and they need nothing but users and products
WORDS = {"regularisation": "lambda", "learning_rate": "learning rate", "text_weight": "texts"}  # of settings, in tables


@dataclass(frozen=True)
class Fitted:
    """A model and what it took."""

    name: str  # with what was chosen on validation
    model: Recommender
    seconds: float  # of fitting, choosing included


@dataclass(frozen=True)
class LeftOut:
    """A model that this data or this installation does not allow, and why."""

    name: str
    reason: str


def fit_baselines(
    dataset: Dataset, names: Sequence[str] = DEFAULT, seed: int = 0, progress: ProgressCallback | None = None
) -> Iterator[Fitted | LeftOut]:
    """Fit models one by one, as they are asked for.

    Args:
        dataset: `split.train` is learned from, `split.valid` chooses, the rest is not looked at.
        names: in the registry.
        seed: of the models that are random.
        progress: told how far the work is.

    Raises:
        ConfigError: a name is unknown.
    """
    classes = [recommender_class(name) for name in names]  # an unknown name is refused before anything is fitted
    return (fit_or_leave_out(model, dataset, seed, progress) for model in classes)


def fit_or_leave_out(
    model: type[Recommender], dataset: Dataset, seed: int = 0, progress: ProgressCallback | None = None
) -> Fitted | LeftOut:
    """A model with its settings chosen on validation, or why it cannot be had."""
    started = time.perf_counter()
    try:
        fitted = fit_best(model, dataset, seed, progress)
    except (ConfigError, DataError) as error:
        return LeftOut(model.name, str(error))
    choice = chosen(fitted, model.grid(dataset.table.num_products))
    name = f"{model.name} ({choice})" if choice else model.name
    return Fitted(name, fitted, time.perf_counter() - started)


def fit_best(
    model: type[Recommender],
    dataset: Dataset,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    grid: Grid | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Recommender:
    """Fit every combination of a grid and keep the best on validation, the first one of equals.

    Args:
        model: the class.
        dataset: what to fit to.
        seed: of a model that is random.
        progress: told how far the work is.
        grid: None: the model's own.
        fixed: settings that are not chosen.

    Raises:
        ConfigError: the model does not go with this data or installation.
        DataError: the data lacks what the model needs.
    """
    grid = model.grid(dataset.table.num_products) if grid is None else grid
    seeded: dict[str, Any] = {**({"seed": seed} if model.seeded else {}), **(fixed or {})}

    def candidates() -> Iterator[Recommender]:
        for values in _combinations(grid.fitted):
            fitted = model(None, **seeded, **values).fit(dataset, _epoch_value, progress)
            for weights in _combinations(grid.scored):
                yield fitted.with_settings(**weights)

    if not grid.fitted and not grid.scored:
        return next(candidates())
    # only the best model stays in memory; of the others the search keeps what was chosen
    return grid_search(candidates(), valid_ndcg, label=lambda candidate: chosen(candidate, grid)).best


def valid_ndcg(model: Recommender, max_users: int = MAX_USERS) -> float:
    """ndcg@10 on validation, seen items filtered, of a model on the data it was fitted on.

    Raises:
        DataError: there are no validation reviews to choose by.
    """
    data, valid = model.data, model.data.split.valid
    if not len(valid):
        raise DataError(f"{data.name} has no validation reviews, so the settings of {model.name} cannot be chosen")
    step = max(1, -(-len(valid) // max_users))
    return validation_score(model, model.table_of(data), valid[::step], data.split.in_histories)


def chosen(model: Recommender, grid: Grid) -> str:
    """What validation chose, as "lambda 50, decay 0.9"."""
    settings = [f"{WORDS.get(name, name)} {getattr(model.settings, name):g}" for name in (*grid.fitted, *grid.scored)]
    return ", ".join([*settings, *([model.chosen] if model.chosen else [])])


def _epoch_value(model: Recommender) -> float:
    return valid_ndcg(model, USERS_PER_EPOCH)


def _combinations(values: Mapping[str, Sequence[float]]) -> Iterator[dict[str, Any]]:
    """Every combination of the values, the last name changing fastest; one empty one where there are none."""
    for combination in product(*values.values()):
        yield dict(zip(values, combination, strict=True))
