"""SASRec: self-attention over the products of a history, in their order (Kang & McAuley, ICDM 2018).

The loss is the softmax over all products at every place of a history. With it, and not with the paper's single drawn
negative, SASRec is as good as its successors (Klenitskiy & Vasilev, "Turning Dross Into Gold Loss", RecSys 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.errors import CheckpointError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.sasrec_settings import SASRecSettings

if TYPE_CHECKING:
    from rec_sys.recommenders.sasrec_network import SASRecNetwork  # torch is imported where a network is built

NETWORK = "network."  # prefix of its weights among the arrays


class SASRec(Recommender):
    """A causal transformer: after each product of a history, which one is next?

    Every history begins with a start token, so the first product is predicted too and an empty history is answered.
    """

    key, name = "sasrec", "SASRec"
    paper = "Kang and McAuley, ICDM 2018; loss of Klenitskiy and Vasilev, RecSys 2023"
    settings_class = SASRecSettings
    settings: SASRecSettings
    seeded = True

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        import torch

        from rec_sys.recommenders.sasrec_network import SASRecNetwork, train_network

        ask = None if validate is None else lambda: validate(self)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            self.network: SASRecNetwork = SASRecNetwork(dataset.table.num_products, self.settings)
            self.best_epoch = train_network(
                self.network, dataset.table, dataset.split.train, self.settings, ask, progress
            )

    @property
    def max_history(self) -> int:
        return self.settings.max_history

    @property
    def chosen(self) -> str:
        return f"{self.best_epoch} epochs"

    @property
    def item_vectors(self) -> Floats:
        """(num_products, dim)"""
        vectors: Floats = self.network.product.weight.detach()[:-1].numpy()
        return vectors

    def _score(self, query: Query) -> Floats:
        return self.network.score(query.histories.last(self.settings.max_history))

    def _arrays(self) -> Arrays:
        weights = {f"{NETWORK}{name}": weight.numpy() for name, weight in self.network.state_dict().items()}
        return {**weights, "best_epoch": np.array([self.best_epoch])}

    def _restore(self, arrays: Arrays) -> None:
        import torch

        from rec_sys.recommenders.sasrec_network import SASRecNetwork

        weights = {name.removeprefix(NETWORK): value for name, value in arrays.items() if name.startswith(NETWORK)}
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn, then replaced
            self.network = SASRecNetwork(len(weights["product.weight"]) - 1, self.settings)
        try:
            self.network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        except RuntimeError as error:
            raise CheckpointError(f"the weights of SASRec do not fit its settings ({error})") from error
        self.best_epoch = int(arrays["best_epoch"][0])
