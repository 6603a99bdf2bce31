"""ALS: a vector per user and per product, weighted least squares over all pairs (Hu, Koren, Volinsky 2008)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.errors import ConfigError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Grid, Recommender, Validate
from rec_sys.recommenders.training_matrix import DECAYS, training_matrix
from rec_sys.settings import Settings

AT_ONCE = 4_000_000  # numbers of the folded-in products' vectors in memory


class ALSSettings(Settings):
    """Settings of ALS."""

    factors: int = Field(128, ge=1, description="length of the vectors")
    regularisation: float = Field(20.0, gt=0, description="lambda: draws the vectors towards 0")
    alpha: float = Field(20.0, gt=0, description="weight of a pair that was seen; one that was not weighs 1")
    iterations: int = Field(15, ge=1, description="alternations between users and products")
    decay: float = Field(0.9, gt=0, le=1, description="weight of a history entry is decay ** age, at scoring only")
    seed: int = Field(0, ge=0, description="draws the first vectors")


class ALS(Recommender):
    """Matrix factorisation, fitted by the library `implicit`; asking needs NumPy alone.

    A history is folded in: its user's vector is the exact least squares solution for these products and the vectors
    that training gave to all products. The vectors that training found for users are not kept.
    """

    key, name = "als", "ALS"
    paper = "Hu, Koren and Volinsky, ICDM 2008"
    settings_class = ALSSettings
    settings: ALSSettings
    seeded = True

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        return Grid({"regularisation": (20, 100), "alpha": (20, 50)}, {"decay": DECAYS})

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise ConfigError(f"ALS needs {error.name}; install the extra rec-sys[baselines]") from error
        s = self.settings
        with threadpool_limits(1, "blas"):  # implicit's own threads are over users; it warns about others beside them
            model = AlternatingLeastSquares(
                s.factors, regularization=s.regularisation, alpha=s.alpha, iterations=s.iterations, random_state=s.seed
            )
            model.fit(training_matrix(dataset.table, dataset.split.train), show_progress=False)
        self._restore({"vectors": np.asarray(model.item_factors, dtype=np.float32)})

    def _score(self, query: Query) -> Floats:
        scores: Floats = self.fold_in(query.histories) @ self.vectors.T
        return scores

    def fold_in(self, histories: Histories) -> Floats:
        """(len(histories), factors) vectors of users.

        x = (Y'Y + lambda I + Y_u' (C - I) Y_u)^-1 Y_u' c with the vectors Y_u of the history's h products and their
        weights c. By the matrix inversion lemma that is B_u' (I + (C - I) Y_u B_u')^-1 c with
        B = Y (Y'Y + lambda I)^-1: a system of h equations instead of one of `factors`.
        """
        weighted = histories.matrix(len(self.vectors), self.settings.decay)
        lengths = np.diff(weighted.indptr)
        users = np.zeros((len(histories), self.vectors.shape[1]), dtype=np.float32)
        longest = max(int(lengths.max(initial=0)), 1)
        size = max(1, AT_ONCE // (longest * self.vectors.shape[1]))
        for start in range(0, len(histories), size):
            part = weighted[start : start + size]
            is_entry = np.arange(longest) < np.diff(part.indptr)[:, None]  # (n, longest)
            product, weight = np.zeros(is_entry.shape, dtype=np.int64), np.zeros(is_entry.shape)
            product[is_entry], weight[is_entry] = part.indices, self.settings.alpha * part.data
            solved = self._solved[product]  # (n, longest, factors)
            alike = self.vectors[product].astype(np.float64) @ solved.swapaxes(1, 2)  # (n, longest, longest)
            # where a history is shorter, the rows are those of the identity and what comes out is 0
            system = np.eye(longest) + np.where(is_entry, weight - 1, 0)[:, :, None] * alike
            share = np.linalg.solve(system, weight[:, :, None])  # (n, longest, 1)
            users[start : start + size] = (share.swapaxes(1, 2) @ solved)[:, 0]
        return users

    @property
    def item_vectors(self) -> Floats:
        """(num_products, factors)"""
        return self.vectors

    def _arrays(self) -> Arrays:
        return {"vectors": self.vectors}

    def _restore(self, arrays: Arrays) -> None:
        self.vectors: Floats = arrays["vectors"]  # (num_products, factors)
        plain = self.vectors.astype(np.float64)
        gram = plain.T @ plain + self.settings.regularisation * np.eye(plain.shape[1])
        self._solved = np.linalg.solve(gram, plain.T).T  # (num_products, factors): vectors times the inverse
