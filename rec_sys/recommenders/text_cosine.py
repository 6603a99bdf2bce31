"""Texts alone: products that are described like those of the history, whoever took them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset, Need
from rec_sys.dataset.query import Query
from rec_sys.errors import DataError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Grid, Recommender, Validate
from rec_sys.recommenders.training_matrix import DECAYS
from rec_sys.settings import Settings

WITHOUT_TEXT = np.float32(-2.0)  # less than any cosine


class TextCosineSettings(Settings):
    """Settings of the cosine of texts."""

    decay: float = Field(0.9, gt=0, le=1, description="weight of a history entry is decay ** age; 1: all alike")


class TextCosine(Recommender):
    """Score of a product: cosine of its text vector to the mean of the unit text vectors of the history's products.

    Nothing is learned but the texts, so new products are treated like old ones. Products without a text come last;
    where a history holds no text, all that have one score 0.
    """

    key, name = "text_cosine", "text cosine"
    paper = "Salton and McGill 1983; texts by Reimers and Gurevych, EMNLP 2019"
    settings_class = TextCosineSettings
    settings: TextCosineSettings
    needs: ClassVar[frozenset[Need]] = frozenset(("texts",))

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        return Grid(scored={"decay": DECAYS})

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        vectors = np.asarray(dataset.item_text, dtype=np.float32)
        if not vectors.any():
            raise DataError(
                f"none of {len(vectors):,} products has a text to compare; give metadata with product texts, "
                f"or leave {self.name} out"
            )
        self._restore({"vectors": _unit(vectors)})

    def _score(self, query: Query) -> Floats:
        """Cosines; -2 for products without text."""
        mean = query.histories.matrix(len(self.vectors), self.settings.decay) @ self.vectors  # length falls out below
        scores: Floats = _unit(mean) @ self.vectors.T
        scores[:, ~self.has_text] = WITHOUT_TEXT
        return scores

    def _arrays(self) -> Arrays:
        return {"vectors": self.vectors}

    def _restore(self, arrays: Arrays) -> None:
        self.vectors: Floats = arrays["vectors"]  # (num_products, text_dim) of length 1, or 0 without text
        self.has_text = self.vectors.any(axis=1)  # (num_products,)


def _unit(vectors: Floats) -> Floats:
    """(n, dim) of length 1 each; zero stays zero."""
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return unit
