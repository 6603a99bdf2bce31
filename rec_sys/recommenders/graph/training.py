"""Training of the graph model: network, item factors, cold-start calibration, each a function of values.

fit_graph    the three steps in their order
fit_network  the first one: Lightning, early stopping on validation
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import Logger

from rec_sys.allocator import give_back_memory
from rec_sys.dataset.dataset import Dataset
from rec_sys.errors import ConfigError, DataError, RecSysError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import MANIFEST_FILE
from rec_sys.recommenders.graph.batches import UserDataset, batches, users_at_once
from rec_sys.recommenders.graph.calibration import CalibrationReport, calibrate_cold_start
from rec_sys.recommenders.graph.callbacks import Figures, KeepBest, TellProgress
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.fit_item_factors import ItemFactorReport, fit_item_factors
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.recommenders.graph.task import GraphTask
from rec_sys.text.encoder import native_backend

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunContext:
    """Folder, tracker, callbacks and resume state of a run of the training command; all empty from Python."""

    folder: Path | None = None  # of the model: each better network is written there, marked unfinished
    info: Mapping[str, Any] = field(default_factory=dict)  # goes into the manifest
    state_path: Path | None = None  # Lightning's state to go on from
    keep: Mapping[str, Any] = field(default_factory=dict)  # plain values that the state holds
    callbacks: Sequence[Callback] = ()
    track: Logger | None = None  # of figures
    root: Path = Path()  # where Lightning may write
    network_alone: bool = False  # leave item factors and calibration out: a trial of a search


@dataclass(frozen=True)
class GraphFit:
    """A trained model and how it came about."""

    trained: TrainedGraph
    history: list[Figures]  # of every epoch
    best_epoch: int  # from 0
    best: float  # validation figure of that epoch
    network_seconds: float
    seconds: float  # of all steps
    item_factors: ItemFactorReport | None = None  # None: not fitted
    calibration: CalibrationReport | None = None  # None: nothing to calibrate

    @property
    def facts(self) -> dict[str, Any]:
        """Plain JSON for manifest and report."""
        facts: dict[str, Any] = {
            "epochs": len(self.history),
            "fit_seconds": round(self.network_seconds, 1),
            "train_seconds": round(self.seconds, 1),
        }
        if self.item_factors is not None:
            facts["item_factors"] = self.item_factors.facts
        if self.calibration is not None:
            facts["cold_start"] = self.calibration.facts
        return facts


class FitInterrupted(KeyboardInterrupt):
    """Ctrl-C while the network is trained; says how far it was."""

    def __init__(self, keep: KeepBest) -> None:
        super().__init__()
        self.epochs_now, self.epochs, self.best_epoch = keep.epochs_now, len(keep.history), keep.best_epoch


def fit_graph(
    dataset: Dataset,
    settings: GraphModelSettings,
    train: TrainSettings,
    context: RunContext | None = None,
    progress: ProgressCallback | None = None,
) -> GraphFit:
    """Train the network, fit item factors and exclusion codes, calibrate cold items.

    The model stays in memory; each step takes the one before and returns another.

    Args:
        dataset: only training and validation reviews are looked at.
        settings: of the model.
        train: how to train.
        context: tracking, resuming, unfinished models on disk.
        progress: told how far it is.

    Raises:
        DataError: there is nothing to learn from.
        ConfigError: the settings do not go with the data or the machine.
        RecSysError: the training diverged.
        FitInterrupted: stopped by hand.
    """
    context = context or RunContext()
    started = time.perf_counter()
    fit, valid = fit_network(dataset, settings, train, context, progress)
    if context.network_alone or not train.ranking_weight:
        return replace(fit, trained=replace(fit.trained, complete=True), seconds=time.perf_counter() - started)
    give_back_memory()
    trained, factors, calibration = fit.trained, None, None
    if settings.item_factors or settings.exclusion_codes:
        trained, factors = fit_item_factors(trained, dataset, valid)
        give_back_memory()
    trained, calibration = calibrate_cold_start(trained, dataset, valid)
    give_back_memory()
    return replace(
        fit,
        trained=replace(trained, complete=True),
        item_factors=factors,
        calibration=calibration,
        seconds=time.perf_counter() - started,
    )


def fit_network(
    dataset: Dataset,
    settings: GraphModelSettings,
    train: TrainSettings,
    context: RunContext,
    progress: ProgressCallback | None = None,
) -> tuple[GraphFit, np.ndarray[Any, np.dtype[np.int64]]]:
    """Train the network alone; arguments as those of `fit_graph`.

    Returns:
        The network of the best epoch, and the validation reviews that chose it.
    """
    _quiet()
    lightning.seed_everything(train.seed, workers=True, verbose=False)
    accelerator = accelerator_of(train)
    users = UserDataset(dataset.features, dataset.split.train, settings.max_history, train.context)
    _check_learnable(train, dataset, users)
    text_dim = dataset.text_dim if settings.texts else 0
    network = GraphNetwork(settings, dataset.table.num_products, text_dim, bool(dataset.review_text.shape[1]))
    task = GraphTask(network, dataset, train, context.keep, users_at_once(users, train))
    figure, mode = train.monitor
    has_best = context.folder is not None and (context.folder / MANIFEST_FILE).is_file()

    def write_unfinished(states: ProductStates) -> None:
        """A stopped run leaves its best network; it says that item factors and calibration are missing."""
        if context.folder is not None and not context.network_alone:
            save_checkpoint(context.folder, _network_alone(states, dataset, network, context))

    keep = KeepBest(f"valid/{figure}", mode, write_unfinished, has_best)
    trainer = lightning.Trainer(
        max_epochs=train.max_epochs,
        accelerator=accelerator,
        devices=1,
        precision=precision_of(train, accelerator),
        callbacks=[
            keep,
            EarlyStopping(
                f"valid/{figure}",
                mode=mode,
                patience=train.patience,
                check_finite=False,  # an epoch whose figure is nan is one without a better validation
                check_on_train_epoch_end=True,
            ),
            *([TellProgress(progress)] if progress else []),
            *context.callbacks,
        ],
        logger=context.track or False,
        default_root_dir=context.root,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        deterministic="warn",
    )
    logger.info(
        "%s weights, %s targets of %s users per epoch",
        f"{sum(parameter.numel() for parameter in network.parameters()):,}",
        f"{len(users.targets):,}",
        f"{len(users):,}",
    )
    started = time.perf_counter()
    try:
        loader = batches(users, train, lambda: trainer.current_epoch)
        trainer.fit(task, loader, ckpt_path=context.state_path, weights_only=True)
    except (SystemExit, KeyboardInterrupt) as stop:  # SystemExit is Lightning's answer to Ctrl-C
        raise FitInterrupted(keep) from stop
    trained = _best_of(keep, dataset, network, context)
    seconds = time.perf_counter() - started
    return GraphFit(trained, keep.history, keep.best_epoch, keep.best or 0.0, seconds, seconds), task.valid


def _best_of(keep: KeepBest, dataset: Dataset, network: GraphNetwork, context: RunContext) -> TrainedGraph:
    """The network of the best epoch: of this process, or what was written before a resume.

    Raises:
        RecSysError: there is no best epoch.
    """
    if keep.best is None:
        raise RecSysError(
            f"{keep.monitor} was not a number in any of {len(keep.history)} epochs, so none can be kept; give a lower "
            f"train.learning_rate"
        )
    if keep.states is None:
        assert context.folder is not None  # noqa: S101  without a folder nothing is resumed, so some epoch was the best
        written = load_checkpoint(context.folder).network_alone()
        return replace(written, bank=None, info=dict(context.info), complete=False)
    network.load_state_dict(keep.weights)
    return _network_alone(keep.states, dataset, network.cpu().eval(), context)


def _network_alone(states: ProductStates, dataset: Dataset, network: GraphNetwork, context: RunContext) -> TrainedGraph:
    """A network without what is fitted after it."""
    return TrainedGraph(
        network=network,
        states=states,
        products=dataset.table.products,
        names=dataset.names,
        info=dict(context.info),
        path=context.folder or Path("model"),
        complete=False,
    )


def accelerator_of(train: TrainSettings) -> str:
    """The device to train on; a GPU is one that CUDA knows, since others lack the sparse products of the graph.

    Raises:
        ConfigError: a GPU is asked for and there is none.
    """
    if train.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("train.accelerator=gpu, but CUDA finds no GPU; leave it out, or give train.accelerator=cpu")
    return "gpu" if train.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def precision_of(train: TrainSettings, accelerator: str) -> Literal["32-true", "bf16-mixed"]:
    """bfloat16 where the machine computes it natively."""
    if train.precision != "auto":
        return train.precision
    return "bf16-mixed" if accelerator == "gpu" or native_backend() == "bfloat16" else "32-true"


def _check_learnable(train: TrainSettings, dataset: Dataset, users: UserDataset) -> None:
    if not len(users):
        raise DataError(
            f"nothing to learn from: none of {dataset.table.num_users:,} users has two training reviews besides the "
            f"ones kept for validation and test; use data with at least 4 reviews of some users"
        )
    rating, split = dataset.table.rating, dataset.split
    unrated = [part for part in ("train", "valid") if np.isnan(rating[getattr(split, part)]).all()]
    if not train.ranking_weight and unrated:
        raise ConfigError(
            f"train.ranking_weight=0 leaves the rating loss alone, but the {' and '.join(unrated)} reviews have no "
            f"ratings; leave train.ranking_weight out"
        )


def _quiet() -> None:
    """Leave out what Lightning says to its own developers."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for text in (
        ".*does not have many workers.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*isinstance.treespec, LeafSpec.*",
        ".*when using `ckpt_path`, callbacks.*",
    ):
        warnings.filterwarnings("ignore", text)
