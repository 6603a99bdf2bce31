"""How a model is trained, and how its settings are searched: every setting once, with its limits."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from rec_sys.settings import Settings


class TrainSettings(Settings):
    """How a model is trained."""

    name: str = Field("", pattern=r"^(\w[\w.-]*)?$", description="of the run and its checkpoint; empty: data and time")
    seed: int = Field(0, ge=0, description="of everything that is random")
    max_epochs: int = Field(60, ge=1, description="most passes over the training reviews")
    patience: int = Field(5, ge=1, description="epochs without a better validation before stopping early")
    people_per_batch: int = Field(
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
    valid_people: int = Field(10_000, ge=1, description="most people in each epoch's validation, evenly chosen")
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to train")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16-mixed where it is fast")
    resume: str = Field("", description="name of a stopped run, to go on where it was")
    baselines: list[str] = Field(
        default=["popularity", "item_knn", "ease"], description="judged beside the model when training is done"
    )
    judge: bool = Field(True, description="read the test reviews when training is done; false: validation alone")

    @model_validator(mode="after")
    def _some_loss(self) -> TrainSettings:
        if not self.ranking_weight and not self.rating_weight:
            raise ValueError("ranking_weight and rating_weight are both 0: nothing to learn")
        return self

    def learning_rate_for(self, people: int) -> float:
        """AdamW's for batches of so many people: gradients of fewer are noisier (Malladi et al. 2022)."""
        return self.learning_rate * math.sqrt(people / 512)

    @property
    def monitor(self) -> tuple[str, Literal["max", "min"]]:
        """The validation figure that chooses the checkpoint, and which way is better."""
        return ("ndcg_at_10", "max") if self.ranking_weight else ("rating_loss", "min")


class SearchSettings(Settings):
    """How settings are searched. What is searched is `space`, and every setting that is typed with several values."""

    name: str = Field("search", pattern=r"^\w[\w.-]*$", description="of the search and its folder")
    trials: int = Field(40, ge=1, description="trainings in all, before and after an interruption; failed ones not")
    seed: int = Field(0, ge=0, description="of Optuna's choices")
    first_trials: int = Field(8, ge=1, description="drawn at random; none is stopped early before that many are done")
    first_epochs: int = Field(5, ge=1, description="that every trial has before it may be stopped early")
    space: dict[str, str] = Field({}, description="setting: choice(1,2), range(1,4) or interval(0,1), as Hydra has it")
    trial: int | None = Field(None, ge=0, description="which trial a training is; the search sets it")
