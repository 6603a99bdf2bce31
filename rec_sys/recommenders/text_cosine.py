"""Texts alone: products that are described like those of the history, whoever took them."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.recommenders.base import Recommender
from rec_sys.settings import Settings

WITHOUT_TEXT = np.float32(-2.0)  # less than any cosine


class TextCosineSettings(Settings):
    """Settings of the cosine of texts."""

    decay: float = Field(0.9, gt=0, le=1, description="weight of a history entry is decay ** age; 1: all alike")


class TextCosine(Recommender):
    """Score of a product: cosine of its text vector to the mean of the unit text vectors of the history's products.

    Nothing is learned, so reviews do not matter and new products are treated like old ones. Products without a text
    come last; where a history holds no text, all that have one score 0.

    Args:
        product_text: (num_products, text_dim), zero where a product has no text.
        settings: how it is done.

    Raises:
        DataError: no product has a text.
    """

    name = "text cosine"

    def __init__(self, product_text: Vectors, settings: TextCosineSettings | None = None) -> None:
        self.settings = settings or TextCosineSettings()
        vectors = np.asarray(product_text, dtype=np.float32)
        self.has_text = vectors.any(axis=1)  # (num_products,)
        if not self.has_text.any():
            raise DataError(
                f"none of {len(vectors):,} products has a text to compare; give metadata with product texts, "
                f"or leave {self.name} out"
            )
        self.vectors = _unit(vectors)

    def fit(self, table: ReviewTable, train: Ints) -> Self:  # noqa: ARG002
        """Learn nothing.

        Raises:
            DataError: the text vectors are not those of this table's products.
        """
        if len(self.vectors) != table.num_products:
            raise DataError(
                f"{self.name} has text vectors of {len(self.vectors):,} products, the table has "
                f"{table.num_products:,}; give one row per product number"
            )
        return self

    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products): cosines; -2 for products without text."""
        mean = histories.matrix(len(self.vectors), self.settings.decay) @ self.vectors  # its length falls out below
        scores: Floats = _unit(mean) @ self.vectors.T
        scores[:, ~self.has_text] = WITHOUT_TEXT
        return scores


def _unit(vectors: Floats) -> Floats:
    """(n, dim) of length 1 each; zero stays zero."""
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return unit
