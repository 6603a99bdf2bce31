"""EASE that reads: products are alike by who took them and by what their texts say.

Each coordinate of the products' text vectors joins the people x products matrix as one more row, so that the same
closed form has to explain both (collective EASE: Jeunen, Van Balen and Goethals, RecSys 2020).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field
from scipy.linalg import blas

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.recommenders.ease import EASE, EASESettings


class TextEASESettings(EASESettings):
    """Settings of EASE with texts."""

    text_weight: float = Field(
        10.0, ge=0, description="people that a coordinate of the text vectors counts as; 0: none"
    )


class TextEASE(EASE):
    """EASE on reviews and product texts; a product without reviews is scored by its text.

    Args:
        product_text: (num_products, text_dim), zero where a product has no text.
        settings: how it is done.

    Raises:
        ConfigError: the catalogue is larger than `max_products`.
        DataError: no product has a text.
    """

    name = "EASE with texts"
    settings: TextEASESettings

    def __init__(self, product_text: Vectors, settings: TextEASESettings | None = None) -> None:
        super().__init__(settings or TextEASESettings())
        self.check_size(len(product_text))
        vectors = np.array(product_text, dtype=np.float32)
        has_text = vectors.any(axis=1)
        if not has_text.any():
            raise DataError(
                f"none of {len(vectors):,} products has a text; give metadata with product texts, or leave "
                f"{self.name} out"
            )
        vectors[has_text] -= vectors[has_text].mean(axis=0)  # what all texts share tells no two products apart
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        self.vectors: Floats = np.asfortranarray(vectors / np.maximum(length, np.finfo(np.float32).tiny))

    def fit(self, table: ReviewTable, train: Ints) -> Self:
        """See the base class.

        Raises:
            ConfigError: the matrix cannot be inverted in float32.
            DataError: the text vectors are not those of this table's products.
        """
        if len(self.vectors) != table.num_products:
            raise DataError(
                f"{self.name} has text vectors of {len(self.vectors):,} products, the table has "
                f"{table.num_products:,}; give one row per product number"
            )
        return super().fit(table, train)

    def _tell(self, gram: Floats) -> None:
        # in place: a product of its own would be another matrix of this size
        blas.ssyrk(self.settings.text_weight, self.vectors, beta=1.0, c=gram, lower=1, overwrite_c=1)
