"""A trained graph model in torch, for GPUs and as what exported networks are compared with."""

from __future__ import annotations

import threading

import torch

from rec_sys.arrays import Floats
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.scorer import blended_vectors


class TorchGraphEncoder:
    """The network of a trained model.

    Args:
        trained: the model; its network is moved to the device.
        device: where it runs; None: the CPU.
    """

    def __init__(self, trained: TrainedGraph, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.network, self.blend = trained.network.to(self.device).eval(), trained.blend
        self.cold_items = trained.cold_items.to(self.device)
        self.text_dim, self.review_texts = self.network.text_dim, self.network.review_texts
        self.max_history = self.network.settings.max_history
        self._alone = threading.Lock()  # PyG's convolutions put their attention down in themselves on the way

    @torch.inference_mode()
    def encode_users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """Vectors (num_users, vector_dim) and attention (num_edges,)."""
        states, batch = torch.from_numpy(products).to(self.device), HistoryBatch.of(histories).to(self.device)
        with self._alone:
            users = self.network.user_tower(states, batch)
        vectors = blended_vectors(users, states, batch, self.blend)
        return vectors.cpu().numpy(), users.attention.cpu().numpy()

    @torch.inference_mode()
    def encode_cold_items(self, text: Floats) -> tuple[Floats, Floats]:
        """History states (n, history_dim) and vectors to recommend (n, vector_dim)."""
        history, target = self.cold_items(torch.from_numpy(text).to(self.device))
        return history.cpu().numpy(), target.cpu().numpy()
