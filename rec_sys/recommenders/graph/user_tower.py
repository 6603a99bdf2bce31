"""The user tower: a person's vector is attention over the reviews that person wrote.

There is no trained vector of a person, so somebody who has just sent three reviews is served like anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATv2Conv, TransformerConv

from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.item_factors import Blend, blend_users
from rec_sys.recommenders.graph.product_tower import NARROW_STD, start_as_identity

MAX_RATING_BIAS = 0.98  # below 1, so that some of every vector is left for the taste
CONVOLUTIONS = {"transformer": TransformerConv, "gat": GATv2Conv}


def _start_as_mean(conv: nn.Module) -> None:
    """Let a convolution begin as the mean of what it reads, so that learning starts from "like what one has"."""
    if isinstance(conv, TransformerConv):
        start_as_identity(conv.lin_value)
        nn.init.zeros_(conv.lin_skip.weight)
        nn.init.zeros_(conv.lin_skip.bias)
    else:
        start_as_identity(conv.lin_l)


@dataclass(frozen=True)
class UserStates:
    """Vectors of the users of a batch."""

    vector: Tensor  # (num_users, dim + 1) unit vectors: the level, then the taste, then the memory if there is one
    preference: Tensor  # (num_users, dim) unit vectors: all of that but the level
    attention: Tensor  # (num_edges,) attention each review received, adds up to 1 per user; mean over heads and layers


class UserTower(nn.Module):
    """Bipartite attention from reviewed products to the person, one edge per review.

    An edge carries the review's text, its rating, its place counted from the newest and the days since then. The query
    starts from the newest product and is refined by each layer.

    Args:
        conv: "transformer" (TransformerConv; Shi et al. 2021) or "gat" (GATv2Conv; Brody et al. 2022).
        text_dim: dimension of the reviews' text embeddings; 0 where no review has a text.
        dim: dimension of the vectors, a multiple of `heads`.
        heads: attention heads.
        layers: rounds of attention.
        max_history: reviews a history may have.
        dropout: of states and attention.
        level: whether a person has a level of stars.
    """

    def __init__(
        self,
        conv: str,
        text_dim: int,
        dim: int,
        heads: int,
        layers: int,
        max_history: int,
        dropout: float,
        rating_bias: bool,
    ) -> None:
        super().__init__()
        self.review_text = nn.Linear(text_dim, dim) if text_dim else None
        self.rating = nn.Linear(2, dim, bias=False)
        self.age = nn.Embedding(max_history, dim)
        self.days = nn.Linear(1, dim, bias=False)
        for weight in (self.rating.weight, self.age.weight, self.days.weight):
            nn.init.normal_(weight, std=NARROW_STD)
        self.start = nn.Parameter(torch.zeros(dim))
        convolution = CONVOLUTIONS[conv]
        extra = {"add_self_loops": False} if conv == "gat" else {}
        self.convs = nn.ModuleList(
            convolution((dim, dim), dim // heads, heads=heads, edge_dim=dim, dropout=dropout, **extra)
            for _ in range(layers)
        )
        self.out = nn.Linear(dim, dim)
        start_as_identity(self.out)
        for conv_ in self.convs:
            _start_as_mean(conv_)
        self.rating_bias = nn.Linear(dim, 1, bias=False) if rating_bias else None
        if self.rating_bias is not None:
            nn.init.zeros_(self.rating_bias.weight)  # begins with what the ratings say; texts and products refine it
        self.surplus = nn.Linear(1, 1)
        nn.init.ones_(self.surplus.weight)
        nn.init.ones_(self.surplus.bias)
        self.log_shrinkage = nn.Parameter(
            torch.tensor(1.0)
        )  # logarithm of the average reviews a person is pretended to have
        self.dropout = nn.Dropout(dropout)
        self.blend: Blend | None = None  # set when training is done

    def forward(self, products: Tensor, histories: HistoryBatch) -> UserStates:
        """Vectors of the users in `histories`.

        Args:
            products: (num_products, 1 + dim) history states of the product tower, and the memory if there is one.
            histories: the batch; a user without an edge gets the vector of a user of whom nothing is known.
        """
        dim = self.out.in_features
        state_of = products[histories.product]
        item_bias, product, factors_and_codes = (
            state_of[:, 0],
            state_of[:, 1 : dim + 1],
            state_of[:, dim + 1 :],
        )  # (num_reviews, ...)
        has_rating = ~histories.rating.isnan()
        rating = torch.stack([(histories.rating - 3.0).nan_to_num(), has_rating.float()], dim=1)
        review = self.rating(rating)  # (num_reviews, dim)
        if self.review_text is not None:
            review = review + self.review_text(histories.text)
        position = self.age(histories.age) + self.days(torch.log1p(histories.days)[:, None])
        edge_attr = self.dropout(review[histories.edge_review] + position)  # (num_edges, dim)
        newest = histories.age == 0
        latest = torch.zeros(histories.num_users, product.shape[1], dtype=product.dtype, device=product.device)
        latest = latest.index_add(0, histories.edge_user[newest], product[histories.edge_review[newest]])
        state = latest + self.start
        edge_index = torch.stack([histories.edge_review, histories.edge_user])
        attention = histories.days.new_zeros(len(histories.edge_user))
        for conv in self.convs:
            message, (_, weight) = conv((product, state), edge_index, edge_attr, return_attention_weights=True)
            state = state + self.dropout(message)
            attention = attention + weight.detach().mean(dim=1) / len(self.convs)
        preference = functional.normalize(self.out(state), dim=1)
        if self.blend is not None:
            of_edge = factors_and_codes[histories.edge_review]
            factors, code = of_edge[:, : self.blend.rank], of_edge[:, self.blend.rank :]
            preference = blend_users(preference, factors, code, histories.age, histories.edge_user, self.blend)
        rating_bias = preference.new_zeros(len(preference), 1)
        if self.rating_bias is not None:
            surplus = torch.where(has_rating, histories.rating - 3.0 - item_bias, 0.0)
            surplus = torch.stack([surplus, has_rating.float()], dim=1)[histories.edge_review].float()
            surplus = surplus.new_zeros(histories.num_users, 2).index_add(0, histories.edge_user, surplus)
            surplus = surplus[:, :1] / (surplus[:, 1:] + self.log_shrinkage.exp())
            rating_bias = MAX_RATING_BIAS * torch.tanh(self.surplus(surplus) + self.rating_bias(state))
        vector = torch.cat([rating_bias, preference * (1 - rating_bias.square()).sqrt()], dim=1)
        return UserStates(vector, preference, attention)
