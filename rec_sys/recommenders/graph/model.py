"""The graph model as a recommender: fitted from Python as from the command line, by the same functions.

A loaded model answers from its arrays. The network, and torch with it, is made when somebody evaluates or saves.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import Artifact, with_work_folder
from rec_sys.recommenders.base import Recommender, Validate
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.recommenders.graph.stored import StoredGraph, read_stored

if TYPE_CHECKING:
    from rec_sys.recommenders.graph.checkpoint import TrainedGraph
    from rec_sys.recommenders.graph.scorer import GraphScorer
    from rec_sys.recommenders.graph.training import GraphFit


class GraphRecommender(Recommender):
    """Attention over a user's reviews, beside item factors; one inner product answers.

    Args:
        settings: of the model; None: its defaults.
        train: how to train; None: the defaults.
        values: single settings of either by name, such as dim=64, max_epochs=10.

    Raises:
        ConfigError: a setting is unknown or out of its limits.
    """

    key = "graph"
    name = "graph model"
    paper = "Shi et al. 2021 (TransformerConv), Brody et al. 2022 (GATv2), Steck 2019 (EASE)"
    settings_class = GraphModelSettings
    seeded = True
    reads_review_texts = True

    def __init__(
        self, settings: GraphModelSettings | None = None, train: TrainSettings | None = None, **values: Any
    ) -> None:
        of_training = {name: values.pop(name) for name in list(values) if name in TrainSettings.model_fields}
        super().__init__(settings, **values)
        self.train = train or TrainSettings.read(of_training, "train")
        self.fitted: GraphFit | None = None  # how training went; None of a loaded model
        self._trained: TrainedGraph | None = None
        self._stored: StoredGraph | None = None

    @property
    def trained(self) -> TrainedGraph | None:
        """The trained model with its network, of a loaded one made when it is first asked for; None: not fitted.

        Raises:
            CheckpointError: a weight of the loaded model does not fit.
        """
        if self._trained is None and self._stored is not None:
            from rec_sys.recommenders.graph.checkpoint import from_stored
            from rec_sys.recommenders.graph.random_state import restored_random_state

            with restored_random_state():  # first weights are drawn, then replaced
                self._trained = from_stored(self._stored)
        return self._trained

    @property
    def stored(self) -> StoredGraph:
        """The trained model as arrays, which is all that answers need.

        Raises:
            NotFittedError: it has not been fitted.
        """
        _ = self.fitted_products
        if self._stored is None:
            assert self._trained is not None  # noqa: S101
            self._stored = self._trained.stored()
        return self._stored

    @property
    def max_history(self) -> int:
        """Newest reviews of a user that are read."""
        settings: GraphModelSettings = self.settings
        return settings.max_history

    @property
    def review_text_dim(self) -> int:
        """Length of the vectors of review texts; 0: the model reads none."""
        return self.stored.text_dim if self.stored.review_texts else 0

    @property
    def scorer(self) -> GraphScorer:
        """The trained model as the ranking protocol asks it."""
        from rec_sys.recommenders.graph.scorer import GraphScorer

        _ = self.fitted_products
        assert self.trained is not None  # noqa: S101
        return GraphScorer.of(self.trained)

    @property
    def item_vectors(self) -> Floats:
        """(num_products, dim + rank) what the vectors say of what a product is like."""
        return self.stored.target[:, self.stored.layout.similarity]

    def score_both_ways(self, query: Query) -> tuple[Floats, Floats]:
        """Scores for lists whose seen items are filtered, and those of `score`."""
        return self.scorer.score_both_ways(query)

    def fit(self, dataset: Dataset, validate: Validate | None = None, progress: ProgressCallback | None = None) -> Self:
        """Train on a data set, choosing on its validation reviews; see the base class."""
        super().fit(dataset, validate, progress)
        assert self.trained is not None  # noqa: S101
        self.info = self.info | self.trained.info  # what training found out besides
        return self

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        from rec_sys.recommenders.graph.random_state import restored_random_state
        from rec_sys.recommenders.graph.training import fit_graph  # Lightning: seconds that a loaded model does without

        with restored_random_state():
            self.fitted = fit_graph(dataset, self.settings, self.train, progress=progress)
        info = dataset.facts() | {"encoder": dataset.vectors.encoder, "seed": self.train.seed} | self.fitted.facts
        self._trained, self._stored = replace(self.fitted.trained, info=info), None

    def _score(self, query: Query) -> Floats:
        return self.scorer.score(query)

    def save(self, folder: Path | str) -> Path:
        """Write the model as a folder.

        Raises:
            NotFittedError: it has not been fitted.
        """
        from rec_sys.recommenders.graph.checkpoint import save_checkpoint

        _ = self.fitted_products
        assert self.trained is not None  # noqa: S101
        save_checkpoint(Path(folder), replace(self.trained, info=self.info))
        return Path(folder)

    @classmethod
    def load(cls, folder: Path | str, dataset: Dataset | None = None) -> Self:
        """Read a saved model; also a file of before there were folders.

        Args:
            folder: of the model.
            dataset: where known users are looked up; None: it is read again when it is needed.

        Raises:
            CheckpointError: it is missing, damaged or another kind of model.
        """
        model = cls._of(read_stored(Path(folder)))
        model.dataset = dataset
        return model

    @classmethod
    def _from_artifact(cls, artifact: Artifact) -> Self:
        return cls._of(read_stored(artifact.folder))

    @classmethod
    def _of(cls, stored: StoredGraph) -> Self:
        model = cls(stored.settings)
        model._stored, model.info = stored, with_work_folder(stored.info, stored.path)
        model.products, model.product_names = stored.products, stored.names
        return model

    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        return self.stored.arrays

    def _restore(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        raise TypeError("a graph model is restored from its folder: GraphModel.load(folder)")
