"""ALS: a vector per person and per product, weighted least squares over all pairs (Hu, Koren, Volinsky 2008)."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.training_matrix import training_matrix
from rec_sys.settings import Settings


class ALSSettings(Settings):
    """Settings of ALS."""

    factors: int = Field(128, ge=1, description="length of the vectors")
    regularisation: float = Field(20.0, gt=0, description="lambda: draws the vectors towards 0")
    alpha: float = Field(20.0, gt=0, description="weight of a pair that was seen; one that was not weighs 1")
    iterations: int = Field(15, ge=1, description="alternations between people and products")
    decay: float = Field(0.9, gt=0, le=1, description="weight of a history entry is decay ** age, at scoring only")
    seed: int = Field(0, ge=0, description="draws the first vectors")


class ALS(Recommender):
    """Matrix factorisation by the library `implicit`.

    A history is folded in: its person's vector is the exact least squares solution for these products and the vectors
    that training gave to all products. The vectors that training found for people are thrown away.
    """

    name = "ALS"

    def __init__(self, settings: ALSSettings | None = None) -> None:
        self.settings = settings or ALSSettings()

    def fit(self, table: ReviewTable, train: Ints) -> Self:
        """See the base class.

        Raises:
            ConfigError: the library is not installed.
        """
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise ConfigError(f"ALS needs {error.name}; install the extra rec-sys[baselines]") from error
        s = self.settings
        with threadpool_limits(1, "blas"):  # implicit's own threads are over people; it warns about others beside them
            self.model = AlternatingLeastSquares(
                s.factors, regularization=s.regularisation, alpha=s.alpha, iterations=s.iterations, random_state=s.seed
            )
            self.model.fit(training_matrix(table, train), show_progress=False)
        return self

    def score(self, histories: Histories) -> Floats:
        products = self.model.item_factors  # (num_products, factors)
        weighted = histories.matrix(len(products), self.settings.decay)
        users = self.model.recalculate_user(np.arange(len(histories)), weighted)  # (len(histories), factors)
        scores: Floats = users @ products.T
        return scores
