"""Most popular first: the floor that every personal model has to beat."""

from __future__ import annotations

from typing import Self

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.base import Recommender
from rec_sys.settings import Settings


class PopularitySettings(Settings):
    """Nothing to choose."""


class Popularity(Recommender):
    """The same list for everybody: products by their number of training reviews.

    On instruments_2018 R@10 / N@10 are .0507 / .0330 filtered and .0468 / .0223 unfiltered.
    """

    name = "most popular"

    def __init__(self, settings: PopularitySettings | None = None) -> None:
        self.settings = settings or PopularitySettings()

    def fit(self, table: ReviewTable, train: Ints) -> Self:
        self.counts: Floats = np.bincount(table.product[train], minlength=table.num_products).astype(np.float32)
        return self

    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products): number of training reviews."""
        return np.tile(self.counts, (len(histories), 1))
