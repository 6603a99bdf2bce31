"""GraphModel: two towers that meet in one inner product of unit vectors.

That one number has two jobs which pull apart: to order products by what a person will take next, and to be right about
the stars. So a person's vector has a first coordinate of its own, the *level* of stars that person gives. It meets the
same constant in every product, so it moves the predicted stars and leaves the order to the rest, the *taste*.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.item_factors import Blend
from rec_sys.recommenders.graph.product_tower import GraphSums, ProductStates, ProductTower
from rec_sys.recommenders.graph.settings import GraphModelSettings
from rec_sys.recommenders.graph.user_tower import UserStates, UserTower


class GraphModel(nn.Module):
    """Product tower, user tower and the temperature at which they meet.

    Args:
        settings: hyperparameters.
        num_products: products of the catalogue it is trained on.
        text_dim: dimension of the text encoder; 0 where nothing has a text.
        review_texts: whether reviews have texts; otherwise only products do, if anything.
    """

    def __init__(
        self, settings: GraphModelSettings, num_products: int, text_dim: int, review_texts: bool = True
    ) -> None:
        super().__init__()
        self.settings, self.num_products, self.text_dim = settings, num_products, text_dim
        self.review_texts = review_texts and text_dim > 0
        s = settings
        self.product_tower = ProductTower(
            num_products,
            text_dim,
            self.review_texts,
            s.dim,
            s.hops,
            s.min_reviews,
            s.new_product_rate,
            s.dropout,
            s.rating_bias,
        )
        review_dim = text_dim if self.review_texts else 0
        self.user_tower = UserTower(
            s.conv, review_dim, s.dim, s.heads, s.layers, s.max_history, s.dropout, s.rating_bias > 0
        )
        self.log_temperature = nn.Parameter(torch.tensor(math.log(s.temperature)))

    @property
    def blend(self) -> Blend | None:
        """How the memory stands beside the graph; None while there is none."""
        return self.user_tower.blend

    @blend.setter
    def blend(self, blend: Blend | None) -> None:
        self.user_tower.blend = blend
        self.product_tower.blend = blend

    def rating_parameters(self) -> list[nn.Parameter]:
        """The few weights that matter to the predicted stars alone."""
        tower = self.user_tower
        return [*self.product_tower.item_bias.parameters(), *tower.surplus.parameters(), tower.log_shrinkage]

    def forward(
        self, graph: GraphSums, histories: HistoryBatch, users: Tensor | None = None
    ) -> tuple[UserStates, ProductStates]:
        """Vectors of the users in `histories` and of all products, computed without the reviews of `people`."""
        products = self.product_tower(graph, users)
        return self.user_tower(products.history, histories), products


def predicted_ratings(cosine: Tensor, item_bias: Tensor | float = 0.0) -> Tensor:
    """Inner product of unit vectors, -1 to 1, as a rating of 0 to 5 stars, and what the product is liked better by."""
    return 2.5 * (cosine + 1.0) + item_bias
