"""The protocol of what computes a graph model's vectors: numpy, torch, ONNX Runtime or a server; no torch in here."""

from __future__ import annotations

from typing import Protocol

from rec_sys.arrays import Floats
from rec_sys.recommenders.graph.history_arrays import HistoryArrays


class GraphEncoder(Protocol):
    """The parts of a trained graph model that serving needs."""

    @property
    def text_dim(self) -> int:
        """Dimension of the texts' vectors; 0: the model reads no texts."""

    @property
    def review_texts(self) -> bool:
        """Whether texts of reviews are read; otherwise only those that describe products, if any."""

    @property
    def max_history(self) -> int:
        """Newest reviews of a user that are read."""

    def encode_users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
        """Vectors of users.

        Args:
            products: (num_products, history_dim) history states, to which `histories.product` points.
            histories: the users; one without an edge is a user of whom nothing is known.

        Returns:
            (num_users, vector_dim) unit vectors, and the attention each edge received, (num_edges,).
        """

    def encode_cold_items(self, text: Floats) -> tuple[Floats, Floats]:
        """History states (n, history_dim) and vectors to recommend (n, vector_dim) of products known by text alone.

        Args:
            text: (n, text_dim) vectors of the texts, of any length; zeros where there is none.
        """
