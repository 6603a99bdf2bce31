"""The well-known models that any other has to beat, fitted and judged in the same run.

The few settings that matter most to each are chosen by ndcg@10 (filtered) on the validation reviews, never on the test.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol, Self, TypeVar

from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError, DataError
from rec_sys.metrics.protocol import evaluate
from rec_sys.metrics.scorer import Scorer
from rec_sys.recommenders.als import ALS, ALSSettings
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.bpr import BPR, BPRSettings
from rec_sys.recommenders.ease import EASE, EASESettings, NeighbourEASE
from rec_sys.recommenders.item_knn import ItemKNN, ItemKNNSettings
from rec_sys.recommenders.popularity import Popularity
from rec_sys.recommenders.sasrec import SASRec, SASRecSettings
from rec_sys.recommenders.text_cosine import TextCosine, TextCosineSettings
from rec_sys.recommenders.text_ease import TextEASE, TextEASESettings

MAX_USERS = 25_000  # at most so many are looked at while settings are chosen, evenly picked
USERS_PER_EPOCH = 5_000  # and so many after each epoch of SASRec
Grid = Mapping[str, Sequence[float]]
DECAYS = (1.0, 0.9, 0.8)


@dataclass(frozen=True)
class Fitted:
    """A baseline and what it took."""

    name: str  # with what was chosen on validation
    model: Recommender
    seconds: float  # of fitting, choosing included


@dataclass(frozen=True)
class LeftOut:
    """A baseline that this data or this installation does not allow, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Job:
    """What every baseline is fitted to."""

    table: ReviewTable
    split: Split
    seed: int
    product_text: Vectors | None

    @property
    def texts(self) -> Vectors:
        """Raises DataError where there are none."""
        if self.product_text is None:
            raise DataError("no vectors of product texts were given")
        return self.product_text

    def value(self, model: Scorer, users: int = MAX_USERS) -> float:
        """ndcg@10 on validation, filtered."""
        valid = self.split.valid
        step = max(1, -(-len(valid) // users))
        return evaluate(model, self.table, valid[::step], among=self.split.in_histories).filtered["ndcg@10"]


def fit_baselines(
    table: ReviewTable,
    split: Split,
    names: Sequence[str] | None = None,
    seed: int = 0,
    product_text: Vectors | None = None,
) -> Iterator[Fitted | LeftOut]:
    """Fit baselines one by one, as they are asked for.

    Args:
        table: the reviews.
        split: `train` is learned from, `valid` chooses, the rest is not looked at.
        names: of `BASELINES`; None: the three that are fast and need nothing else, `DEFAULT`.
        seed: of the models that are random.
        product_text: (num_products, text_dim), for text_cosine and text_ease.

    Raises:
        ConfigError: a name is unknown.
    """
    names = DEFAULT if names is None else names
    for name in names:
        if name not in BASELINES:
            raise ConfigError(f"unknown baseline {name!r}; known: {', '.join(BASELINES)}")
    return _fit_each([BASELINES[name] for name in names], Job(table, split, seed, product_text))


def _fit_each(baselines: Sequence[tuple[str, Fit]], job: Job) -> Iterator[Fitted | LeftOut]:
    for title, fit in baselines:
        started = time.perf_counter()
        try:
            model, chosen = fit(job)
        except (ConfigError, DataError) as error:
            yield LeftOut(title, str(error))
            continue
        yield Fitted(f"{title} ({chosen})" if chosen else title, model, time.perf_counter() - started)


class Tunable(Scorer, Protocol):
    """A recommender with settings."""

    settings: Any

    def fit(self, table: ReviewTable, train: Ints) -> Self: ...


ModelT = TypeVar("ModelT", bound=Tunable)


def choose(make: Callable[[dict[str, float]], ModelT], learned: Grid, asked: Grid, job: Job) -> tuple[ModelT, str]:
    """Try every combination of settings and keep the best by validation, the first one of equals.

    Args:
        make: gives an unfitted model of some settings.
        learned: settings that need a fit for each value.
        asked: settings that matter at scoring only, so that one fit serves all their values.
        job: what to fit to.

    Returns:
        The model and what was chosen, as "shrink 10, decay 0.9".
    """
    best: tuple[float, ModelT] | None = None
    for values in product(*learned.values()):
        fitted = make(dict(zip(learned, values, strict=True))).fit(job.table, job.split.train)
        for weights in product(*asked.values()):
            model = copy.copy(fitted)
            model.settings = fitted.settings.model_copy(update=dict(zip(asked, weights, strict=True)))
            value = job.value(model)
            if best is None or value > best[0]:
                best = (value, model)
    assert best is not None  # noqa: S101
    settings = best[1].settings
    said = {"regularisation": "lambda", "learning_rate": "learning rate", "text_weight": "texts"}
    chosen = ", ".join(f"{said.get(name, name)} {getattr(settings, name):g}" for name in (*learned, *asked))
    return best[1], chosen


def _popularity(job: Job) -> tuple[Recommender, str]:
    return Popularity().fit(job.table, job.split.train), ""


def _item_knn(job: Job) -> tuple[Recommender, str]:
    return choose(
        lambda values: ItemKNN(ItemKNNSettings.read(values)),
        {"shrink": (0, 10, 30, 100)},
        {"decay": DECAYS},
        job,
    )


def _ease(job: Job) -> tuple[Recommender, str]:
    """One fit takes under a second for 3,000 products, half a minute for 10,000, and eight times that for 20,000."""
    num_products = job.table.num_products
    lambdas: Sequence[float] = (20, 50, 100, 200, 500) if num_products <= 3_000 else (50, 100, 200)
    return choose(
        lambda values: EASE(EASESettings.read(values)),
        {"regularisation": lambdas if num_products <= 10_000 else (50,)},
        {"decay": DECAYS},
        job,
    )


def _ease_pairs(job: Job) -> tuple[Recommender, str]:
    return choose(
        lambda values: NeighbourEASE(EASESettings.read(values)),
        {"pairs": (0.5, 1) if job.table.num_products <= 10_000 else (1,), "regularisation": (100,)},
        {"decay": DECAYS},
        job,
    )


def _als(job: Job) -> tuple[Recommender, str]:
    return choose(
        lambda values: ALS(ALSSettings.read({**values, "seed": job.seed})),
        {"regularisation": (20, 100), "alpha": (20, 50)},
        {"decay": DECAYS},
        job,
    )


def _bpr(job: Job) -> tuple[Recommender, str]:
    return choose(
        lambda values: BPR(BPRSettings.read({**values, "seed": job.seed})),
        {"learning_rate": (0.02, 0.05)},
        {"bias": (1, 0.25), "decay": DECAYS},
        job,
    )


def _sasrec(job: Job) -> tuple[Recommender, str]:
    """Its settings stay; validation chooses the epoch."""
    model = SASRec(SASRecSettings(seed=job.seed))
    model.fit(job.table, job.split.train, validate=lambda model: job.value(model, USERS_PER_EPOCH))
    return model, f"{model.best_epoch} epochs"


def _text_ease(job: Job) -> tuple[Recommender, str]:
    """As much as the memory of the graph model has: texts and neighbours."""
    text = job.texts
    return choose(
        lambda values: TextEASE(text, TextEASESettings.read(values)),
        {"text_weight": (3, 10, 30, 100), "pairs": (0, 1), "regularisation": (50, 100)},
        {"decay": DECAYS},
        job,
    )


def _text_cosine(job: Job) -> tuple[Recommender, str]:
    text = job.texts
    return choose(lambda values: TextCosine(text, TextCosineSettings.read(values)), {}, {"decay": DECAYS}, job)


Fit = Callable[[Job], tuple[Recommender, str]]  # the model, and what validation chose
BASELINES: dict[str, tuple[str, Fit]] = {
    "popularity": (Popularity.name, _popularity),
    "item_knn": (ItemKNN.name, _item_knn),
    "ease": (EASE.name, _ease),
    "ease_pairs": (NeighbourEASE.name, _ease_pairs),
    "als": (ALS.name, _als),
    "bpr": (BPR.name, _bpr),
    "sasrec": (SASRec.name, _sasrec),
    "text_cosine": (TextCosine.name, _text_cosine),
    "text_ease": (TextEASE.name, _text_ease),
}
DEFAULT = ("popularity", "item_knn", "ease")
