"""Recommendations computed in this process, from a stored model and its vector base."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rec_sys.arrays import Floats, Vectors
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.text_vectors import stored_review_vectors
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.encoders import GraphEncoder
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.numpy_encoder import NumpyGraphEncoder
from rec_sys.recommenders.graph.stored import StoredGraph
from rec_sys.text.text_encoder import TextEncoder
from rec_sys.vector_database.index import VectorBase

NVIDIA = Path("/proc/driver/nvidia")  # there where the driver is: asking torch instead would cost seconds


def recommender_of(
    stored: StoredGraph, base: VectorBase, encoder: TextEncoder, graph: GraphEncoder | None = None
) -> ReviewRecommender:
    """Recommend in this process.

    Args:
        stored: the trained model.
        base: its vector base.
        encoder: its text encoder.
        graph: what computes vectors; None: numpy.
    """
    graph = graph or NumpyGraphEncoder(stored)
    form = DataForm.of_model(stored.info)
    return ReviewRecommender(graph, base, all_history(stored.history, base, graph), encoder, form)


def review_vectors(stored: StoredGraph, data: Dataset, paths: Paths) -> Vectors:
    """(num_reviews, text_dim or 0) vectors of the texts, at hand or from disk where training left them there.

    Args:
        stored: the trained model, which decides whether texts are read.
        data: the reviews; their texts are embedded where the vectors cannot be had otherwise.
        paths: where the data was prepared.
    """
    if not stored.review_texts:
        return np.zeros((len(data.table), 0), dtype=np.float16)
    if not data.is_embedded:
        fingerprint = str(stored.info.get("encoder", {}).get("fingerprint", ""))
        kept = stored_review_vectors(data.table, fingerprint, paths)
        if kept is not None:
            return kept
    return data.review_text


def graph_encoder_of(stored: StoredGraph, device: str = "cpu") -> GraphEncoder:
    """What computes vectors: torch on CUDA where there is one and `device` is "auto", numpy otherwise."""
    if device == "auto" and NVIDIA.exists():
        import torch

        if torch.cuda.is_available():
            from rec_sys.inference.torch_encoder import TorchGraphEncoder
            from rec_sys.recommenders.graph.checkpoint import from_stored

            return TorchGraphEncoder(from_stored(stored), torch.device("cuda"))
    return NumpyGraphEncoder(stored)


def all_history(known: Floats, base: VectorBase, graph: GraphEncoder) -> Floats:
    """What `ReviewRecommender` reads of products, (len(base) + 1, history_dim).

    First those of the model, then those added to the base later, then one of which nothing is known.
    """
    nothing, _ = graph.encode_cold_items(np.zeros((1, graph.text_dim), dtype=np.float32))
    return np.concatenate([known, base.added_history, nothing]).astype(np.float32)
