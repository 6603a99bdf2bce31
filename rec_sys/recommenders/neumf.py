"""NeuMF: two branches over vectors of users and products, a product and a small network (He et al., WWW 2017)."""

from __future__ import annotations

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.errors import DataError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.neumf_pairs import Pairs
from rec_sys.recommenders.neumf_scorer import NeuMFScorer
from rec_sys.recommenders.neumf_settings import NeuMFSettings, TrainingPlan

COMPARED = 300  # products, at most, that a history is compared with when it is folded in


class NeuMF(Recommender):
    """Generalised matrix factorisation beside a multi-layer perceptron, one last layer over both."""

    key, name = "neumf", "NeuMF"
    paper = "He, Liao, Zhang, Nie, Hu and Chua, WWW 2017"
    settings_class = NeuMFSettings
    settings: NeuMFSettings
    seeded = True

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        import torch

        from rec_sys.recommenders.neumf_network import NeuMFNetwork, train_network

        s, table = self.settings, dataset.table
        pairs = Pairs.of(table, dataset.split.train)
        if not len(pairs):
            raise DataError(
                f"{self.name} has nothing to learn from: none of {len(dataset.split.train):,} training reviews has a "
                f"weight above 0"
            )
        learned = np.flatnonzero(np.diff(pairs.indptr))
        plan = TrainingPlan.of(s, len(learned), table.num_products, len(pairs))

        def ask() -> float:
            self._learned(network.arrays(), pairs)
            assert validate is not None  # noqa: S101  it is only asked for where there is one
            return validate(self)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            network = NeuMFNetwork(table.num_users, table.num_products, s)
            trained = train_network(network, pairs, plan, ask if validate else None, progress)
        self.best_epoch, self.epoch_seconds = trained.best, trained.seconds
        self._learned(network.arrays(), pairs)

    def _learned(self, arrays: Arrays, pairs: Pairs) -> None:
        """Take what was trained."""
        users = np.concatenate([arrays.pop("user_gmf"), arrays.pop("user_mlp")], axis=1)
        row, product, _ = pairs.of_users(np.arange(len(users)))
        counts = np.bincount(product, minlength=pairs.num_products)
        alike = np.zeros((pairs.num_products, users.shape[1]), dtype=np.float32)
        np.add.at(alike, product, users[row])
        typical = users[np.diff(pairs.indptr) > 0].mean(axis=0)
        self._restore(
            {
                **arrays,
                "users": users,
                "known": np.diff(pairs.indptr) > 0,
                "typical": typical,
                "alike": np.where(counts[:, None], alike / np.maximum(counts, 1)[:, None], typical),
                "epochs": np.array([self.__dict__.get("best_epoch", 0)]),
            }
        )

    @property
    def chosen(self) -> str:
        return f"{self.best_epoch} epochs"

    @property
    def max_history(self) -> int:
        return 200

    def _score(self, query: Query) -> Floats:
        return self.scorer.scores(self.user_vectors(query))

    mode = "own"
    start = "alike"
    steps = 10
    rate = 0.05

    def user_vectors(self, query: Query) -> Floats:
        n = len(query)
        numbers = np.full(n, -1) if query.users is None else query.users
        inside = (numbers >= 0) & (numbers < len(self.known))
        known = inside & self.known[np.where(inside, numbers, 0)]
        vectors = np.tile(self.typical, (n, 1))
        h = query.histories
        if self.start == "alike":
            m = h.matrix(self.scorer.num_products)
            m.data[:] = 1
            has = h.lengths > 0
            vectors[has] = ((m @ self.alike) / np.maximum(h.lengths, 1)[:, None])[has]
        if self.mode == "own":
            vectors[known] = self.users[numbers[known]]
        if self.steps:
            moved = self.scorer.folded_in(vectors, h, self.compared, self.settings.loss, self.steps, self.rate)
            vectors = np.where(known[:, None], vectors, moved) if self.mode == "own" else moved
        return vectors

    @property
    def item_vectors(self) -> Floats:
        """(num_products, factors + width)"""
        return self.scorer.product_vectors

    def _arrays(self) -> Arrays:
        return self._kept

    def _restore(self, arrays: Arrays) -> None:
        self._kept = arrays
        self.scorer = NeuMFScorer(arrays)
        self.users: Floats = arrays["users"]
        self.known = arrays["known"]
        self.typical: Floats = arrays["typical"]
        self.alike: Floats = arrays["alike"]
        self.best_epoch = int(arrays["epochs"][0])
        number = self.scorer.num_products
        random = np.random.default_rng(self.settings.seed)
        self.compared: Ints = np.sort(random.permutation(number)[:COMPARED])
