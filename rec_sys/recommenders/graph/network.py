"""The network of the graph model: two towers that meet in one inner product of unit vectors.

That one number has two jobs which pull apart: to order products by what a user will take next, and to predict the
rating. So a user's vector has a first coordinate of its own, the *rating bias*. It meets the same constant in every
product, so it moves the predicted rating and leaves the order to the rest, the *preference*.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.product_tower import GraphSums, ProductStates, ProductTower
from rec_sys.recommenders.graph.settings import GraphModelSettings
from rec_sys.recommenders.graph.user_tower import UserStates, UserTower


class GraphNetwork(nn.Module):
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
        self.product_tower = ProductTower(settings, num_products, text_dim, self.review_texts)
        self.user_tower = UserTower(settings, text_dim if self.review_texts else 0)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(settings.temperature)))

    def rating_parameters(self) -> list[nn.Parameter]:
        """The few weights that matter to predicted ratings alone."""
        tower = self.user_tower
        return [*self.product_tower.item_bias.parameters(), *tower.surplus.parameters(), tower.log_shrinkage]

    def forward(
        self, graph: GraphSums, histories: HistoryBatch, users: Tensor | None = None
    ) -> tuple[UserStates, ProductStates]:
        """States of the users in `histories` and of all products, computed without the reviews of `users`."""
        products = self.product_tower(graph, users)
        return self.user_tower(products.history, histories), products


def predicted_ratings(cosine: Tensor, item_bias: Tensor | float = 0.0) -> Tensor:
    """Inner product of unit vectors, -1 to 1, as a rating of 0 to 5, and what the item is rated better by."""
    return 2.5 * (cosine + 1.0) + item_bias
