"""Settings of the graph model and of its training: each once, with its limits. No torch in here."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from rec_sys.recommenders.graph.vector_layout import VectorLayout
from rec_sys.settings import Settings


class ItemFactorSettings(Settings):
    """The closed-form item-item model beside the network, and what validation chooses among (`fit_item_factors.py`)."""

    regularisation: float = Field(100.0, gt=0, description="lambda of EASE")
    pairs: float = Field(1.0, ge=0, description="weight of two consecutive products of a user, in units of one user")
    products_per_dimension: int = Field(
        8,
        ge=1,
        description="larger catalogues get one dimension for so many products, at most twice model.item_factors",
    )
    text_weights: list[float] = Field(
        [1.0, 3.0, 10.0, 30.0, 100.0], description="of a coordinate of the text vectors, in units of one user; tried"
    )
    weights: list[float] = Field(
        [0.2, 0.5, 0.8, 0.9, 0.94, 0.98, 0.995], description="of the factors in a user's vector, squared length; tried"
    )
    decays: list[float] = Field([0.9, 0.8], description="a review weighs decay ** age; tried")
    penalties: list[float] = Field(
        [0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4], description="of the exclusion codes, squared length; tried"
    )


class ColdStartSettings(Settings):
    """How a cold item's vector is made from the items whose texts are nearest (`cold_start.py`, `calibration.py`)."""

    neighbours: int = Field(20, ge=1, description="items with the nearest texts that are read")
    sharpness: float = Field(20.0, gt=0, description="a neighbour weighs exp(sharpness * cosine of the texts)")
    # With more item factors a cold item stands high for few users; with less, at the same cost to the first ten, it is
    # shown to more users, and more of those who take it have seen it.
    factor_weight: float = Field(0.03, ge=0, le=1, description="of the item factors; the rest is preference")
    folds: int = Field(20, ge=2, description="parts of the catalogue that are treated as cold items in turn")


class GraphModelSettings(Settings):
    """Hyperparameters of the network and of what is fitted after it."""

    conv: Literal["transformer", "gat"] = Field("transformer", description="attention of the user tower")
    dim: int = Field(128, ge=8, le=4096, description="dimension of the preference embedding; vectors have one more")
    heads: int = Field(4, ge=1, description="attention heads; divides dim")
    layers: int = Field(1, ge=1, le=8, description="rounds of attention over a user's reviews")
    hops: int = Field(1, ge=0, le=4, description="passes product -> user -> product before that")
    dropout: float = Field(0.2, ge=0, lt=1, description="of states and attention")
    max_history: int = Field(
        20, ge=1, le=1000, description="newest reviews of a user that are read, in training, evaluation and serving"
    )
    min_reviews: int = Field(2, ge=1, description="fewest reviews for which a product's learned vector counts")
    new_product_rate: float = Field(0.1, ge=0, lt=1, description="products treated as cold in each training step")
    new_product_cost: float = Field(
        0.02, ge=0, lt=1, description="part of known products' ndcg@10 that cold ones, a twentieth of all, may cost"
    )
    rating_bias: float = Field(
        0.99, ge=0, lt=1, description="constant that a user's rating bias meets; 0: no rating bias, preference alone"
    )
    texts: bool = Field(True, description="read texts of products and reviews, where there are any")
    item_factors: int = Field(
        512,
        ge=0,
        le=2048,
        description="dimensions of the item factors beside the network's vectors, up to twice as many for many "
        "products; 0: none",
    )
    item_factor_texts: bool = Field(True, description="let the item factors read texts too, where texts are read")
    exclusion_codes: int = Field(
        64,
        ge=0,
        le=1024,
        description="dimensions that keep a vector search from seen items, where these cannot be filtered; 0: none",
    )
    temperature: float = Field(0.07, gt=0, description="of the softmax over products, where learning starts")
    factors: ItemFactorSettings = Field(default_factory=ItemFactorSettings, description="how item factors are fitted")
    cold_start: ColdStartSettings = Field(default_factory=ColdStartSettings, description="how cold items are placed")

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
        512, ge=1, description="at most a fiftieth of all users (train.min_steps), so that an epoch has enough steps"
    )
    context: Literal["around", "before"] = Field(
        "around", description="what a review is predicted from in training: all others of its author, or earlier ones"
    )
    learning_rate: float = Field(
        2e-3, gt=0, description="of AdamW with 512 users in a batch; times the square root of n / 512 with n"
    )
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    rating_learning_rate: float = Field(
        10.0, gt=0, description="times learning_rate for the few weights that only predicted ratings depend on"
    )
    min_steps: int = Field(50, ge=1, description="steps of an epoch, at least, where there are that many users")
    ranking_weight: float = Field(1.0, ge=0, description="of the softmax over products; 0 leaves the rating loss alone")
    rating_weight: float = Field(
        0.1, ge=0, description="of the predicted rating's loss; 0 leaves the ranking loss alone"
    )
    rating_loss: Literal["mae", "mse"] = Field("mse", description="mean absolute or mean squared error")
    max_softmax: int = Field(30_000, ge=2, description="products in the softmax; beyond, that many are sampled")
    valid_users: int = Field(10_000, ge=1, description="most users in each epoch's validation, evenly chosen")
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to train")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16-mixed where it is fast")
    resume: str = Field("", description="name of a stopped run, to go on where it was")
    baselines: list[str] = Field(
        default=["popularity", "item_knn", "ease"], description="evaluated beside the model when training is done"
    )
    final_test: bool = Field(True, description="read the test reviews when training is done; false: validation alone")
    tune: bool = Field(
        False, description="first choose settings on validation among the recommender's grid; not of the graph model"
    )
    fit_on: Literal["auto", "train", "all"] = Field(
        "auto",
        description="what the saved model has learned: the training reviews or, once evaluated, all reviews; auto: all "
        "for models of ratings; the graph model learns from the training reviews",
    )

    @model_validator(mode="after")
    def _some_loss(self) -> TrainSettings:
        if not self.ranking_weight and not self.rating_weight:
            raise ValueError("ranking_weight and rating_weight are both 0: nothing to learn")
        return self

    def learning_rate_for(self, users: int) -> float:
        """AdamW's for batches of so many users: gradients of fewer are noisier (Malladi et al. 2022)."""
        return self.learning_rate * math.sqrt(users / 512)

    @property
    def monitor(self) -> tuple[str, Literal["max", "min"]]:
        """The validation figure that chooses the checkpoint, and which way is better."""
        return ("ndcg_at_10", "max") if self.ranking_weight else ("rating_mae", "min")


class Blend(Settings):
    """What stands beside the network's vectors, and with which weight; chosen on validation."""

    rank: int = Field(ge=0, description="dimensions of the item factors; 0: none")
    weight: float = Field(ge=0, lt=1, description="part of a user's vector that is item factors, in squared length")
    decay: float = Field(0.9, gt=0, le=1, description="a review weighs decay ** age")
    num_codes: int = Field(0, ge=0, description="exclusion codes; 0: none")
    penalty: float = Field(
        0.0, ge=0, lt=1, description="part of all vectors that is exclusion codes, in squared length"
    )


def layout_of(dim: int, blend: Blend | None) -> VectorLayout:
    """The layout of vectors of `dim` dimensions with or without a blend."""
    return VectorLayout(dim) if blend is None else VectorLayout(dim, blend.rank, blend.num_codes, is_blended=True)


class Calibration(Settings):
    """The cold-start calibration of a trained model."""

    scale: float = Field(ge=0, le=1, description="squared length of preference and item factors of a cold item")
    factor_weight: float = Field(
        ColdStartSettings().factor_weight, ge=0, le=1, description="part of that which is item factors"
    )
    neighbours: int = Field(ColdStartSettings().neighbours, ge=1, description="items with the nearest texts")
    sharpness: float = Field(ColdStartSettings().sharpness, gt=0, description="of their weights")

    @classmethod
    def of(cls, settings: ColdStartSettings, scale: float = 1.0) -> Calibration:
        """What the settings say, with a scale."""
        return cls(
            scale=scale,
            factor_weight=settings.factor_weight,
            neighbours=settings.neighbours,
            sharpness=settings.sharpness,
        )
