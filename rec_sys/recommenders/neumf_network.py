"""The network of NeuMF and its training with Lightning; the only file of NeuMF that imports torch."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, IterableDataset

from rec_sys.errors import RecSysError
from rec_sys.progress import Progress, ProgressCallback
from rec_sys.recommenders.base import Arrays
from rec_sys.recommenders.neumf_pairs import Pairs, PointwiseBatch, SoftmaxBatch, pointwise_batches, softmax_batches
from rec_sys.recommenders.neumf_settings import NeuMFSettings, TrainingPlan

Batch = SoftmaxBatch | PointwiseBatch


@dataclass(frozen=True)
class TrainedEpochs:
    """What came out of a training."""

    best: int  # number of the epoch that is kept, from 1
    seconds: float  # of an epoch, median, validation left out


class NeuMFNetwork(nn.Module):
    """Two branches, each with vectors of its own for users and products, and a last layer over both.

    GMF multiplies its two vectors elementwise. The MLP reads its two vectors side by side; its first layer is kept as
    two, one for users and one for products, whose results are added, so that each is computed once per user and once
    per product instead of once per pair.
    """

    def __init__(self, num_users: int, num_products: int, settings: NeuMFSettings) -> None:
        super().__init__()
        factors = settings.factors
        widths = [factors * 2**power for power in range(settings.depth - 1, -1, -1)]
        self.user_gmf, self.product_gmf = nn.Embedding(num_users, factors), nn.Embedding(num_products, factors)
        self.user_mlp, self.product_mlp = nn.Embedding(num_users, widths[0]), nn.Embedding(num_products, widths[0])
        self.user_layer = nn.Linear(widths[0], widths[0], bias=False)
        self.product_layer = nn.Linear(widths[0], widths[0])
        self.layers = nn.ModuleList(nn.Linear(wide, wide // 2) for wide in widths[:-1])
        self.out_gmf, self.out_mlp = nn.Linear(factors, 1), nn.Linear(factors, 1, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        self.branches: tuple[str, ...] = (
            "gmf",
            "mlp",
        )  # that are added up: both, or one alone while it is trained beforehand
        for name, weight in self.named_parameters():
            if weight.dim() == 1:
                nn.init.zeros_(weight)
            elif "user_gmf" in name or "product_gmf" in name or ("_mlp.weight" in name and "out" not in name):
                nn.init.normal_(weight, std=0.1)
            else:
                nn.init.kaiming_uniform_(weight, a=1, nonlinearity="leaky_relu")
        nn.init.ones_(self.out_gmf.weight)

    def grid(self, users: Tensor, products: Tensor | None) -> Tensor:
        """(n,) users and (c,) products, None for all, to the (n, c) logits of all their pairs."""
        gmf, mlp = self.product_gmf.weight, self.product_mlp.weight
        if products is not None:
            gmf, mlp = gmf[products], mlp[products]
        logits: Tensor = self.out_gmf.bias
        if "gmf" in self.branches:
            logits = logits + (self.user_gmf(users) * self.out_gmf.weight) @ gmf.T
        if "mlp" in self.branches:
            hidden = self.user_layer(self.user_mlp(users))[:, None] + self.product_layer(mlp)  # (n, c, width)
            logits = logits + self._above(hidden)
        return logits

    def pairs(self, users: Tensor, products: Tensor) -> Tensor:
        """(n,) users and (n,) products to (n,) logits."""
        logits: Tensor = self.out_gmf.bias
        if "gmf" in self.branches:
            logits = logits + self.out_gmf(self.user_gmf(users) * self.product_gmf(products))[:, 0] - self.out_gmf.bias
        if "mlp" in self.branches:
            hidden = self.user_layer(self.user_mlp(users)) + self.product_layer(self.product_mlp(products))
            logits = logits + self._above(hidden)
        return logits

    def _above(self, hidden: Tensor) -> Tensor:
        """(..., width) what goes into the first layer's ReLU to (...) the part of the logits."""
        hidden = self.drop(F.relu(hidden))
        for layer in self.layers:
            hidden = self.drop(F.relu(layer(hidden)))
        part: Tensor = self.out_mlp(hidden)[..., 0]
        return part

    @torch.inference_mode()
    def arrays(self) -> Arrays:
        """What scoring needs: vectors with the linear layers next to them multiplied in, and the other layers."""
        found = {
            "user_gmf": self.user_gmf.weight * self.out_gmf.weight,
            "product_gmf": self.product_gmf.weight,
            "user_mlp": self.user_layer(self.user_mlp.weight),
            "product_mlp": self.product_layer(self.product_mlp.weight),
            "out": self.out_mlp.weight[0],
        }
        for number, layer in enumerate(self.layers):
            found[f"weight_{number}"], found[f"bias_{number}"] = layer.weight.T, layer.bias
        return {name: value.contiguous().numpy().copy() for name, value in found.items()}


def softmax_loss(network: NeuMFNetwork, batch: SoftmaxBatch) -> Tensor:
    """Minus the weighted mean of log softmax over each user's products.

    Over all products it is the exact softmax. Over c drawn ones each positive is compared with those of them that its
    user does not have, whose part of the sum counts num_products / c times (uniform sampled softmax).
    """
    users, row, product = (torch.from_numpy(a) for a in (batch.users, batch.row, batch.product))
    weight = torch.from_numpy(batch.weight)
    if batch.candidates is None:
        logits = network.grid(users, None)
        chosen = F.log_softmax(logits, dim=1)[row, product]
        return -(weight * chosen).sum() / weight.sum()
    candidates = torch.from_numpy(batch.candidates)
    logits = network.grid(users, candidates)
    place = torch.searchsorted(candidates, product).clamp(max=len(candidates) - 1)
    owned = candidates[place] == product
    mask = torch.zeros_like(logits, dtype=torch.bool)
    mask[row[owned], place[owned]] = True
    others = logits.masked_fill(mask, -torch.inf).logsumexp(dim=1)
    scale = network.product_gmf.num_embeddings / len(candidates)
    own = network.pairs(users[row], product)
    chosen = own - torch.logaddexp(own, others[row] + torch.log(torch.tensor(scale)))
    return -(weight * chosen).sum() / weight.sum()


def pointwise_loss(network: NeuMFNetwork, batch: PointwiseBatch) -> Tensor:
    """The paper's: binary cross-entropy of pairs that are there and of drawn ones that are not."""
    users, products, target, weight = (
        torch.from_numpy(a) for a in (batch.users, batch.products, batch.target, batch.weight)
    )
    return F.binary_cross_entropy_with_logits(network.pairs(users, products), target, weight)


class EpochBatches(IterableDataset[Batch]):
    """Batches of one epoch after the other; those of an epoch follow from seed and epoch alone.

    Args:
        pairs: what is learned.
        plan: how.
        stage: of the training, so that the epochs of each draw anew.
    """

    def __init__(self, pairs: Pairs, plan: TrainingPlan, stage: int) -> None:
        self.pairs, self.plan, self.stage, self.epoch = pairs, plan, stage, 0

    def __iter__(self) -> Iterator[Batch]:
        plan, s = self.plan, self.plan.settings
        random = np.random.default_rng([s.seed, self.stage, self.epoch])
        self.epoch += 1
        if s.loss == "softmax":
            return softmax_batches(self.pairs, plan.batch_size, plan.candidates, random)
        return pointwise_batches(self.pairs, plan.batch_size, s.negatives, random)


class NeuMFTask(lightning.LightningModule):
    """One step of the training."""

    def __init__(self, network: NeuMFNetwork, plan: TrainingPlan) -> None:
        super().__init__()
        self.network, self.plan = network, plan
        self.losses: list[float] = []  # of the epoch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if isinstance(batch, SoftmaxBatch):
            found = softmax_loss(self.network, batch)
        else:
            found = pointwise_loss(self.network, batch)
        self.losses.append(float(found.detach()))
        return found

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch  # arrays; `torch.from_numpy` shares their memory

    def configure_optimizers(self) -> torch.optim.Optimizer:
        s = self.plan.settings
        return torch.optim.AdamW(self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay, fused=True)


class KeepBest(Callback):
    """Asks after an epoch how good the network is, keeps the best one, stops after `patience` without a better one.

    Args:
        stage: its name, for the progress.
        patience: epochs without a better one.
        validate: how good it is, higher is better; None: the last epoch is kept.
        progress: told after each epoch.
    """

    def __init__(
        self, stage: str, patience: int, validate: Callable[[], float] | None, progress: ProgressCallback | None
    ) -> None:
        self.stage, self.patience, self.validate, self.progress = stage, patience, validate, progress
        self.best, self.best_epoch = -math.inf, 0
        self.kept: dict[str, Tensor] = {}
        self.seconds: list[float] = []  # of each epoch, validation left out
        self.began = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, NeuMFTask)  # noqa: S101
        self.seconds.append(time.perf_counter() - self.began)
        epoch, most = trainer.current_epoch + 1, int(trainer.max_epochs or 0)
        losses, pl_module.losses = pl_module.losses, []
        figures = {"loss": float(np.mean(losses))}
        if not math.isfinite(figures["loss"]):
            raise RecSysError(f"NeuMF: the loss of epoch {epoch} is not a number; give a lower learning_rate")
        if self.validate is not None:
            figures["validation"] = value = self.validate()
            if value > self.best:
                self.best, self.best_epoch = value, epoch
                self.kept = {name: weight.clone() for name, weight in pl_module.network.state_dict().items()}
            trainer.should_stop = epoch >= self.best_epoch + self.patience
        else:
            self.best_epoch = epoch
        if self.progress is not None:
            total = epoch if trainer.should_stop else most
            self.progress(Progress(self.stage, epoch, total, "epochs", figures))


def train_network(
    network: NeuMFNetwork,
    pairs: Pairs,
    plan: TrainingPlan,
    validate: Callable[[], float] | None,
    progress: ProgressCallback | None,
) -> TrainedEpochs:
    """Train in epochs; the network has the weights of the best one in the end.

    With `pretrain`, GMF and MLP are trained alone first; together they start with half of each one's last layer.

    Args:
        network: untrained.
        pairs: what is learned.
        plan: how.
        validate: asked after each epoch of both branches together.
        progress: told after each epoch.
    """
    s = plan.settings
    if s.pretrain:
        for stage, branch in enumerate(("gmf", "mlp"), 1):
            network.branches = (branch,)
            _epochs(network, pairs, plan, stage, KeepBest(f"pre-train {branch.upper()}", 1, None, progress), s.pretrain)
        network.branches = ("gmf", "mlp")
        with torch.no_grad():
            network.out_gmf.weight.mul_(0.5)
            network.out_mlp.weight.mul_(0.5)
    keep = KeepBest("train NeuMF", s.patience, validate, progress)
    _epochs(network, pairs, plan, 0, keep, s.epochs)
    if keep.kept:
        network.load_state_dict(keep.kept)
    return TrainedEpochs(keep.best_epoch, float(np.median(keep.seconds)))


def _epochs(network: NeuMFNetwork, pairs: Pairs, plan: TrainingPlan, stage: int, keep: KeepBest, epochs: int) -> None:
    """Epochs of Lightning, which says and writes nothing."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for text in (".*does not have many workers.*", ".*GPU available but not used.*", ".*treespec, LeafSpec.*"):
                warnings.filterwarnings("ignore", text)
            trainer = lightning.Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                devices=1,
                callbacks=[keep],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            trainer.fit(NeuMFTask(network, plan), DataLoader(EpochBatches(pairs, plan, stage), batch_size=None))
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
