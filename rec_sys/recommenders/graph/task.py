"""The Lightning task: one step, one validation, one optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import numpy as np
import torch

from rec_sys.dataset.dataset import Dataset
from rec_sys.metrics.ranking import metrics_of_ranks
from rec_sys.metrics.rating import rating_report
from rec_sys.metrics.validation import validation_ranks
from rec_sys.recommenders.graph.batches import Batch
from rec_sys.recommenders.graph.losses import ranking_loss, rating_loss
from rec_sys.recommenders.graph.network import GraphNetwork, predicted_ratings
from rec_sys.recommenders.graph.product_tower import GraphSums, ProductStates
from rec_sys.recommenders.graph.review_graph import review_graph
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import TrainSettings


class GraphTask(lightning.LightningModule):
    """Trains a GraphNetwork on the training reviews and evaluates it on the validation reviews after each epoch.

    Args:
        network: the network.
        dataset: only training and validation reviews are looked at.
        settings: how to train.
        keep: plain values to be kept in the state for resuming.
        users: in a batch.
    """

    def __init__(
        self, network: GraphNetwork, dataset: Dataset, settings: TrainSettings, keep: Mapping[str, Any], users: int
    ) -> None:
        super().__init__()
        self.learning_rate = settings.learning_rate_for(users)
        self.model, self.settings, self.keep = network, settings, dict(keep)
        self.dataset, self.table = dataset, dataset.features
        self.sums: GraphSums
        step = max(1, -(-len(dataset.split.valid) // settings.valid_users))
        self.valid = dataset.split.valid[::step]
        self.sample = torch.Generator()  # draws products where they are too many for a full softmax

    def on_fit_start(self) -> None:
        data = self.dataset
        graph = review_graph(data.table, data.split.train, data.review_text, data.product_text)
        self.sums = GraphSums(graph.to(self.device))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout follows from seed and epoch, so a resumed run gives the figures of one that was never stopped.
        # Here, because the first epoch after a resume has no on_train_epoch_start.
        if batch_idx == 0:
            torch.manual_seed(self.settings.seed * 100_003 + self.current_epoch)
            self.sample.manual_seed(self.settings.seed * 100_003 + self.current_epoch)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        users, products = self.model(self.sums, batch.histories, batch.users)
        rank, rate = self.settings.ranking_weight, self.settings.rating_weight
        size = len(batch.target)
        loss = torch.zeros((), device=self.device)
        if rank:
            temperature = self.model.log_temperature.exp()
            ranking = ranking_loss(
                users.preference, products.preference, batch.target, temperature, self.settings.max_softmax, self.sample
            )
            loss = loss + rank * ranking
            self.log("train/ranking_loss", ranking, on_step=False, on_epoch=True, batch_size=size)
        if rate:
            cosine = (users.vector * products.target[batch.target]).sum(dim=1)
            predicted = predicted_ratings(cosine, products.item_bias[batch.target])
            rating = rating_loss(predicted, batch.rating, self.settings.rating_loss)
            loss = loss + rate * rating
            self.log("train/rating_loss", rating, on_step=False, on_epoch=True, batch_size=size)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def on_train_epoch_end(self) -> None:
        for name, value in self.validate().items():
            self.log(f"valid/{name.replace('@', '_at_')}", value)  # MLflow allows no "@" in a name

    def validate(self) -> dict[str, float]:
        """Figures on the validation reviews: ranking with seen items filtered, and predicted ratings."""
        scorer, among = GraphScorer(self.model, self.product_states()), self.dataset.split.in_histories
        figures = metrics_of_ranks(validation_ranks(scorer, self.table, self.valid, among))
        true = self.table.rating[self.valid]
        if not np.isnan(true).all():
            rating = rating_report(scorer.predict_ratings(self.table, self.valid, among), true)
            figures |= {f"rating_{name}": getattr(rating, name) for name in ("mae", "mse", "accuracy", "f1")}
        return figures

    @torch.no_grad()
    def product_states(self) -> ProductStates:
        """States of all products on the whole training graph."""
        training = self.model.training
        self.model.eval()
        with torch.autocast(self.device.type, enabled=False):
            states: ProductStates = self.model.product_tower(self.sums)
        self.model.train(training)
        return states

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint |= self.keep

    def configure_optimizers(self) -> torch.optim.Optimizer:
        s = self.settings
        rating_parameters = self.model.rating_parameters()
        chosen = {id(parameter) for parameter in rating_parameters}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in chosen]
        groups: list[dict[str, Any]] = [
            {"params": others},
            {"params": rating_parameters, "lr": s.rating_learning_rate * self.learning_rate},
        ]
        return torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=s.weight_decay)
