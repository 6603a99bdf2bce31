"""The interface of every recommender: fit, score, recommend, similar, evaluate, save, load.

A new recommender is one file with a subclass (`_fit`, `_score`, `_arrays`, `_restore` and a class of settings), one line
in `registry.py`, and one class of tests that inherits the contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import orjson
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset, Need
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Part
from rec_sys.errors import CheckpointError, DataError, NotFittedError
from rec_sys.files import write_json
from rec_sys.ids import IdMap
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import Artifact, Manifest, read_artifact, writing_artifact
from rec_sys.settings import Settings

Validate = Callable[["Recommender"], float]
ARRAYS_FILE, PRODUCTS_FILE = "arrays.safetensors", "products.json"


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
    name: ClassVar[str]  # in tables
    paper: ClassVar[str]  # where the method was published
    settings_class: ClassVar[type[Settings]]
    needs: ClassVar[frozenset[Need]] = frozenset()  # what a data set must have
    seeded: ClassVar[bool] = False  # whether the figures depend on `settings.seed`
    reads_review_texts: ClassVar[bool] = False  # whether `Query.reviews` must hold the vectors of review texts

    def __init__(self, settings: Settings | None = None, **values: Any) -> None:
        if settings is not None and values:
            raise TypeError("give either settings or single values, not both")
        self.settings: Any = self.settings_class.read(values, self.key) if settings is None else settings
        self.products: IdMap | None = None  # of the catalogue, once fitted
        self.product_names: list[str] = []  # one per product; empty where none is known
        self.info: dict[str, Any] = {}  # what it was fitted on: plain JSON
        self.dataset: Dataset | None = None  # what it was fitted on; a loaded model may be given one

    # ---- what a recommender defines -----------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        """Learn from the training reviews of the data set, and from nothing else in it."""

    @abstractmethod
    def _score(self, query: Query) -> Floats:
        """(len(query), num_products)."""

    @abstractmethod
    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """What was learned, as plain arrays."""

    @abstractmethod
    def _restore(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Take back what `_arrays` gave."""

    @classmethod
    def grid(cls, num_products: int) -> Grid:  # noqa: ARG003  larger catalogues may be searched less
        """What validation chooses among; nothing by default."""
        return Grid()

    # ---- what everybody calls -----------------------------------------------------------------------------------

    @property
    def max_history(self) -> int:
        """Newest entries of a history that are read."""
        return 20

    @property
    def is_fitted(self) -> bool:
        """Whether it can be asked."""
        return self.products is not None

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
        if missing := sorted(self.needs - dataset.has):
            raise DataError(
                f"{self.name} needs {' and '.join(missing)}, which {dataset.name} lacks; give data with them or "
                f"leave this model out"
            )
        self._fit(dataset, validate, progress)
        self.products, self.product_names, self.dataset = dataset.table.products, dataset.names, dataset
        self.info = dataset.facts()
        return self

    def score(self, query: Query) -> Floats:
        """Score every product.

        Returns:
            (len(query), num_products) float32, higher is better; seen items are not filtered here.

        Raises:
            NotFittedError: it has not been fitted.
        """
        self._check_fitted()
        return self._score(query)

    def evaluate(self, dataset: Dataset | None = None, part: Part = "test", progress: bool = False) -> RankingReport:
        """Full ranking of held-out reviews: one per user, all products ranked.

        Args:
            dataset: None: the one it was fitted on.
            part: "valid" to choose, the others to report.
            progress: show a bar.

        Raises:
            NotFittedError: it has not been fitted.
            DataError: there is no data set, or it has another catalogue.
        """
        self._check_fitted()
        data = dataset or self.dataset
        if data is None:
            raise DataError("evaluate needs a data set; give evaluate(dataset)")
        assert self.products is not None  # noqa: S101
        if data.table.products.ids != self.products.ids:
            raise DataError(
                f"{self.name} was fitted on {len(self.products):,} other products than {data.name} holds "
                f"({data.table.num_products:,}); evaluate on the data set it was fitted on"
            )
        split = data.split
        return evaluate(
            self,
            data.embedded_table(self),
            split.part(part),
            train=split.train,
            among=split.in_histories,
            progress=progress,
        )

    def save(self, folder: Path | str) -> Path:
        """Write the model as a folder: manifest, arrays, products.

        Raises:
            NotFittedError: it has not been fitted.
        """
        self._check_fitted()
        folder = Path(folder)
        manifest = Manifest(kind=self.key, settings=self.settings.model_dump(mode="json"), info=self.info)
        with writing_artifact(folder, manifest) as temporary:
            save_file(
                {name: np.ascontiguousarray(value) for name, value in self._arrays().items()}, temporary / ARRAYS_FILE
            )
            self._save_products(temporary)
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model that `save` wrote.

        Raises:
            CheckpointError: it is missing, damaged or another kind of model.
        """
        return cls._from_artifact(read_artifact(Path(folder)))

    @classmethod
    def _from_artifact(cls, artifact: Artifact) -> Self:
        if artifact.manifest.kind != cls.key:
            raise CheckpointError(f"{artifact.folder} holds a model {artifact.manifest.kind!r}, not {cls.key!r}")
        model = cls(cls.settings_class.read(artifact.manifest.settings, cls.key))
        try:
            model._restore(load_file(artifact.folder / ARRAYS_FILE))
        except (SafetensorError, KeyError, OSError) as error:
            raise CheckpointError(f"{artifact.folder} is damaged ({error}); train again or name another") from error
        model._load_products(artifact.folder)
        model.info = artifact.manifest.info
        return model

    def _save_products(self, folder: Path) -> None:
        assert self.products is not None  # noqa: S101
        write_json(folder / PRODUCTS_FILE, {"ids": self.products.ids, "names": self.product_names})

    def _load_products(self, folder: Path) -> None:
        products = orjson.loads((folder / PRODUCTS_FILE).read_bytes())
        self.products, self.product_names = IdMap(products["ids"], "product"), products["names"]

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise NotFittedError(f"{self.name} has not been fitted; call fit(dataset) first, or load a saved model")
