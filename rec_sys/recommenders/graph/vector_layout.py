"""Which coordinates of the graph model's vectors mean what: the only place that knows. No torch in here.

A *vector* is a user, or a product to recommend; both meet in one inner product:

    [ rating bias | preference | item factors | remainder | exclusion codes ]
           1           dim           rank           1          num_codes

Without item factors and exclusion codes it ends after the preference. A *history state* is a product as something that
a user has reviewed:

    [ item bias | state | item factors | exclusion codes ]
          1        dim       rank          num_codes
"""

from __future__ import annotations

from dataclasses import dataclass

RATING_BIAS = slice(0, 1)  # of a vector: the user's rating bias, which meets the same constant in every product
CONTENT = slice(1, None)  # of a vector: all that orders products
ITEM_BIAS = 0  # of a history state: rating points that a product gets more or less than its users would lead to expect


def content_part(width: int) -> slice:
    """Of a vector: the first `width` coordinates of its content."""
    return slice(CONTENT.start, CONTENT.start + width)


@dataclass(frozen=True)
class VectorLayout:
    """Sizes of the parts, and the slices that follow from them."""

    dim: int  # of the preference
    rank: int = 0  # of the item factors
    num_codes: int = 0  # exclusion codes
    is_blended: bool = False  # item factors or exclusion codes stand beside the preference

    @property
    def preference(self) -> slice:
        """Of a vector: what attention over learned vectors and texts says."""
        return slice(1, 1 + self.dim)

    @property
    def item_factors(self) -> slice:
        """Of a vector: what the low-rank item-item model says."""
        return slice(1 + self.dim, 1 + self.dim + self.rank)

    @property
    def similarity(self) -> slice:
        """Of a vector: preference and item factors, all that says what a product is like."""
        return content_part(self.similarity_dim)

    @property
    def similarity_dim(self) -> int:
        """Length of that part."""
        return self.dim + self.rank

    @property
    def codes(self) -> slice:
        """Of a vector: the exclusion codes, which push seen items down."""
        return slice(self.vector_dim - self.num_codes, self.vector_dim)

    @property
    def vector_dim(self) -> int:
        """Length of a vector."""
        return 1 + self.dim + (self.rank + 1 + self.num_codes if self.is_blended else 0)

    @property
    def history_state(self) -> slice:
        """Of a history state: what attention reads."""
        return slice(1, 1 + self.dim)

    @property
    def history_factors(self) -> slice:
        """Of a history state: the row of the low-rank item-item model."""
        return slice(1 + self.dim, 1 + self.dim + self.rank)

    @property
    def history_codes(self) -> slice:
        """Of a history state: the product's exclusion code, one-hot."""
        return slice(1 + self.dim + self.rank, self.history_dim)

    @property
    def history_dim(self) -> int:
        """Length of a history state."""
        return 1 + self.dim + self.rank + self.num_codes
