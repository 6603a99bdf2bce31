"""Ego graphs: one user each, with an edge to every review of the user's recent history.

An ego graph is all that the user tower sees of a user, known or new, in training and in serving.
Here in numpy, for serving without torch; `rec_sys.recommenders.graph.history_batch` turns them into tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.histories import Histories

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class HistoryArrays:
    """A batch of ego graphs. Reviews that stand in several of them (of one user, at different times) are held once."""

    num_users: int
    product: Ints  # (num_reviews,) product numbers
    text: Floats  # (num_reviews, text_dim)
    rating: Floats  # (num_reviews,) stars; nan where unknown
    edge_review: Ints  # (num_edges,) row of the three above
    edge_user: Ints  # (num_edges,)
    age: Ints  # (num_edges,) 0 for the review nearest to what is predicted: the last of its history
    days: Floats  # (num_edges,) days between the review and that nearest one


def history_arrays(histories: Histories, text: Vectors, rating: Floats, timestamp: Ints) -> HistoryArrays:
    """Turn histories into ego graphs.

    Args:
        histories: one per user, the review nearest to what is predicted last: oldest first, or as
            `histories_around` orders them.
        text: (n, text_dim) embeddings, indexed by review number.
        rating: (n,) stars, nan where unknown, indexed by review number.
        timestamp: (n,) seconds, indexed by review number.
    """
    review, first, place = np.unique(histories.review, return_index=True, return_inverse=True)
    last = np.repeat(histories.indptr[1:] - 1, histories.lengths)  # entry of the nearest review of the same history
    seconds = timestamp[histories.review[last]] - timestamp[histories.review]
    return HistoryArrays(
        num_users=len(histories),
        product=histories.product[first],
        text=np.asarray(text[review], dtype=np.float32),
        rating=np.asarray(rating[review], dtype=np.float32),
        edge_review=place.reshape(-1).astype(np.int64),
        edge_user=histories.row.astype(np.int64),
        age=histories.age.astype(np.int64),
        days=(np.abs(seconds) / SECONDS_PER_DAY).astype(np.float32),
    )
