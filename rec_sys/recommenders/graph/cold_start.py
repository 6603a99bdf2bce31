"""New products: a vector for a product that nobody has reviewed, from its text and from the known ones that read alike.

Its own text gives a taste, as the product tower learned it. The known products whose texts are nearest say more: what
they are taken together with, which the memory holds and a text does not tell. Both are put together, and the length of
the result says how boldly a new product competes with those whose reviews are known: it is set once, after training, so
that new products are recommended as often as wanted (`rec_sys/recommenders/graph/calibration.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from rec_sys.recommenders.graph.product_tower import ProductStates, ProductTower
from rec_sys.settings import Settings

NEIGHBOURS = 20
SHARPNESS = 20.0  # a neighbour weighs by exp(SHARPNESS * cosine of the texts)
# Of the squared length; the rest is taste. With more memory a new product stands high for few people; with less, at the
# same cost to the first ten, it is shown to more people, and more of those who take it have seen it.
FACTOR_WEIGHT = 0.03


class Calibration(Settings):
    """How new products stand among the known."""

    scale: float = Field(ge=0, le=1, description="squared length of taste and memory together")
    factor_weight: float = Field(FACTOR_WEIGHT, ge=0, le=1, description="part of that which is memory")


@dataclass(frozen=True)
class TextNeighbourBank:
    """What new products are compared with."""

    text: Tensor  # (num_products, text_dim) unit vectors; zero where a product has none
    known: Tensor  # (num_products,) bool: has training reviews, so that new products may take after it
    calibration: Calibration

    @property
    def examples(self) -> Tensor:
        """Product numbers of the known ones that have a text."""
        return (self.known & self.text.any(dim=1)).nonzero()[:, 0]

    @property
    def cold_items(self) -> Tensor:
        """Product numbers of those that have nothing but a text."""
        return (~self.known & self.text.any(dim=1)).nonzero()[:, 0]


class ColdItemEncoder(nn.Module):
    """Texts to product states; also the network that is exported for serving.

    Args:
        tower: the trained product tower.
        states: of the known products.
        readable: their texts; None: a new product is its own text alone.
    """

    text: Tensor  # (num_examples, text_dim), and so on: of the known products with a text
    preference: Tensor
    target_factors: Tensor
    history_factors: Tensor

    def __init__(self, tower: ProductTower, states: ProductStates, bank: TextNeighbourBank | None) -> None:
        super().__init__()
        self.tower, self.blend = tower, tower.blend
        self.rank = self.blend.rank if self.blend else 0
        self.scale = 1.0 if bank is None else bank.calibration.scale
        self.factor_weight = FACTOR_WEIGHT if bank is None else bank.calibration.factor_weight
        self.dim = tower.learned.embedding_dim
        text = torch.zeros(0, 1) if bank is None else bank.text
        self.numbers = torch.zeros(0, dtype=torch.int64) if bank is None else bank.examples
        target, device = states.target, states.target.device
        self.register_buffer("text", text[self.numbers].float().to(device))
        self.register_buffer("taste", target[self.numbers.to(device), 1 : self.dim + 1])
        self.register_buffer("target_memory", target[self.numbers.to(device), self.dim + 1 : self.dim + 1 + self.rank])
        self.register_buffer(
            "history_memory", states.history[self.numbers.to(device), self.dim + 1 : self.dim + 1 + self.rank]
        )

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """History states (n, history_dim) and target vectors (n, target_dim) of texts (n, text_dim)."""
        states = self.of_parts(*self.parts(text), self.scale)
        return states.history, states.target

    def describe(self, text: Tensor) -> ProductStates:
        """States of products described by texts, (n, text_dim)."""
        return ProductStates(*self(text))

    def parts(self, text: Tensor, leave_out: Tensor | None = None) -> tuple[ProductStates, Tensor, Tensor, Tensor]:
        """The text's own states, and taste, memory to recommend and memory to recall from what reads alike.

        Args:
            text: (n, text_dim).
            leave_out: (n,) an example each, by its place among them, that must not be looked at.

        Returns:
            states; (n, dim) unit vectors; (n, rank) unit vectors; (n, rank). For a text of zeros the taste is the
            text's own and the last two are zero; where there is no example all three are zero.
        """
        unit = functional.normalize(text, dim=1)
        own = self.tower.of_text(unit)
        if not len(self.numbers):
            nothing = unit.new_zeros(len(unit), self.rank)
            return own, unit.new_zeros(len(unit), self.dim), nothing, nothing
        cosine = unit @ self.text.T
        if leave_out is not None:
            cosine = cosine.scatter(1, leave_out[:, None], -2.0)
        near, which = cosine.topk(min(NEIGHBOURS, len(self.numbers)), dim=1)
        weight = torch.softmax(SHARPNESS * near, dim=1)[:, :, None] * unit.any(dim=1)[:, None, None]
        preference = functional.normalize((weight * self.preference[which]).sum(dim=1), dim=1)
        preference = functional.normalize(
            preference + functional.normalize(own.target[:, 1 : self.dim + 1], dim=1), dim=1
        )
        factors = functional.normalize((weight * self.target_factors[which]).sum(dim=1), dim=1)
        history_factor_sum = (weight * self.history_factors[which]).sum(dim=1)
        return own, preference, factors, history_factor_sum

    def of_parts(
        self, own: ProductStates, preference: Tensor, factors: Tensor, history_factor_sum: Tensor, scale: float
    ) -> ProductStates:
        """Put the parts together; see `parts`."""
        if not len(self.numbers):
            return own
        rating_bias = own.target[:, :1]
        code = rating_bias.new_zeros(len(rating_bias), self.blend.num_codes if self.blend else 0)
        if self.blend:
            blend_weight = self.factor_weight * factors.square().sum(dim=1, keepdim=True)  # of no text: 0
            rest = torch.full_like(rating_bias, 1 - scale).sqrt()
            inner = torch.cat(
                [preference * (scale * (1 - blend_weight)).sqrt(), factors * (scale * blend_weight).sqrt(), rest, code],
                dim=1,
            )
        else:
            inner = preference
        history = torch.cat([own.history[:, : self.dim + 1], history_factor_sum, code], dim=1)
        return ProductStates(history, torch.cat([rating_bias, inner * (1 - rating_bias.square()).sqrt()], dim=1))
