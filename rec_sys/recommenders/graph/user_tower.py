"""The user tower: a user's vector is attention over the reviews that the user wrote.

There is no trained vector of a user, so whoever has just sent three reviews is served like anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATv2Conv, TransformerConv

from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.product_tower import NARROW_STD, start_as_identity
from rec_sys.recommenders.graph.settings import GraphModelSettings
from rec_sys.recommenders.graph.vector_layout import ITEM_BIAS, VectorLayout

MAX_RATING_BIAS = 0.98  # below 1, so that some of every vector is left for the preference
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
    """The users of a batch."""

    rating_bias: Tensor  # (num_users, 1) how much above or below the average they rate; zeros without rating bias
    preference: Tensor  # (num_users, dim) unit vectors
    attention: Tensor  # (num_edges,) of each review, adds up to 1 per user; mean over heads and layers

    @property
    def vector(self) -> Tensor:
        """(num_users, 1 + dim) unit vectors: rating bias, then preference."""
        return self.with_content(self.preference)

    def with_content(self, content: Tensor) -> Tensor:
        """(num_users, 1 + content_dim) unit vectors: rating bias, then unit vectors of (num_users, content_dim)."""
        return torch.cat([self.rating_bias, content * (1 - self.rating_bias.square()).sqrt()], dim=1)


class UserTower(nn.Module):
    """Bipartite attention from reviewed products to the user, one edge per review.

    An edge carries the review's text, its rating, its place counted from the newest and the days since then. The query
    starts from the newest product and is refined by each layer.

    Args:
        settings: hyperparameters; `conv` is "transformer" (TransformerConv; Shi et al. 2021) or "gat" (GATv2Conv; Brody
            et al. 2022).
        text_dim: dimension of the reviews' text embeddings; 0 where no review has a text.
    """

    def __init__(self, settings: GraphModelSettings, text_dim: int) -> None:
        super().__init__()
        dim, heads = settings.dim, settings.heads
        self.review_text = nn.Linear(text_dim, dim) if text_dim else None
        self.rating = nn.Linear(2, dim, bias=False)
        self.age = nn.Embedding(settings.max_history, dim)
        self.days = nn.Linear(1, dim, bias=False)
        for weight in (self.rating.weight, self.age.weight, self.days.weight):
            nn.init.normal_(weight, std=NARROW_STD)
        self.start = nn.Parameter(torch.zeros(dim))
        convolution = CONVOLUTIONS[settings.conv]
        extra = {"add_self_loops": False} if settings.conv == "gat" else {}
        self.convs = nn.ModuleList(
            convolution((dim, dim), dim // heads, heads=heads, edge_dim=dim, dropout=settings.dropout, **extra)
            for _ in range(settings.layers)
        )
        self.out = nn.Linear(dim, dim)
        start_as_identity(self.out)
        for conv_ in self.convs:
            _start_as_mean(conv_)
        self.rating_bias = nn.Linear(dim, 1, bias=False) if settings.rating_bias else None
        if self.rating_bias is not None:
            nn.init.zeros_(self.rating_bias.weight)  # starts from what the ratings say; texts and products refine it
        self.surplus = nn.Linear(1, 1)
        nn.init.ones_(self.surplus.weight)
        nn.init.ones_(self.surplus.bias)
        self.log_shrinkage = nn.Parameter(torch.tensor(1.0))  # logarithm of the average ratings added to a user's own
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, products: Tensor, histories: HistoryBatch) -> UserStates:
        """States of the users in `histories`.

        Args:
            products: (num_products, 1 + dim or more) history states; what follows the state is not read.
            histories: the batch; a user without an edge gets the vector of a user of whom nothing is known.
        """
        layout = VectorLayout(self.out.in_features)
        item_bias = products[histories.product, ITEM_BIAS]  # (num_reviews,)
        product = products[histories.product, layout.history_state]  # (num_reviews, dim)
        has_rating = ~histories.rating.isnan()
        rating = torch.stack([(histories.rating - 3.0).nan_to_num(), has_rating.float()], dim=1)
        review = self.rating(rating)  # (num_reviews, dim)
        if self.review_text is not None:
            review = review + self.review_text(histories.text)
        position = self.age(histories.age) + self.days(torch.log1p(histories.days)[:, None])
        edge_attr = self.dropout(review[histories.edge_review] + position)  # (num_edges, dim)
        state, attention = self._attend(product, edge_attr, histories)
        preference = functional.normalize(self.out(state), dim=1)
        surplus = torch.where(has_rating, histories.rating - 3.0 - item_bias, 0.0)
        rated = torch.stack([surplus, has_rating.float()], dim=1)  # (num_reviews, 2)
        return UserStates(self._rating_bias(rated, state, histories), preference, attention)

    def _attend(self, product: Tensor, edge_attr: Tensor, histories: HistoryBatch) -> tuple[Tensor, Tensor]:
        """States (num_users, dim) after all layers, and the attention of each edge, (num_edges,)."""
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
        return state, attention

    def _rating_bias(self, rated: Tensor, state: Tensor, histories: HistoryBatch) -> Tensor:
        """(num_users, 1): shrunken mean of what a user's ratings exceed the items' by, refined by the state."""
        if self.rating_bias is None:
            return state.new_zeros(len(state), 1)
        of_edge = rated[histories.edge_review].float()
        total = of_edge.new_zeros(histories.num_users, 2).index_add(0, histories.edge_user, of_edge)
        surplus, count = torch.split(total, 1, dim=1)
        mean = surplus / (count + self.log_shrinkage.exp())
        bias: Tensor = MAX_RATING_BIAS * torch.tanh(self.surplus(mean) + self.rating_bias(state))
        return bias
