"""Settings of the graph model and of its training: each once, with its limits. No torch in here."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

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
    rating_bias: float = Field(
        0.99, ge=0, lt=1, description="constant that a person's level of stars meets; 0: no level, taste alone"
    )
    texts: bool = Field(True, description="read texts of products and reviews, where there are any")
    item_factors: int = Field(
        512,
        ge=0,
        le=2048,
        description="dimensions of the item-item memory beside the graph's, up to twice as many for "
        "many products; 0: none",
    )
    item_factor_texts: bool = Field(True, description="let the memory read texts too, where texts are read")
    exclusion_codes: int = Field(
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


class TrainSettings(Settings):
    """How a model is trained."""

    name: str = Field("", pattern=r"^(\w[\w.-]*)?$", description="of the run and its checkpoint; empty: data and time")
    seed: int = Field(0, ge=0, description="of everything that is random")
    max_epochs: int = Field(60, ge=1, description="most passes over the training reviews")
    patience: int = Field(5, ge=1, description="epochs without a better validation before stopping early")
    users_per_batch: int = Field(
        512, ge=1, description="at most a fiftieth of all people, so that an epoch has fifty steps"
    )
    context: Literal["around", "before"] = Field(
        "around", description="what a review is predicted from in training: all others of its author, or earlier ones"
    )
    learning_rate: float = Field(
        2e-3, gt=0, description="of AdamW with 512 people in a batch; times the square root of n / 512 with n"
    )
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    ranking_weight: float = Field(1.0, ge=0, description="of the softmax over products; 0 leaves the rating loss alone")
    rating_weight: float = Field(
        0.1, ge=0, description="of the predicted rating's loss; 0 leaves the ranking loss alone"
    )
    rating_loss: Literal["mae", "mse"] = Field("mse", description="mean absolute or mean squared error")
    max_softmax: int = Field(30_000, ge=2, description="products in the softmax; beyond, that many are sampled")
    valid_users: int = Field(10_000, ge=1, description="most people in each epoch's validation, evenly chosen")
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to train")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16-mixed where it is fast")
    resume: str = Field("", description="name of a stopped run, to go on where it was")
    baselines: list[str] = Field(
        default=["popularity", "item_knn", "ease"], description="judged beside the model when training is done"
    )
    final_test: bool = Field(True, description="read the test reviews when training is done; false: validation alone")

    @model_validator(mode="after")
    def _some_loss(self) -> TrainSettings:
        if not self.ranking_weight and not self.rating_weight:
            raise ValueError("ranking_weight and rating_weight are both 0: nothing to learn")
        return self

    def learning_rate_for(self, users: int) -> float:
        """AdamW's for batches of so many people: gradients of fewer are noisier (Malladi et al. 2022)."""
        return self.learning_rate * math.sqrt(users / 512)

    @property
    def monitor(self) -> tuple[str, Literal["max", "min"]]:
        """The validation figure that chooses the checkpoint, and which way is better."""
        return ("ndcg_at_10", "max") if self.ranking_weight else ("rating_mae", "min")
