"""Most popular first: the floor that every personal model has to beat."""

from __future__ import annotations

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.metrics.scorer import MostPopular
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.settings import Settings


class PopularitySettings(Settings):
    """Nothing to choose."""


class Popularity(Recommender):
    """The same list for everybody: products by their number of training reviews.

    On instruments_2018 R@10 / N@10 are .0507 / .0330 filtered and .0468 / .0223 unfiltered.
    """

    key, name = "popularity", MostPopular.name
    paper = "Cremonesi, Koren and Turrin, RecSys 2010"
    settings_class = PopularitySettings
    settings: PopularitySettings
    is_personal = False

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        product = dataset.table.product[dataset.split.train]
        self.counts: Floats = np.bincount(product, minlength=dataset.table.num_products).astype(np.float32)

    def _score(self, query: Query) -> Floats:
        return np.tile(self.counts, (len(query), 1))

    def _arrays(self) -> Arrays:
        return {"counts": self.counts}

    def _restore(self, arrays: Arrays) -> None:
        self.counts = arrays["counts"]
