"""The Lightning task: one step, one validation, one optimizer."""

from __future__ import annotations

from typing import Literal

import lightning
import numpy as np
import torch
from pydantic import Field, model_validator
from torch_geometric.data import HeteroData

from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import Floats, ReviewTable
from rec_sys.evaluation.protocol import evaluate
from rec_sys.evaluation.rating import rating_report
from rec_sys.modules.graph_model import GraphModel
from rec_sys.modules.losses import ranking_loss, rating_loss
from rec_sys.modules.product_tower import GraphSums, ProductStates
from rec_sys.recommenders.graph import GraphRecommender
from rec_sys.settings import Settings
from rec_sys.train.batches import Batch


class TrainSettings(Settings):
    """How a model is trained."""

    name: str = Field("", pattern=r"^[\w.-]*$", description="of the run and its checkpoint; empty: data and time")
    seed: int = Field(0, ge=0, description="of everything that is random")
    max_epochs: int = Field(60, ge=1, description="most passes over the training reviews")
    patience: int = Field(8, ge=1, description="epochs without a better validation before stopping early")
    people_per_batch: int = Field(256, ge=1, description="at most a tenth of all people")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    ranking_weight: float = Field(1.0, ge=0, description="of the softmax over products; 0 leaves the rating loss alone")
    rating_weight: float = Field(
        0.1, ge=0, description="of the predicted rating's loss; 0 leaves the ranking loss alone"
    )
    rating_loss: Literal["mae", "mse"] = Field("mae", description="mean absolute or mean squared error")
    max_softmax: int = Field(30_000, ge=2, description="products in the softmax; beyond, that many are sampled")
    valid_people: int = Field(10_000, ge=1, description="most people in each epoch's validation, evenly chosen")
    accelerator: Literal["auto", "cpu", "gpu"] = Field("auto", description="where to train")
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16-mixed on a GPU")
    resume: str = Field("", description="the file named by a stopped run, to go on from there")

    @model_validator(mode="after")
    def _some_loss(self) -> TrainSettings:
        if not self.ranking_weight and not self.rating_weight:
            raise ValueError("ranking_weight and rating_weight are both 0: nothing to learn")
        return self

    @property
    def monitor(self) -> tuple[str, Literal["max", "min"]]:
        """The validation figure that chooses the checkpoint, and which way is better."""
        return ("ndcg@10", "max") if self.ranking_weight else ("rating_loss", "min")


class GraphTask(lightning.LightningModule):
    """Trains a GraphModel on the training reviews and looks at the validation reviews after each epoch.

    Args:
        model: the network.
        graph: of the training reviews.
        table: the reviews.
        split: its parts; only `train` and `valid` are looked at.
        review_text: (num_reviews, text_dim) embeddings.
        settings: how to train.
    """

    def __init__(
        self,
        model: GraphModel,
        graph: HeteroData,
        table: ReviewTable,
        split: Split,
        review_text: Floats,
        settings: TrainSettings,
    ) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        self.graph, self.table, self.review_text = graph, table, review_text
        self.sums: GraphSums
        step = max(1, -(-len(split.valid) // settings.valid_people))
        self.valid = split.valid[::step]
        self.sample = torch.Generator()  # draws products where they are too many for a full softmax

    def on_fit_start(self) -> None:
        self.sums = GraphSums(self.graph.to(self.device))

    def on_train_epoch_start(self) -> None:
        # Dropout follows from seed and epoch, so a resumed run gives the figures of one that was never stopped.
        torch.manual_seed(self.settings.seed * 100_003 + self.current_epoch)
        self.sample.manual_seed(self.settings.seed * 100_003 + self.current_epoch)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        users, products = self.model(self.sums, batch.stars, batch.people)
        rank, rate = self.settings.ranking_weight, self.settings.rating_weight
        size = len(batch.target)
        loss = torch.zeros((), device=self.device)
        if rank:
            temperature = self.model.log_temperature.exp()
            ranking = ranking_loss(
                users.vector, products.target, batch.target, temperature, self.settings.max_softmax, self.sample
            )
            loss = loss + rank * ranking
            self.log("train/ranking_loss", ranking, on_step=False, on_epoch=True, batch_size=size)
        if rate:
            cosine = (users.vector * products.target[batch.target]).sum(dim=1)
            rating = rating_loss(cosine, batch.rating, self.settings.rating_loss)
            loss = loss + rate * rating
            self.log("train/rating_loss", rating, on_step=False, on_epoch=True, batch_size=size)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def on_train_epoch_end(self) -> None:
        for name, value in self.validate().items():
            self.log(f"valid/{name}", value)

    def validate(self) -> dict[str, float]:
        """Figures on the validation reviews: masked ranking and predicted ratings."""
        recommender = self.recommender()
        report = evaluate(recommender, self.table, self.valid, history_limit=self.model.settings.max_history)
        figures = dict(report.masked)
        true = self.table.rating[self.valid]
        if not np.isnan(true).all():
            rating = rating_report(recommender.predict_stars(self.valid), true)
            figures |= {f"rating_{name}": getattr(rating, name) for name in ("loss", "mse", "accuracy", "f1")}
        return figures

    def recommender(self) -> GraphRecommender:
        """The model as it is now."""
        return GraphRecommender(self.model, self.product_states(), self.table, self.review_text)

    @torch.no_grad()
    def product_states(self) -> ProductStates:
        """States of all products on the whole training graph."""
        training = self.model.training
        self.model.eval()
        with torch.autocast(self.device.type, enabled=False):
            states: ProductStates = self.model.product_tower(self.sums)
        self.model.train(training)
        return states

    def configure_optimizers(self) -> torch.optim.Optimizer:
        s = self.settings
        return torch.optim.AdamW(self.model.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
