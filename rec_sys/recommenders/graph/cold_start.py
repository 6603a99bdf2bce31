"""Cold items: a vector for a product that nobody has reviewed, from its text and its text neighbours.

Its own text gives a preference embedding, as the product tower learned it. The known products whose texts are nearest
say more: what they are taken together with, which the item factors hold and a text does not tell. Both are put
together, and the scale of the result says how strongly a cold item competes with those whose reviews are known: it is
chosen once, after training, by what it costs these on validation (`calibration.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rec_sys.recommenders.graph.item_factors import ItemFactors
from rec_sys.recommenders.graph.product_tower import ProductStates, ProductTower
from rec_sys.recommenders.graph.settings import Blend, Calibration, layout_of
from rec_sys.recommenders.graph.vector_layout import RATING_BIAS


@dataclass(frozen=True)
class TextNeighbourBank:
    """The texts that cold items are compared with."""

    text: Tensor  # (num_products, text_dim) unit vectors; zero where a product has none
    known: Tensor  # (num_products,) bool: has training reviews, so that cold items may take after it
    calibration: Calibration

    @property
    def examples(self) -> Tensor:
        """Product numbers of the known ones that have a text."""
        return (self.known & self.text.any(dim=1)).nonzero()[:, 0]

    @property
    def cold_items(self) -> Tensor:
        """Product numbers of those that have nothing but a text."""
        return (~self.known & self.text.any(dim=1)).nonzero()[:, 0]


@dataclass(frozen=True)
class ColdItemParts:
    """What a cold item's states are put together from."""

    own: ProductStates  # of the text alone, as the product tower says
    preference: Tensor  # (n, dim) unit vectors: own and neighbours'; of a text of zeros the own
    target_factors: Tensor  # (n, rank) unit vectors; zero for a text of zeros
    history_factors: Tensor  # (n, rank); zero for a text of zeros


class ColdItemEncoder(nn.Module):
    """Texts to product states; also the network that is exported for serving.

    Args:
        tower: the trained product tower.
        states: of the known products.
        bank: their texts; None: a cold item is its own text alone.
        blend: what stands beside the network's vectors; None: nothing.
    """

    text: Tensor  # (num_examples, text_dim), and so on: of the known products with a text
    preference: Tensor
    target_factors: Tensor
    history_factors: Tensor

    def __init__(
        self, tower: ProductTower, states: ProductStates, bank: TextNeighbourBank | None, blend: Blend | None
    ) -> None:
        super().__init__()
        self.tower, self.blend = tower, blend
        self.calibration = Calibration(scale=1.0) if bank is None else bank.calibration
        self.layout = layout_of(tower.learned.embedding_dim, blend)
        text = torch.zeros(0, 1) if bank is None else bank.text
        self.numbers = torch.zeros(0, dtype=torch.int64) if bank is None else bank.examples
        chosen = self.numbers.to(states.target.device)
        self.register_buffer("text", text[self.numbers].float().to(states.target.device))
        self.register_buffer("preference", states.target[chosen, self.layout.preference])
        self.register_buffer("target_factors", states.target[chosen, self.layout.item_factors])
        self.register_buffer("history_factors", states.history[chosen, self.layout.history_factors])

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """History states (n, history_dim) and target vectors (n, vector_dim) of texts (n, text_dim)."""
        states = self.of_parts(self.parts(text), self.calibration.scale)
        return states.history, states.target

    def describe(self, text: Tensor) -> ProductStates:
        """States of products described by texts, (n, text_dim)."""
        return ProductStates(*self(text))

    def parts(self, text: Tensor, leave_out: Tensor | None = None) -> ColdItemParts:
        """What the text itself and the texts nearest to it say.

        Args:
            text: (n, text_dim).
            leave_out: (n,) an example each, by its place among them, that must not be looked at.
        """
        unit = functional.normalize(text, dim=1)
        own = self.tower.of_text(unit)
        if not len(self.numbers):
            nothing = unit.new_zeros(len(unit), self.layout.rank)
            return ColdItemParts(own, unit.new_zeros(len(unit), self.layout.dim), nothing, nothing)
        cosine = unit @ self.text.T
        if leave_out is not None:
            cosine = cosine.scatter(1, leave_out[:, None], -2.0)
        near, which = cosine.topk(min(self.calibration.neighbours, len(self.numbers)), dim=1)
        weight = torch.softmax(self.calibration.sharpness * near, dim=1)[:, :, None] * unit.any(dim=1)[:, None, None]
        preference = functional.normalize((weight * self.preference[which]).sum(dim=1), dim=1)
        preference = functional.normalize(
            preference + functional.normalize(own.target[:, self.layout.preference], dim=1), dim=1
        )
        target_factors = functional.normalize((weight * self.target_factors[which]).sum(dim=1), dim=1)
        history_factors = (weight * self.history_factors[which]).sum(dim=1)
        return ColdItemParts(own, preference, target_factors, history_factors)

    def of_parts(self, parts: ColdItemParts, scale: float) -> ProductStates:
        """Put the parts together; see `parts`."""
        own = parts.own
        if self.blend is None and not len(self.numbers):
            return own
        rating_bias = own.target[:, RATING_BIAS]
        code = rating_bias.new_zeros(len(rating_bias), self.layout.num_codes)
        if self.blend is None:
            content = parts.preference
        elif not len(self.numbers):
            return own.with_item_factors(
                ItemFactors(parts.history_factors, parts.target_factors), code, self.blend.penalty
            )
        else:
            weight = self.calibration.factor_weight * parts.target_factors.square().sum(
                dim=1, keepdim=True
            )  # 0: no text
            content = torch.cat(
                [
                    parts.preference * (scale * (1 - weight)).sqrt(),
                    parts.target_factors * (scale * weight).sqrt(),
                    torch.full_like(rating_bias, 1 - scale).sqrt(),
                    code,
                ],
                dim=1,
            )
        state = own.history[:, : self.layout.history_state.stop]
        history = torch.cat([state, parts.history_factors, code], dim=1)
        return ProductStates(history, torch.cat([rating_bias, content * (1 - rating_bias.square()).sqrt()], dim=1))
