"""NeuMF: two branches over vectors of users and products, a product and a small network (He et al., WWW 2017)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Part
from rec_sys.errors import DataError
from rec_sys.metrics.sampled import NUM_NEGATIVES, evaluate_sampled
from rec_sys.metrics.scorer import MostPopular, Scorer
from rec_sys.metrics.validation import mean_value, validation_ranks
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Grid, Recommender, Validate
from rec_sys.recommenders.neumf_pairs import Pairs
from rec_sys.recommenders.neumf_scorer import NeuMFScorer
from rec_sys.recommenders.neumf_settings import NeuMFSettings, TrainingPlan
from rec_sys.recommenders.training_matrix import DECAYS
from rec_sys.tables import Section

REPORTED_USERS = 5_000  # at most, of the figures of `sections`


class NeuMF(Recommender):
    """Generalised matrix factorisation beside a multi-layer perceptron, one last layer over both.

    Lightning trains it, asking needs NumPy alone. A new user's vector is folded in as the mean of alike users: those
    who took the products of the history. A known user's is a share `own` of the learned vector and the same mean for
    the rest, so that what the user did since the training counts. Without a history the mean user is asked.

    Chosen on validation. N@10 of 2,000 users of instruments_2018, by learned vectors alone and by alike users alone:
    .082 and .097; where the history holds one product more than was trained on .066 and .093. Ten gradient steps on
    the vector of the user, the network frozen, gave less than the plain mean (.071 to .074, 1,000 users) and took ten
    times as long.
    """

    key, name = "neumf", "NeuMF"
    paper = "He, Liao, Zhang, Nie, Hu and Chua, WWW 2017"
    settings_class = NeuMFSettings
    settings: NeuMFSettings
    seeded = True
    best_epoch = 0
    epoch_seconds = 0.0  # of the training in this process, median, validation left out

    @classmethod
    def grid(cls, num_products: int) -> Grid:
        return Grid({}, {"own": (0.0, 0.1, 0.5), "decay": DECAYS})

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
        is_known = np.diff(pairs.indptr) > 0
        plan = TrainingPlan.of(s, int(is_known.sum()), table.num_products, len(pairs))

        def take() -> None:
            """What scoring needs of the network as it is now."""
            arrays = network.arrays()
            users = np.concatenate([arrays.pop("user_gmf"), arrays.pop("user_mlp")], axis=1)
            taken, takers = pairs.mean_of_takers(users)
            self._restore(
                {
                    **arrays,
                    "users": users,
                    "is_known": is_known,
                    "typical": users[is_known].mean(axis=0),
                    "taken": taken,
                    "takers": takers,
                    "best_epoch": np.array([self.best_epoch]),
                }
            )

        def ask() -> float:
            take()
            assert validate is not None  # noqa: S101  asked only where there is one
            return validate(self)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            network = NeuMFNetwork(table.num_users, table.num_products, s)
            trained = train_network(network, pairs, plan, ask if validate else None, progress)
        self.best_epoch, self.epoch_seconds = trained.best, trained.seconds
        take()

    @property
    def chosen(self) -> str:
        return f"{self.best_epoch} epochs"

    @property
    def max_history(self) -> int:
        return self.settings.max_history

    @property
    def item_vectors(self) -> Floats:
        """(num_products, factors + width)"""
        return self.scorer.product_vectors

    def _score(self, query: Query) -> Floats:
        return self.scorer.scores(self.user_vectors(query))

    def user_vectors(self, query: Query) -> Floats:
        """(len(query), factors + width) what the network is asked with."""
        alike, total = self._alike(query)
        known = self._known(query)
        if query.users is not None and known.any():
            own = np.where(total[known] > 0, self.settings.own, 1)[:, None].astype(np.float32)
            alike[known] = own * self.users[query.users[known]] + (1 - own) * alike[known]
        return alike

    def _alike(self, query: Query) -> tuple[Floats, Floats]:
        """(len(query), factors + width) means of alike users, the mean user where there are none; their weights.

        The users who took a product weigh, all together, the square root of their number times the entry's decay.
        """
        s = self.settings
        weighted = query.histories.last(s.max_history).matrix(self.scorer.num_products, s.decay)
        weighted.data *= np.sqrt(self.taken)[weighted.indices]
        total: Floats = np.asarray(weighted.sum(axis=1), dtype=np.float32).reshape(-1)  # (len(query),)
        mean = (weighted @ self.takers) / np.where(total > 0, total, 1)[:, None]
        stretched = self.typical + s.stretch * (mean - self.typical)
        vectors: Floats = np.where(total[:, None] > 0, stretched, self.typical).astype(np.float32)
        return vectors, total

    def answered_by(self, query: Query) -> list[str]:
        """Own factors, alike users, or the mean user."""
        _, total = self._alike(query)
        return [
            self._answered(is_known, is_alike > 0, length)
            for is_known, is_alike, length in zip(
                self._known(query).tolist(), total.tolist(), query.histories.lengths.tolist(), strict=True
            )
        ]

    def _answered(self, is_known: bool, is_alike: bool, length: int) -> str:
        own = self.settings.own if is_alike else 1
        alike = f"mean of users alike, by {min(length, self.max_history):,} products"
        if is_known and own:
            return "own factors" if own == 1 else f"own factors ({own:.0%}) and {alike}"
        if is_alike:
            return f"folded in: {alike}"
        return f"mean user, close to popularity: {'nobody took its products' if length else 'no history'}"

    def _known(self, query: Query) -> npt.NDArray[np.bool_]:
        """(len(query),) whether the user was learned from."""
        if query.users is None:
            return np.zeros(len(query), dtype=bool)
        inside = (query.users >= 0) & (query.users < len(self.is_known))
        known: npt.NDArray[np.bool_] = inside & self.is_known[np.where(inside, query.users, 0)]
        return known

    def sections(self, dataset: Dataset, progress: ProgressCallback | None = None) -> list[Section]:
        """Both protocols on validation reviews: test reviews are the training command's alone to read."""
        return self.both_protocols(dataset, "valid", progress)

    def both_protocols(
        self, dataset: Dataset, part: Part = "test", progress: ProgressCallback | None = None
    ) -> list[Section]:
        """Full ranking and the paper's sampled one, popularity and the same users as new ones beside it."""
        targets = dataset.targets(part)
        targets = targets[:: max(1, -(-len(targets) // REPORTED_USERS))]
        if not len(targets):
            return []
        table, split = dataset.table, dataset.split
        popular = MostPopular(table.product[split.train], table.num_products)
        scorers: dict[str, Scorer] = {self.name: self, "its users as new": AsNew(self), popular.name: popular}
        full = {name: validation_ranks(scorer, table, targets, split.in_histories) for name, scorer in scorers.items()}
        sampled = {
            name: evaluate_sampled(scorer, table, targets, among=split.in_histories, progress=progress)
            for name, scorer in scorers.items()
        }
        rows = [
            {
                "model": name,
                "R@10, all products": mean_value(full[name], "recall@10"),
                "N@10, all products": mean_value(full[name], "ndcg@10"),
                f"HR@10, sampled {NUM_NEGATIVES}": sampled[name].figures["sampled recall@10"],
                f"N@10, sampled {NUM_NEGATIVES}": sampled[name].figures["sampled ndcg@10"],
            }
            for name in scorers
        ]
        own = sampled[self.name]
        fewer = f"; {own.num_short:,} users lack fewer and are ranked among all of these" if own.num_short else ""
        notes = [
            f"Sampled: the held-out product among {NUM_NEGATIVES} drawn ones that the user never had, as in the paper; "
            f"far higher than a full ranking and not comparable with it{fewer}.",
            "Its users as new: the same users without their own factors, folded in from their histories.",
        ]
        if self.epoch_seconds:
            notes.append(f"An epoch took {self.epoch_seconds:.2f} s (median), validation left out.")
        figures = {
            f"{part}_sampled/hr_at_10": own.figures["sampled recall@10"],
            f"{part}_sampled/ndcg_at_10": own.figures["sampled ndcg@10"],
        }
        return [Section(f"NeuMF by two protocols ({part}, {len(targets):,} users)", rows, notes, figures)]

    def _arrays(self) -> Arrays:
        users = {"users": self.users, "is_known": self.is_known, "typical": self.typical}
        epoch = {"best_epoch": np.array([self.best_epoch])}
        return {**self.scorer.arrays, **users, **epoch, "taken": self.taken, "takers": self.takers}

    def _restore(self, arrays: Arrays) -> None:
        self.scorer = NeuMFScorer(arrays)
        self.users: Floats = arrays["users"]  # (num_users, factors + width)
        self.is_known: npt.NDArray[np.bool_] = arrays["is_known"]  # (num_users,) has training reviews
        self.typical: Floats = arrays["typical"]  # (factors + width,)
        self.taken: Floats = arrays["taken"]  # (num_products,) by how many users
        self.takers: Floats = arrays["takers"]  # (num_products, factors + width) mean of these users
        self.best_epoch = int(arrays["best_epoch"][0])


class AsNew:
    """A model asked without the numbers of its users."""

    def __init__(self, model: Recommender) -> None:
        self.model, self.name, self.max_history = model, f"{model.name}, users as new", model.max_history

    def score(self, query: Query) -> Floats:
        """(len(query), num_products)"""
        return self.model.score(replace(query, users=None))
