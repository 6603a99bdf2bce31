"""What happens around the epochs: the best model is published, a line is printed, a bar moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, Checkpoint
from tqdm import tqdm

from rec_sys.recommenders.graph.task import GraphTask

History = list[dict[str, float]]


class PublishBest(Checkpoint):
    """Hands the model over whenever its validation figure is the best so far, so that a stopped run leaves a good one.

    A `Checkpoint` to Lightning, which calls those after the task has logged its validation figures.

    Args:
        monitor: the figure.
        mode: "max" or "min".
        checkpoint: where `publish` writes; a resumed run whose checkpoint is gone begins a new best.
        publish: called with the task and the figures of the epoch.
    """

    def __init__(
        self, monitor: str, mode: str, checkpoint: Path, publish: Callable[[GraphTask, dict[str, float]], None]
    ) -> None:
        self.monitor, self.mode, self.checkpoint, self.publish = monitor, mode, checkpoint, publish
        self.epochs_now = 0  # of this process, without the ones before a resume
        self.best: float | None = None
        self.best_epoch = -1
        self.history: History = []  # figures of every epoch
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
        if self.best is None or (value > self.best if self.mode == "max" else value < self.best):
            self.best, self.best_epoch = value, trainer.current_epoch
            self.publish(pl_module, figures)
        tqdm.write(self._line(figures, trainer.max_epochs))

    def _line(self, figures: dict[str, float], max_epochs: int | None) -> str:
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
        if self.checkpoint.is_file():
            self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.history = state_dict["history"]


class EpochBar(Callback):
    """A bar within each epoch, gone when it ends; none where the output is no terminal."""

    bar: tqdm[Any] | None = None

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            name = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            total = int(trainer.num_training_batches)
            self.bar = tqdm(total=total, desc=name, unit="batch", leave=False, dynamic_ncols=True, disable=None)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.bar is not None:
            self.bar.update()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.bar is not None:
            self.bar.close()
