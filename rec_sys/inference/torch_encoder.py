"""The towers in torch, straight from a checkpoint."""

from __future__ import annotations

import threading

import numpy as np
import torch

from rec_sys.arrays import Floats
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.text.text_encoder import TextEncoder
from rec_sys.vector_database.index import VectorBase


class TorchTowers:
    """The network of a checkpoint.

    Args:
        checkpoint: the trained model; its network is moved to the device.
        device: where it runs; None: the CPU.
    """

    def __init__(self, checkpoint: TrainedGraph, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.model = checkpoint.network.to(self.device).eval()
        self.product_tower = checkpoint.cold_items.to(self.device)
        self.text_dim, self.review_texts = self.model.text_dim, self.model.review_texts
        self.max_history = self.model.settings.max_history
        self._alone = threading.Lock()  # PyG's convolutions put their attention down in themselves on the way

    @torch.inference_mode()
    def users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """Vectors (num_users, dim) and attention (num_edges,)."""
        with self._alone:
            states = self.model.user_tower(
                torch.from_numpy(products).to(self.device), HistoryBatch.of(histories).to(self.device)
            )
        return states.vector.cpu().numpy(), states.attention.cpu().numpy()

    @torch.inference_mode()
    def new_products(self, text: Floats) -> tuple[Floats, Floats]:
        """History states (n, history_dim) and vectors to recommend (n, dim)."""
        history, target = self.product_tower(torch.from_numpy(text).to(self.device))
        return history.cpu().numpy(), target.cpu().numpy()


def recommender_of(
    checkpoint: TrainedGraph, base: VectorBase, encoder: TextEncoder, device: torch.device | None = None
) -> ReviewRecommender:
    """Recommend with torch.

    Args:
        checkpoint: the trained model.
        base: its vector base.
        encoder: its text encoder.
        device: where the network runs; None: the CPU.
    """
    towers = TorchTowers(checkpoint, device)
    return ReviewRecommender(towers, base, all_history(checkpoint, base, towers), encoder)


def all_history(checkpoint: TrainedGraph, base: VectorBase, towers: TorchTowers) -> Floats:
    """What `ReviewRecommender` reads of products, (len(base) + 1, history_dim).

    First those of the checkpoint, then those added to the base later, then one of which nothing is known.
    """
    known: Floats = checkpoint.states.history.cpu().numpy()
    nothing, _ = towers.new_products(np.zeros((1, towers.text_dim), dtype=np.float32))
    return np.concatenate([known, base.added_history, nothing]).astype(np.float32)
