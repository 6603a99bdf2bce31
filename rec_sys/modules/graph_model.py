"""GraphModel: two towers that meet in one inner product of unit vectors.

That one number has two jobs which pull apart: to order products by what a person will take next, and to be right about
the stars. So a person's vector has a first coordinate of its own, the *level* of stars that person gives. It meets the
same constant in every product, so it moves the predicted stars and leaves the order to the rest, the *taste*.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from rec_sys.dataset.stars import Stars
from rec_sys.modules.memory import MemoryMix
from rec_sys.modules.product_tower import GraphSums, ProductStates, ProductTower
from rec_sys.modules.user_tower import UserStates, UserTower
from rec_sys.settings import Settings


class GraphModelSettings(Settings):
    """Hyperparameters of the network."""

    conv: Literal["transformer", "gat"] = Field("transformer", description="attention of the user tower")
    dim: int = Field(128, ge=8, le=4096, description="dimension of the tastes; vectors have one more")
    heads: int = Field(4, ge=1, description="attention heads; divides dim")
    layers: int = Field(1, ge=1, le=8, description="rounds of attention over a person's reviews")
    hops: int = Field(1, ge=0, le=4, description="passes product -> user -> product before that")
    dropout: float = Field(0.2, ge=0, lt=1, description="of states and attention")
    max_history: int = Field(20, ge=1, le=1000, description="newest reviews of a person that are looked at")
    min_reviews: int = Field(2, ge=1, description="fewest reviews for which a product's learned vector counts")
    new_product_rate: float = Field(0.1, ge=0, lt=1, description="products treated as new in each training step")
    new_product_cost: float = Field(
        0.02, ge=0, lt=1, description="part of known products' ndcg@10 that new ones, a twentieth of all, may cost"
    )
    level: float = Field(
        0.99, ge=0, lt=1, description="constant that a person's level of stars meets; 0: no level, taste alone"
    )
    texts: bool = Field(True, description="read texts of products and reviews, where there are any")
    memory: int = Field(
        512,
        ge=0,
        le=2048,
        description="dimensions of the item-item memory beside the graph's, up to twice as many for "
        "many products; 0: none",
    )
    memory_texts: bool = Field(True, description="let the memory read texts too, where texts are read")
    colours: int = Field(
        64,
        ge=0,
        le=1024,
        description="dimensions that keep searches from what somebody has, where it cannot be left out; 0: none",
    )
    temperature: float = Field(0.07, gt=0, description="of the softmax over products, where learning starts")

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> GraphModelSettings:
        if self.dim % self.heads:
            raise ValueError(f"dim={self.dim} is not a multiple of heads={self.heads}")
        return self


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
            s.level,
        )
        review_dim = text_dim if self.review_texts else 0
        self.user_tower = UserTower(s.conv, review_dim, s.dim, s.heads, s.layers, s.max_history, s.dropout, s.level > 0)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(s.temperature)))

    @property
    def memory(self) -> MemoryMix | None:
        """How the memory stands beside the graph; None while there is none."""
        return self.user_tower.memory

    @memory.setter
    def memory(self, mix: MemoryMix | None) -> None:
        self.user_tower.memory = mix
        self.product_tower.mix = mix

    def star_parameters(self) -> list[nn.Parameter]:
        """The few weights that matter to the predicted stars alone."""
        tower = self.user_tower
        return [*self.product_tower.liking.parameters(), *tower.habit.parameters(), tower.damping]

    def forward(self, graph: GraphSums, stars: Stars, people: Tensor | None = None) -> tuple[UserStates, ProductStates]:
        """Vectors of the people in `stars` and of all products, computed without the reviews of `people`."""
        products = self.product_tower(graph, people)
        return self.user_tower(products.history, stars), products


def predicted_stars(cosine: Tensor, liked: Tensor | float = 0.0) -> Tensor:
    """Inner product of unit vectors, -1 to 1, as a rating of 0 to 5 stars, and what the product is liked better by."""
    return 2.5 * (cosine + 1.0) + liked
