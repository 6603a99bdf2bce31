"""What happens around the epochs: the best network is kept, figures are logged, progress is told."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

from rec_sys.progress import Progress, ProgressCallback
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.task import GraphTask

logger = logging.getLogger(__name__)

Figures = dict[str, float]


class KeepBest(Checkpoint):
    """Keeps weights and product states of the epoch with the best validation figure in memory.

    A `Checkpoint` to Lightning, which calls those after the task has logged its validation figures. A figure that is
    nan is worse than any other: such an epoch is never the best.

    Args:
        monitor: the figure.
        mode: "max" or "min".
        on_best: given the product states of each better epoch, so that a stopped run leaves its best network.
        has_best: whether what `on_best` wrote before a resume is still there; otherwise the resumed run starts a new
            best.
    """

    def __init__(
        self, monitor: str, mode: str, on_best: Callable[[ProductStates], None] | None = None, has_best: bool = False
    ) -> None:
        self.monitor, self.mode, self.on_best, self.has_best = monitor, mode, on_best, has_best
        self.epochs_now = 0  # of this process, without the ones before a resume
        self.best: float | None = None
        self.best_epoch = -1
        self.history: list[Figures] = []  # figures of every epoch
        self.weights: dict[str, torch.Tensor] = {}  # of the best epoch of this process; empty where none was better
        self.states: ProductStates | None = None  # of that epoch
        self.started = 0.0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:  # the first epoch after a resume has no on_train_epoch_start
            self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, GraphTask)  # noqa: S101
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["epoch"] = trainer.current_epoch
        figures["seconds"] = time.perf_counter() - self.started
        self.history.append(figures)
        self.epochs_now += 1
        value = figures[self.monitor]
        if math.isnan(value):
            logger.warning("%s of epoch %d is not a number; that epoch is not kept", self.monitor, figures["epoch"] + 1)
        elif self.best is None or (value > self.best if self.mode == "max" else value < self.best):
            self.best, self.best_epoch = value, trainer.current_epoch
            self.weights = {name: tensor.cpu().clone() for name, tensor in pl_module.model.state_dict().items()}
            states = pl_module.product_states()
            self.states = ProductStates(states.history.cpu(), states.target.cpu())
            if self.on_best is not None:
                self.on_best(self.states)
        logger.info("%s", self._line(figures, trainer.max_epochs))

    def _line(self, figures: Figures, max_epochs: int | None) -> str:
        epoch = int(figures["epoch"])
        shown = [f"epoch {epoch + 1:>3}/{max_epochs}", f"loss {figures['train/loss']:.4f}"]
        for name, label in (("recall_at_10", "R@10"), ("ndcg_at_10", "N@10"), ("rating_mae", "rating MAE")):
            if f"valid/{name}" in figures:
                shown.append(f"{label} {figures[f'valid/{name}']:.4f}")
        shown.append(f"{figures['seconds']:.1f} s")
        if self.best_epoch == epoch:
            shown.append("best so far")
        return "   ".join(shown)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        best = state_dict["best"]
        if self.has_best and best is not None and not math.isnan(best):
            self.best, self.best_epoch = best, state_dict["best_epoch"]
        self.history = state_dict["history"]


class TellProgress(Callback):
    """Tells how far each epoch is.

    Args:
        progress: is told.
    """

    def __init__(self, progress: ProgressCallback) -> None:
        self.progress = progress

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            self.progress(self._at(trainer, 0))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.progress(self._at(trainer, batch_idx + 1))

    @staticmethod
    def _at(trainer: lightning.Trainer, done: int) -> Progress:
        stage = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        return Progress(stage, done, int(trainer.num_training_batches), "batches")
