"""Stars as tensors: what the user tower reads. What a star is stands in `rec_sys.recommenders.graph.history_arrays`."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.histories import Histories
from rec_sys.recommenders.graph.history_arrays import SECONDS_PER_DAY, StarArrays, star_arrays

__all__ = ["SECONDS_PER_DAY", "Stars", "make_stars"]


@dataclass(frozen=True)
class Stars:
    """`StarArrays` as tensors, field by field."""

    num_stars: int
    product: Tensor  # (num_reviews,) int64
    text: Tensor  # (num_reviews, text_dim) float32
    rating: Tensor  # (num_reviews,) float32
    edge_review: Tensor  # (num_edges,) int64
    edge_star: Tensor  # (num_edges,) int64
    age: Tensor  # (num_edges,) int64
    days: Tensor  # (num_edges,) float32

    @classmethod
    def of(cls, arrays: StarArrays) -> Stars:
        """The same stars; memory is shared."""
        names = [f.name for f in fields(cls) if f.name != "num_stars"]
        return cls(arrays.num_stars, **{name: torch.from_numpy(getattr(arrays, name)) for name in names})

    def to(self, device: torch.device) -> Stars:
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "num_stars"}
        return Stars(num_stars=self.num_stars, **moved)


def make_stars(histories: Histories, text: Vectors, rating: Floats, timestamp: Ints) -> Stars:
    """Turn histories into stars; arguments as those of `star_arrays`."""
    return Stars.of(star_arrays(histories, text, rating, timestamp))
