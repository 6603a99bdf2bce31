"""NeuMF: two branches over vectors of users and products, a product and a small network (He et al., WWW 2017)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Part
from rec_sys.errors import CheckpointError, DataError
from rec_sys.metrics.sampled import NUM_NEGATIVES, evaluate_sampled
from rec_sys.metrics.scorer import MostPopular, Scorer
from rec_sys.metrics.validation import validation_score
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.neumf_pairs import Pairs
from rec_sys.recommenders.neumf_scorer import NeuMFScorer
from rec_sys.recommenders.neumf_settings import NeuMFSettings, TrainingPlan
from rec_sys.tables import Section

COMPARED = 300  # products, at most, that a history is compared with when it is folded in
REPORTED_USERS = 5_000  # at most, of the figures of `sections`


class NeuMF(Recommender):
    """Generalised matrix factorisation beside a multi-layer perceptron, one last layer over both.

    Lightning trains it, asking needs NumPy alone. A user of the training is answered by the vectors that were learned,
    whatever the history says besides. For a new one a vector is folded in: a few gradient steps of the history's
    loss, everything else left as it is. Where there is no history, the vector is one whose scores follow popularity.
    """

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
        is_known = np.diff(pairs.indptr) > 0
        shares = np.bincount(pairs.product, minlength=table.num_products).astype(np.float32) / len(pairs)
        plan = TrainingPlan.of(s, int(is_known.sum()), table.num_products, len(pairs))

        def take(final: bool = True) -> None:
            """What scoring needs of the network as it is now."""
            arrays = network.arrays()
            users = np.concatenate([arrays.pop("user_gmf"), arrays.pop("user_mlp")], axis=1)
            typical = users[is_known].mean(axis=0)
            if final:
                typical = NeuMFScorer(arrays).popular(typical, shares)
            self._restore({**arrays, "users": users, "is_known": is_known, "typical": typical, **self._facts()})

        def ask() -> float:
            take(final=False)
            assert validate is not None  # noqa: S101  asked only where there is one
            return validate(self)

        self.best_epoch, self.epoch_seconds = 0, 0.0
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
        """(len(query), factors + width): learned ones, folded in ones, the typical one."""
        s, known = self.settings, self._known(query)
        vectors = np.tile(self.typical, (len(query), 1))
        new = np.flatnonzero(~known)
        if len(new):
            histories = _rows(query.histories.last(s.max_history), new)
            vectors[new] = self.scorer.folded_in(
                vectors[new], histories, self.compared, s.loss, s.fold_in_steps, s.fold_in_rate
            )
        if query.users is not None:
            vectors[known] = self.users[query.users[known]]
        return vectors

    def answered_by(self, query: Query) -> list[str]:
        """Learned vectors, a folded-in one or the typical one."""
        lengths = np.minimum(query.histories.lengths, self.max_history)
        return [
            "own factors"
            if is_known
            else f"new user: factors folded in from {length:,} products"
            if length
            else "new user without history: close to popularity"
            for is_known, length in zip(self._known(query).tolist(), lengths.tolist(), strict=True)
        ]

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
        rows, figures = [], {}
        popular = MostPopular(table.product[split.train], table.num_products)
        short = 0
        for label, model in ((self.name, self), ("its users as new", AsNew(self)), (popular.name, popular)):
            scorer: Scorer = model
            full = {
                metric: validation_score(scorer, table, targets, split.in_histories, metric)
                for metric in ("recall@10", "ndcg@10")
            }
            sampled = evaluate_sampled(scorer, table, targets, among=split.in_histories, progress=progress)
            short = sampled.num_short
            hit, gain = sampled.figures["sampled recall@10"], sampled.figures["sampled ndcg@10"]
            rows.append(
                {
                    "model": label,
                    "R@10, all products": full["recall@10"],
                    "N@10, all products": full["ndcg@10"],
                    f"HR@10, sampled {NUM_NEGATIVES}": hit,
                    f"N@10, sampled {NUM_NEGATIVES}": gain,
                }
            )
            if scorer is self:
                figures = {f"{part}_sampled/hr_at_10": hit, f"{part}_sampled/ndcg_at_10": gain}
        fewer = f"; {short:,} users lack fewer products than that and are ranked among all of them" if short else ""
        return [
            Section(
                title=f"NeuMF by two protocols ({part}, {len(targets):,} users)",
                rows=rows,
                notes=[
                    f"Sampled: the held-out product among {NUM_NEGATIVES} drawn ones that the user never had, as in "
                    f"the paper; far higher than a full ranking and not comparable with it{fewer}.",
                    "Its users as new: the same users without their learned factors, folded in from their histories.",
                    f"An epoch takes {self.epoch_seconds:.2f} s (median), validation left out.",
                ],
                figures=figures,
            )
        ]

    def _facts(self) -> Arrays:
        return {"best_epoch": np.array([self.best_epoch]), "epoch_seconds": np.array([self.epoch_seconds])}

    def _arrays(self) -> Arrays:
        kept = {"users": self.users, "is_known": self.is_known, "typical": self.typical}
        return {**self.scorer.arrays, **kept, **self._facts()}

    def _restore(self, arrays: Arrays) -> None:
        self.scorer = NeuMFScorer(arrays)
        self.users: Floats = arrays["users"]  # (num_users, factors + width)
        self.is_known: npt.NDArray[np.bool_] = arrays["is_known"]  # (num_users,) has training reviews
        self.typical: Floats = arrays["typical"]  # (factors + width,)
        if self.users.shape[1] != self.scorer.width:
            raise CheckpointError(
                f"NeuMF: users' vectors of length {self.users.shape[1]}, expected {self.scorer.width}"
            )
        self.best_epoch = int(arrays["best_epoch"][0])
        self.epoch_seconds = float(arrays["epoch_seconds"][0])
        drawn = np.random.default_rng(self.settings.seed).permutation(self.scorer.num_products)[:COMPARED]
        self.compared: Ints = np.sort(drawn)


class AsNew:
    """A model asked without the numbers of its users."""

    def __init__(self, model: Recommender) -> None:
        self.model, self.name, self.max_history = model, f"{model.name}, users as new", model.max_history

    def score(self, query: Query) -> Floats:
        """(len(query), num_products)"""
        return self.model.score(replace(query, users=None))


def _rows(histories: Histories, rows: Ints) -> Histories:
    """Some of the histories, in the order of `rows`."""
    lengths = histories.lengths[rows]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    entry = np.arange(indptr[-1]) + np.repeat(histories.indptr[rows] - indptr[:-1], lengths)
    return Histories(indptr, histories.review[entry], histories.product[entry])
