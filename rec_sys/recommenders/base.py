"""The interface of every recommender: fit, score, recommend, similar, evaluate, save, load.

A new recommender is one file: settings, `key`, `name`, `paper`, `settings_class`, and the methods `_fit`, `_score`,
`_arrays` and `_restore`; docs/development.md has an example.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset, Need
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Part
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import CheckpointError, ConfigError, NotFittedError
from rec_sys.files import write_json
from rec_sys.ids import IdMap
from rec_sys.metrics.protocol import RankingReport
from rec_sys.metrics.ranking import CUTOFFS
from rec_sys.metrics.scorer import TwoWayScorer
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import Artifact, Manifest, read_artifact, with_work_folder, writing_artifact
from rec_sys.recommenders.held_out import evaluate_held_out
from rec_sys.recommenders.questions import (
    BareReviews,
    Question,
    question_of_histories,
    question_of_reviews,
    question_of_users,
    single_histories,
)
from rec_sys.recommenders.top_products import Catalogue, cosines_to, similar_products, top_products
from rec_sys.settings import Settings
from rec_sys.tables import Section

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

Validate = Callable[["Recommender"], float]
Arrays = dict[str, np.ndarray[Any, Any]]
ARRAYS_FILE, PRODUCTS_FILE = "arrays.safetensors", "products.json"
GIVE_DATA = "give it: load(folder, dataset=data) or model.dataset = data"


@dataclass(frozen=True)
class Grid:
    """The settings that validation chooses among."""

    fitted: Mapping[str, Sequence[float]] = field(default_factory=dict)  # each value needs a fit
    scored: Mapping[str, Sequence[float]] = field(default_factory=dict)  # matter at scoring only: one fit serves all


class Recommender(ABC):
    """A model that scores every product of a catalogue for a user's history.

    Args:
        settings: of the model; None: its defaults.
        values: single settings by name, instead of `settings`.

    Raises:
        ConfigError: a setting is unknown or out of its limits.
    """

    key: ClassVar[str]  # in the registry, in settings and on the command line
    name: str  # in tables; of the class
    paper: ClassVar[str]  # where the method was published
    settings_class: ClassVar[type[Settings]]
    needs: ClassVar[frozenset[Need]] = frozenset()  # what a data set must have
    seeded: ClassVar[bool] = False  # whether the figures depend on `settings.seed`
    reads_review_texts: ClassVar[bool] = False  # whether `Query.reviews` must hold the vectors of review texts
    is_personal: ClassVar[bool] = True  # false: everybody gets the same list, but for what is filtered
    predicts_ratings: ClassVar[bool] = False  # whether `predict_ratings` is defined
    used_fitted_on_all: ClassVar[bool] = False  # whether training ends with a fit on all reviews, once evaluated

    def __init__(self, settings: Settings | None = None, **values: Any) -> None:
        if settings is not None and values:
            raise TypeError("give either settings or single values, not both")
        self.settings: Any = self.settings_class.read(values, self.key) if settings is None else settings
        self.products: IdMap | None = None  # of the catalogue, once fitted
        self.product_names: list[str] = []  # one per product; empty where none is known
        self.info: dict[str, Any] = {}  # what it was fitted on: plain JSON
        self.dataset: Dataset | None = None  # what it was fitted on; a loaded model may be given one

    def __repr__(self) -> str:
        values = ", ".join(f"{key}={value!r}" for key, value in self.settings.model_dump().items())
        state = "not fitted" if self.products is None else f"fitted, {len(self.products):,} products"
        return f"<{type(self).__name__}({values}): {state}>"

    # ---- what a recommender defines -----------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        """Learn from the training reviews of the data set, and from nothing else in it."""

    @abstractmethod
    def _score(self, query: Query) -> Floats:
        """(len(query), num_products) float32."""

    @abstractmethod
    def _arrays(self) -> Arrays:
        """What was learned, as plain arrays."""

    @abstractmethod
    def _restore(self, arrays: Arrays) -> None:
        """Take back what `_arrays` gave."""

    def predict_ratings(self, users: Ints, products: Ints) -> Floats:
        """(n,) predicted ratings, on the scale 1 to 5, of n pairs of numbers; -1: a new user or product."""
        raise NotImplementedError(f"{self.name} predicts no ratings")

    def answered_by(self, query: Query) -> list[str] | None:
        """How each user of a query is answered, such as "own factors" or "popularity"; None: all alike."""
        return None

    def sections(self, dataset: Dataset, progress: ProgressCallback | None = None) -> list[Section]:
        """Figures of a report that only this kind of model has, such as a cross-validation; made by training."""
        return []

    @classmethod
    def registered_name(cls) -> str:
        """Of the versions in MLflow's registry."""
        return cls.key

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        """What validation chooses among; nothing by default."""
        return Grid()

    @property
    def chosen(self) -> str:
        """What fitting itself chose on validation, in words for tables, such as the number of epochs."""
        return ""

    @property
    def item_vectors(self) -> Floats | None:
        """(num_products, dim) vectors whose cosine tells which products are alike; None: the model has none."""
        return None

    @property
    def review_text_dim(self) -> int:
        """Length of the vectors of review texts that `Query.reviews` must hold; 0: none are read."""
        return 0

    def _question_of_reviews(self, reviews: object) -> Question:
        """What `recommend(reviews=...)` asks; a model that reads texts, ratings or times of reviews overrides it."""
        return question_of_reviews(self.fitted_products, reviews, self.review_text_dim)

    # ---- what everybody calls -----------------------------------------------------------------------------------

    @property
    def max_history(self) -> int:
        """Newest entries of a history that are read."""
        return 20

    @property
    def is_fitted(self) -> bool:
        """Whether it can be asked."""
        return self.products is not None

    @property
    def fitted_products(self) -> IdMap:
        """The catalogue.

        Raises:
            NotFittedError: it has not been fitted.
        """
        if self.products is None:
            raise NotFittedError(f"{self.name} has not been fitted; call fit(dataset) first, or load a saved model")
        return self.products

    def fit(self, dataset: Dataset, validate: Validate | None = None, progress: ProgressCallback | None = None) -> Self:
        """Learn from the training part of a data set.

        Args:
            dataset: reviews with their split.
            validate: how good the model is on validation, higher is better; asked by models that are trained in
                epochs, which keep the best one. None: such models train all their epochs.
            progress: told how far the work is.

        Raises:
            DataError: the data lacks what this model needs; the message names it.
            ConfigError: a setting does not go with this data.
        """
        dataset.check_has(self.needs, self.name)
        # Set beforehand, since `validate` asks the model while it is fitted.
        self.products, self.product_names, self.dataset = dataset.table.products, dataset.names, dataset
        try:
            self._fit(dataset, validate, progress)
        except BaseException:
            self.products = None
            raise
        self.info = dataset.facts()
        if "texts" in self.needs or self.reads_review_texts:
            self.info["encoder"] = dataset.vectors.encoder
        return self

    def with_settings(self, **values: Any) -> Self:
        """The same model with other settings, sharing what was learned: for settings that matter at scoring only."""
        other = copy.copy(self)
        other.settings = self.settings_class.read({**self.settings.model_dump(), **values}, self.key)
        return other

    def score(self, query: Query) -> Floats:
        """Score every product.

        Returns:
            (len(query), num_products) float32, higher is better; seen items are not filtered here.

        Raises:
            NotFittedError: it has not been fitted.
        """
        _ = self.fitted_products
        return self._score(query)

    def recommend(
        self,
        users: str | Sequence[str] | None = None,
        *,
        history: Sequence[str] | None = None,
        reviews: object = None,
        k: int = 10,
        exclude_seen: bool = True,
    ) -> DataFrame:
        """The best products for known users, for a history, or for the reviews of new users.

        Give one of `users`, `history` and `reviews`. Products that the model does not know are left out of a history
        and a logged warning counts them; without any known product the answer is that of an empty history.

        Args:
            users: ids of the data set, one or several.
            history: product ids, oldest first.
            reviews: of new users, a DataFrame or a list of dicts with the column names that training reads; oldest
                first unless they have times. Without a column for the user they are one user's.
            k: products per user; fewer come back where the catalogue, or what a user has not seen, is smaller.
            exclude_seen: leave out the products of the user's whole history.

        Returns:
            Columns user_id, rank, product_id, name and score; pandas where the data came as pandas, else Polars.

        Raises:
            NotFittedError: it has not been fitted.
            UnknownIdError: a user is unknown.
            ConfigError: k is less than 1.
            DataError: there is no data set to look users up in, or reviews cannot be read.
        """
        return self.answer(self.question(users, history, reviews), k, exclude_seen)

    def question(
        self,
        users: str | Sequence[str] | None = None,
        history: Sequence[str] | None = None,
        reviews: object = None,
    ) -> Question:
        """What `recommend` asks: ids as numbers. Arguments and errors as there."""
        given = sum(argument is not None for argument in (users, history, reviews))
        if given != 1:
            raise TypeError(f"give one of users, history and reviews; got {given} of them")
        products = self.fitted_products
        if users is not None:
            users = [users] if isinstance(users, str) else users
            same = self.data.is_what_was({"fingerprint": "", **self.info.get("data", {})})
            return question_of_users(self.data, self.table_of(self.data), users, products, same)
        if history is not None:
            return question_of_histories(products, [history], self.review_text_dim)
        return self._question_of_reviews(reviews)

    def answer(self, question: Question, k: int = 10, exclude_seen: bool = True) -> DataFrame:
        """The table of `recommend` for a question."""

        def score(query: Query) -> Floats:
            recent = query.last(self.max_history)
            if isinstance(self, TwoWayScorer):
                return self.score_both_ways(recent)[0 if exclude_seen else 1]
            return self._score(recent)

        return top_products(score, question, self._catalogue, k, exclude_seen)

    def similar(self, product: str, k: int = 10) -> DataFrame:
        """The products most like one, itself left out: those with the highest cosine of `item_vectors`.

        A model without such vectors gives what it recommends to a user who has this product alone.

        Returns:
            Columns rank, product_id, name and score; pandas where the data came as pandas, else Polars.

        Raises:
            NotFittedError, UnknownIdError, ConfigError: as `recommend`.
        """
        number = self.fitted_products.number(product)
        if (vectors := self.item_vectors) is not None:
            scores = cosines_to(vectors, number)
        else:
            query = Query(single_histories(np.array([number])), BareReviews.of(1, self.review_text_dim))
            scores = self._score(query)[0]
        return similar_products(scores, number, self._catalogue, k)

    def evaluate(
        self,
        dataset: Dataset | None = None,
        part: Part = "test",
        cutoffs: Sequence[int] = CUTOFFS,
        progress: ProgressCallback | None = None,
    ) -> RankingReport:
        """Full ranking of held-out reviews: one per user, all products ranked.

        Args:
            dataset: None: the one it was fitted on.
            part: "valid" to choose, the others to report.
            cutoffs: the k of recall@k and ndcg@k.
            progress: told how far the work is.

        Returns:
            The figures; `print` shows those of the most popular products beside them.

        Raises:
            NotFittedError: it has not been fitted.
            DataError: there is no data set, it has another catalogue, or the model has learned its held-out reviews.
        """
        return evaluate_held_out(self, dataset or self.data, part, cutoffs, progress)

    def table_of(self, dataset: Dataset) -> ReviewTable:
        """The reviews with what this model reads of them: the vectors of their texts only where it does."""
        return dataset.features if self.reads_review_texts else dataset.table

    @property
    def data(self) -> Dataset:
        """The data set it was fitted on or was given; else read again as the model's record says, or DataError."""
        if self.dataset is None:
            from rec_sys.dataset.load import reload_dataset

            self.dataset = reload_dataset(self.info, GIVE_DATA)
        return self.dataset

    def save(self, folder: Path | str) -> Path:
        """Write the model as a folder: manifest, arrays, products.

        Raises:
            NotFittedError: it has not been fitted.
        """
        _ = self.fitted_products
        manifest = Manifest(kind=self.key, settings=self.settings.model_dump(mode="json"), info=self.info)
        arrays = {name: np.ascontiguousarray(value) for name, value in self._arrays().items()}
        with writing_artifact(Path(folder), manifest) as temporary:
            save_file(arrays, temporary / ARRAYS_FILE)
            self._save_products(temporary)
        return Path(folder)

    @classmethod
    def load(cls, folder: Path | str, dataset: Dataset | None = None) -> Self:
        """Read a model that `save` wrote.

        Args:
            folder: of the model.
            dataset: where known users are looked up; None: it is read again when it is needed.

        Raises:
            CheckpointError: it is missing, damaged or another kind of model.
        """
        model = cls._from_artifact(read_artifact(Path(folder)))
        model.dataset = dataset
        return model

    @classmethod
    def _from_artifact(cls, artifact: Artifact) -> Self:
        if artifact.manifest.kind != cls.key:
            raise CheckpointError(f"{artifact.folder} holds a model {artifact.manifest.kind!r}, not {cls.key!r}")
        try:
            model = cls(cls.settings_class.read(artifact.manifest.settings, cls.key))
            model._restore(load_file(artifact.folder / ARRAYS_FILE))
            model._load_products(artifact.folder)
        except (SafetensorError, KeyError, ValueError, OSError, ConfigError) as error:
            raise CheckpointError(f"{artifact.folder} is damaged ({error}); train again or name another") from error
        model.info = with_work_folder(artifact.manifest.info, artifact.folder)
        return model

    def _save_products(self, folder: Path) -> None:
        write_json(folder / PRODUCTS_FILE, {"ids": self.fitted_products.ids, "names": self.product_names})

    def _load_products(self, folder: Path) -> None:
        products = orjson.loads((folder / PRODUCTS_FILE).read_bytes())
        self.products, self.product_names = IdMap(products["ids"], "product"), products["names"]

    @property
    def _catalogue(self) -> Catalogue:
        data = self.dataset
        return Catalogue(self.fitted_products, self.product_names, data is not None and data.as_pandas)
