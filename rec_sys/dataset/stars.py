"""Stars: one person each, with an edge to every review of that person's recent history.

A star is all that the user tower sees of somebody, known or new, in training, on the command line and behind a server.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import Floats, Ints, Vectors

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class Stars:
    """A batch of stars. Reviews that stand in several stars (of one person, at different times) are held once."""

    num_stars: int
    product: Tensor  # (num_reviews,) int64 product numbers
    text: Tensor  # (num_reviews, text_dim) float32
    rating: Tensor  # (num_reviews,) float32 stars; nan where unknown
    edge_review: Tensor  # (num_edges,) int64 row of the three above
    edge_star: Tensor  # (num_edges,) int64
    age: Tensor  # (num_edges,) int64, 0 for the review nearest to what is predicted: the last of its history
    days: Tensor  # (num_edges,) float32 days between the review and that nearest one

    def to(self, device: torch.device) -> Stars:
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "num_stars"}
        return Stars(num_stars=self.num_stars, **moved)


def make_stars(histories: Histories, text: Vectors, rating: Floats, timestamp: Ints) -> Stars:
    """Turn histories into stars.

    Args:
        histories: one per star, the review nearest to what is predicted last: oldest first, or as
            `histories_around` orders them.
        text: (n, text_dim) embeddings, indexed by review number.
        rating: (n,) stars, nan where unknown, indexed by review number.
        timestamp: (n,) seconds, indexed by review number.
    """
    review, first, place = np.unique(histories.review, return_index=True, return_inverse=True)
    last = np.repeat(histories.indptr[1:] - 1, histories.lengths)  # entry of the nearest review of the same star
    seconds = timestamp[histories.review[last]] - timestamp[histories.review]
    return Stars(
        num_stars=len(histories),
        product=torch.from_numpy(histories.product[first]),
        text=torch.from_numpy(np.asarray(text[review], dtype=np.float32)),
        rating=torch.from_numpy(np.asarray(rating[review], dtype=np.float32)),
        edge_review=torch.from_numpy(place.reshape(-1).astype(np.int64)),
        edge_star=torch.from_numpy(histories.row.astype(np.int64)),
        age=torch.from_numpy(histories.age.astype(np.int64)),
        days=torch.from_numpy((np.abs(seconds) / SECONDS_PER_DAY).astype(np.float32)),
    )
