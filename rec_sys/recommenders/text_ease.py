"""EASE with texts: products are alike by who took them and by what their texts say.

Each coordinate of the products' text vectors joins the users x products matrix as one more row, so that the same
closed form has to explain both (collective EASE: Jeunen, Van Balen and Goethals, RecSys 2020).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.linalg import blas

from rec_sys.arrays import Floats, Vectors
from rec_sys.dataset.dataset import Dataset, Need
from rec_sys.errors import DataError
from rec_sys.recommenders.base import Grid
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.training_matrix import DECAYS


class TextEASESettings(EASESettings):
    """Settings of EASE with texts."""

    text_weight: float = Field(
        10.0, ge=0, description="weight of a coordinate of the text vectors, in units of one user; 0: none"
    )


class TextEASE(EASE):
    """EASE on reviews and product texts; a product without reviews is scored by its text."""

    key, name = "text_ease", "EASE with texts"
    paper = "Jeunen, Van Balen and Goethals, RecSys 2020"
    settings_class: ClassVar[type[TextEASESettings]] = TextEASESettings
    settings: TextEASESettings
    needs: ClassVar[frozenset[Need]] = frozenset(("texts",))

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        """As much as the item factors of the graph model have: texts and neighbours."""
        values = {"text_weight": (3, 10, 30, 100), "pairs": (0, 1), "regularisation": (50, 100)}
        return Grid(values, {"decay": DECAYS})

    def _add_texts(self, gram: Floats, dataset: Dataset) -> None:
        vectors = centred_texts(dataset.item_text)
        if not vectors.any():
            raise DataError(
                f"none of {dataset.table.num_products:,} products has a text; give metadata with product texts, or "
                f"leave {self.name} out"
            )
        # in place: a product of its own would be another matrix of this size
        blas.ssyrk(self.settings.text_weight, vectors, beta=1.0, c=gram, lower=1, overwrite_c=1)


def centred_texts(product_text: Vectors) -> Floats:
    """(num_products, text_dim) unit vectors less what all texts share, which tells no two products apart.

    Zero where a product has no text.
    """
    vectors = np.array(product_text, dtype=np.float32)
    has_text = vectors.any(axis=1)
    if has_text.any():
        vectors[has_text] -= vectors[has_text].mean(axis=0)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asfortranarray(vectors / np.maximum(length, np.finfo(np.float32).tiny))
