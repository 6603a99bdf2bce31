"""The well-known models that any other has to beat, fitted and judged in the same run."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.evaluation.protocol import evaluate
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.item_knn import ItemKNN
from rec_sys.recommenders.popularity import Popularity

SMALL_CATALOGUE = 3_000  # products up to which EASE's lambda is searched for; one fit takes under a second there
LAMBDAS, RECENCIES = (20.0, 50.0, 100.0, 200.0, 500.0), (1.0, 0.9, 0.8)


@dataclass(frozen=True)
class Fitted:
    """A baseline and what it took."""

    name: str  # with what was chosen on validation
    model: Recommender
    seconds: float  # of fitting, choosing included


@dataclass(frozen=True)
class LeftOut:
    """A baseline that this data does not allow, and why."""

    name: str
    reason: str


def fit_baselines(table: ReviewTable, split: Split) -> Iterator[Fitted | LeftOut]:
    """Popularity, item kNN and EASE; EASE's settings are chosen on validation, and it is left out where too large."""
    for model in (Popularity(), ItemKNN()):
        started = time.perf_counter()
        model.fit(table, split.train)
        yield Fitted(model.name, model, time.perf_counter() - started)
    started = time.perf_counter()
    try:
        ease = choose_ease(table, split)
    except ConfigError as error:
        yield LeftOut(EASE.name, str(error))
        return
    s = ease.settings
    yield Fitted(f"EASE (lambda {s.regularisation:g}, recency {s.recency:g})", ease, time.perf_counter() - started)


def choose_ease(table: ReviewTable, split: Split) -> EASE:
    """EASE with lambda and recency chosen by ndcg@10 on validation; a large catalogue keeps the default lambda.

    Raises:
        ConfigError: the catalogue is too large for EASE.
    """
    default = EASESettings()
    lambdas = LAMBDAS if table.num_products <= SMALL_CATALOGUE else (default.regularisation,)
    best: tuple[float, EASE] | None = None
    for regularisation in lambdas:
        settings = EASESettings(regularisation=regularisation, recency=1.0)
        fitted = EASE.for_catalogue(table.num_products, settings).fit(table, split.train)
        for recency in RECENCIES:
            model = copy.copy(fitted)  # recency matters at scoring only
            model.settings = settings.model_copy(update={"recency": recency})
            value = evaluate(model, table, split.valid).masked["ndcg@10"]
            if best is None or value > best[0]:
                best = (value, model)
    assert best is not None  # noqa: S101
    return best[1]
