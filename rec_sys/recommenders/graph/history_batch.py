"""User histories as tensors, which the user tower reads; `rec_sys.recommenders.graph.history_arrays` defines them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.histories import Histories
from rec_sys.recommenders.graph.history_arrays import SECONDS_PER_DAY, HistoryArrays, history_arrays

__all__ = ["SECONDS_PER_DAY", "HistoryBatch", "make_history_batch"]


@dataclass(frozen=True)
class HistoryBatch:
    """`HistoryArrays` as tensors, field by field."""

    num_users: int
    product: Tensor  # (num_reviews,) int64
    text: Tensor  # (num_reviews, text_dim) float32
    rating: Tensor  # (num_reviews,) float32
    edge_review: Tensor  # (num_edges,) int64
    edge_user: Tensor  # (num_edges,) int64
    age: Tensor  # (num_edges,) int64
    days: Tensor  # (num_edges,) float32

    @classmethod
    def of(cls, arrays: HistoryArrays) -> HistoryBatch:
        """The same histories; memory is shared."""
        names = [f.name for f in fields(cls) if f.name != "num_users"]
        return cls(arrays.num_users, **{name: torch.from_numpy(getattr(arrays, name)) for name in names})

    def to(self, device: torch.device) -> HistoryBatch:
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "num_users"}
        return HistoryBatch(num_users=self.num_users, **moved)


def make_history_batch(histories: Histories, text: Vectors, rating: Floats, timestamp: Ints) -> HistoryBatch:
    """Turn histories into ego graphs; arguments as those of `history_arrays`."""
    return HistoryBatch.of(history_arrays(histories, text, rating, timestamp))
