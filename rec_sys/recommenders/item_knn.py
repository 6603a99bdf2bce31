"""Item k-nearest-neighbours: products that the same people reviewed are alike (Sarwar et al. 2001)."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.training_matrix import training_matrix
from rec_sys.settings import Settings


class ItemKNNSettings(Settings):
    """Settings of item k-nearest-neighbours."""

    neighbours: int = Field(0, ge=0, description="most similar products kept per product; 0 keeps all")
    shrink: float = Field(0.0, ge=0, description="added to the cosine's denominator: distrusts rarely seen pairs")
    decay: float = Field(1.0, gt=0, le=1, description="weight of a history entry is decay ** age; 1: all alike")


class ItemKNN(Recommender):
    """Score of a product: its cosines to the products of the history, summed.

    The defaults (all neighbours, no shrinkage, no decay) are the plain form: on instruments_2018 R@10 / N@10 are
    .1029 / .0846 filtered and .0942 / .0748 unfiltered. A shrinkage of 10 is much better there (.1203 / .0950 filtered).
    """

    name = "item kNN"

    def __init__(self, settings: ItemKNNSettings | None = None) -> None:
        self.settings = settings or ItemKNNSettings()

    def fit(self, table: ReviewTable, train: Ints) -> Self:
        bought = training_matrix(table, train)  # (num_users, num_products)
        together = (bought.T @ bought).tocoo()  # people who reviewed both
        norm = np.sqrt(np.bincount(bought.indices, minlength=table.num_products))
        other = together.row != together.col  # a product is no neighbour of itself
        row, col, users = together.row[other], together.col[other], together.data[other]
        cosine = (users / (norm[row] * norm[col] + self.settings.shrink)).astype(np.float32)
        if self.settings.neighbours:
            order = np.lexsort((col, -cosine, row))  # equal cosines: lower product number first
            row, col, cosine = row[order], col[order], cosine[order]
            place = np.arange(len(row)) - np.searchsorted(row, row)
            near = place < self.settings.neighbours
            row, col, cosine = row[near], col[near], cosine[near]
        shape = (table.num_products, table.num_products)
        self.similarity = sp.csr_matrix((cosine, (row, col)), shape=shape)  # row: product of a history
        return self

    def score(self, histories: Histories) -> Floats:
        num_products = self.similarity.shape[0]
        scores: Floats = (histories.matrix(num_products, self.settings.decay) @ self.similarity).toarray()
        return scores
