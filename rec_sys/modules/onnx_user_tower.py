"""The user tower in plain operations, for export: the same weights, one edge per review, any number of anything.

PyG's convolutions look at the sizes they are given and fix them in the exported network; here nothing does, not even
where there is no review or nobody at all. `rec_sys.modules.model_export` holds the two equal before it writes a file.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATv2Conv, TransformerConv

from rec_sys.recommenders.graph.settings import Blend, layout_of
from rec_sys.recommenders.graph.user_tower import MAX_RATING_BIAS, UserTower
from rec_sys.recommenders.graph.vector_layout import ITEM_BIAS


class PlainUserTower(nn.Module):
    """A trained `UserTower`, asked with what `rec_sys.modules.signature.graph_model` lists.

    The names of the arguments are those of the served model's inputs.

    Args:
        tower: shares its weights with this one.
        blend: what stands beside the network's vectors; None: nothing.
    """

    def __init__(self, tower: UserTower, blend: Blend | None) -> None:
        super().__init__()
        self.tower, self.blend = tower, blend
        self.layout = layout_of(tower.out.in_features, blend)

    def forward(
        self,
        products: Tensor,
        rating: Tensor,
        person: Tensor,
        age: Tensor,
        days: Tensor,
        people: Tensor,
        text: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Vectors (num_users, vector_dim) of users, and the attention of reviews (num_reviews,).

        Args:
            products: (num_reviews, history_dim) history state of the product of each review.
            rating: (num_reviews,) nan where unknown.
            person: (num_reviews,) row of `people`.
            age: (num_reviews,) 0 for a user's newest review.
            days: (num_reviews,) before the newest one.
            people: (num_users,) only its length counts.
            text: (num_reviews, text_dim); None where the tower reads none.
        """
        tower, layout = self.tower, self.layout
        item_bias, product = products[:, ITEM_BIAS], products[:, layout.history_state]
        has_rating = (~rating.isnan()).float()
        surplus = torch.where(rating.isnan(), torch.zeros_like(rating), rating - 3.0)
        edge = tower.rating(torch.stack([surplus, has_rating], dim=1))
        if tower.review_text is not None:
            edge = edge + tower.review_text(text)
        edge = edge + tower.age(age) + tower.days(torch.log1p(days)[:, None])
        newest = (age == 0).float()[:, None]
        state = sum_of(product * newest, person, people) + tower.start
        attention = torch.zeros_like(days)
        for conv in tower.convs:
            look = _transformer if isinstance(conv, TransformerConv) else _gat
            message, weight = look(conv, product, state, edge, person)
            state = state + message
            attention = attention + weight.mean(dim=1) / len(tower.convs)
        preference = functional.normalize(tower.out(state), dim=1)
        content = preference if self.blend is None else self._blended(preference, products, age, person)
        rating_bias = torch.zeros_like(preference[:, :1])
        if tower.rating_bias is not None:
            rated = torch.stack([(surplus - item_bias) * has_rating, has_rating], dim=1)
            total, count = torch.split(sum_of(rated, person, people), 1, dim=1)
            mean = total / (count + tower.log_shrinkage.exp())
            rating_bias = MAX_RATING_BIAS * torch.tanh(tower.surplus(mean) + tower.rating_bias(state))
        return torch.cat([rating_bias, content * (1 - rating_bias.square()).sqrt()], dim=1), attention

    def _blended(self, preference: Tensor, products: Tensor, age: Tensor, person: Tensor) -> Tensor:
        """`rec_sys.recommenders.graph.item_factors.blend_users`."""
        blend, layout = self.blend, self.layout
        assert blend is not None  # noqa: S101
        nothing = torch.zeros_like(preference[:, :1])
        users = nothing[:, 0]
        parts, weight = [nothing], nothing
        if blend.rank:
            decayed = products[:, layout.history_factors] * (blend.decay ** age.to(products.dtype))[:, None]
            total = functional.normalize(sum_of(decayed, person, users), dim=1)
            weight = blend.weight * total.square().sum(dim=1, keepdim=True)
            parts = [total * blend.weight**0.5, nothing]
        content = torch.cat([preference * (1 - weight).sqrt(), *parts], dim=1)
        if not blend.num_codes:
            return content
        seen = functional.normalize(sum_of(products[:, layout.history_codes], person, users), dim=1)
        rest = (1 - blend.penalty * seen.square().sum(dim=1, keepdim=True)).sqrt()
        return torch.cat([content * rest, -seen * blend.penalty**0.5], dim=1)


def sum_of(values: Tensor, person: Tensor, people: Tensor) -> Tensor:
    """(num_users, width): values (num_reviews, width) added up by user.

    Not `index_add` or `index_put`, which become ONNX's ScatterND: ONNX Runtime lets several threads add to one row
    without a lock, and gives wrong sums. ScatterElements runs in one thread.
    """
    empty = torch.zeros_like(people)[:, None].to(values.dtype).expand(-1, values.shape[1])
    return torch.scatter_add(empty, 0, person[:, None].expand(-1, values.shape[1]), values)


def _softmax(score: Tensor, person: Tensor, state: Tensor) -> Tensor:
    """(num_reviews, heads): shares of each person's reviews in that person's attention."""
    lowest = torch.full_like(state[:, : score.shape[1]], -math.inf)  # (num_users, heads)
    place = person[:, None].expand(-1, score.shape[1])
    highest = torch.scatter_reduce(lowest, 0, place, score, "amax")
    weight = torch.exp(score - highest[person])
    return weight / (sum_of(weight, person, state[:, 0])[person] + 1e-16)


def _transformer(
    conv: TransformerConv, product: Tensor, state: Tensor, edge: Tensor, person: Tensor
) -> tuple[Tensor, Tensor]:
    """`TransformerConv`: message (num_users, dim), attention (num_reviews, heads)."""
    heads, width = conv.heads, conv.out_channels
    attributes = conv.lin_edge(edge)
    query = conv.lin_query(state)[person].view(-1, heads, width)
    key = (conv.lin_key(product) + attributes).view(-1, heads, width)
    weight = _softmax((query * key).sum(dim=2) / math.sqrt(width), person, state)
    value = (conv.lin_value(product) + attributes).view(-1, heads, width) * weight[:, :, None]
    return sum_of(value.flatten(1), person, state[:, 0]) + conv.lin_skip(state), weight


def _gat(conv: GATv2Conv, product: Tensor, state: Tensor, edge: Tensor, person: Tensor) -> tuple[Tensor, Tensor]:
    """`GATv2Conv`: message (num_users, dim), attention (num_reviews, heads)."""
    heads, width = conv.heads, conv.out_channels
    value = conv.lin_l(product)
    seen = (value + conv.lin_r(state)[person] + conv.lin_edge(edge)).view(-1, heads, width)
    score = (functional.leaky_relu(seen, conv.negative_slope) * conv.att).sum(dim=2)
    weight = _softmax(score, person, state)
    value = value.view(-1, heads, width) * weight[:, :, None]
    return sum_of(value.flatten(1), person, state[:, 0]) + conv.bias, weight
