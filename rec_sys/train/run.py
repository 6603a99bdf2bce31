"""One training, from settings to report."""

from __future__ import annotations

import logging
import shlex
import time
import warnings
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger
from omegaconf import DictConfig, OmegaConf

from rec_sys.dataset.dataset import Data, DataSettings, load_data
from rec_sys.dataset.product_texts import describe_held_out_products, with_texts_from
from rec_sys.dataset.splits import Split, SplitSettings, split_by_time
from rec_sys.errors import ConfigError, DataError
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.batches import UserDataset, batches, users_at_once
from rec_sys.recommenders.graph.calibration import calibrate_cold_start
from rec_sys.recommenders.graph.callbacks import EpochBar, PublishBest
from rec_sys.recommenders.graph.checkpoint import SUFFIX, save_checkpoint
from rec_sys.recommenders.graph.fit_item_factors import fit_item_factors
from rec_sys.recommenders.graph.network import GraphModel
from rec_sys.recommenders.graph.recommender import GRAPH_MODEL
from rec_sys.recommenders.graph.resume import MADE_OF, MLFLOW_RUN, check_same, find_state, made_of
from rec_sys.recommenders.graph.review_graph import review_graph
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.recommenders.graph.task import GraphTask
from rec_sys.settings import read_settings
from rec_sys.text.encoder import native_backend
from rec_sys.text.settings import EncoderSettings
from rec_sys.tracking.resources import peak_mib
from rec_sys.tracking.runs import fail_run, log_figures, log_file, start_run
from rec_sys.train.final_test import final_test
from rec_sys.train.report import TrainReport
from rec_sys.train.trial import trial_of


@dataclass(frozen=True)
class TrainResult:
    """What a training leaves behind."""

    checkpoint: Path
    report: TrainReport
    files: list[Path]  # the report's; none of a trial of a search, whose checkpoint is not kept either


class TrainingStopped(KeyboardInterrupt):
    """Ctrl-C while training; the message says what is left and how to go on."""


def train(cfg: DictConfig) -> TrainResult:
    """Train one model as the composed configuration says.

    Raises:
        RecSysError: a setting, the data or a file to resume from is wrong.
        TrainingStopped: stopped by hand; the best checkpoint so far stays.
    """
    started = time.perf_counter()
    paths = read_settings(cfg.paths, Paths, "paths")
    settings = read_settings(cfg.train, TrainSettings, "train")
    model_settings = read_settings(cfg.model, GraphModelSettings, "model")
    split_settings = read_settings(cfg.split, SplitSettings, "split")
    encoder_settings = read_settings(cfg.encoder, EncoderSettings, "encoder")
    data_settings = read_settings(cfg.data, DataSettings, "data")
    accelerator = _accelerator(settings)
    begun = made_of(settings, model=model_settings, split=split_settings)
    figure, mode = settings.monitor
    trial = trial_of(cfg, paths, f"valid/{figure}")  # its search keeps the figures, so it leaves no files
    state = find_state(settings, paths)
    if state is not None:
        check_same(state, begun)  # before hours of embedding
    _quiet()
    lightning.seed_everything(settings.seed, workers=True, verbose=False)

    data = load_data(data_settings, encoder_settings, paths)
    begun |= {"data": data.table.fingerprint[:12], "encoder": data.encoder["fingerprint"][:12]}
    if state is not None:
        check_same(state, begun)
    split = split_by_time(data.table, split_settings)
    dataset = UserDataset(data.table, split.train, data.review_text, model_settings.max_history, settings.context)
    _check_learnable(settings, data, split, dataset)
    if trial:
        trial.check(data.table.fingerprint)
    name = state.name if state else settings.name or f"{data.name}-{datetime.now():%Y%m%d-%H%M%S}"
    checkpoint, state_folder = paths.checkpoints / f"{name}{SUFFIX}", paths.checkpoints / "resume"

    facts: dict[str, Any] = {
        "settings": OmegaConf.to_container(cfg, resolve=True),
        "encoder": data.encoder,
        "data": {
            "name": data.name,
            "fingerprint": data.table.fingerprint,
            "folder": str(data.table.folder),
            "reviews": len(data.table),
            "users": data.table.num_users,
            "products": data.table.num_products,
        },
        "split": split.summary(),
        "seed": settings.seed,
    }
    tags = {"data": data.name, "data_fingerprint": data.table.fingerprint, **(trial.tags if trial else {})}
    logger = start_run(paths, name, facts["settings"], tags, state.mlflow_run if state else None)
    described = None
    if len(split.held_out_products):
        described = describe_held_out_products(data.table, split, data.review_text, data.product_text)
    product_text = described.product_text if described else data.product_text
    graph = review_graph(data.table, split.train, data.review_text, product_text)
    text_dim = data.text_dim if model_settings.texts else 0
    model = GraphModel(model_settings, data.table.num_products, text_dim, bool(data.review_text.shape[1]))
    keep = {MADE_OF: begun, MLFLOW_RUN: logger.run_id}
    users = users_at_once(dataset, settings.users_per_batch)
    task = GraphTask(model, graph, data.table, split, data.review_text, settings, keep, users)

    def publish(task: GraphTask, figures: dict[str, float]) -> None:
        if trial:
            return
        info = {**facts, "metrics": figures, "created": datetime.now().astimezone().isoformat(timespec="seconds")}
        save_checkpoint(checkpoint, task.model, task.product_states(), data.table.products, data.names, info)

    best = PublishBest(f"valid/{figure}", mode, checkpoint, publish)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    if settings.precision != "auto":
        precision = settings.precision
    elif accelerator == "gpu" or native_backend() == "bfloat16":
        precision = "bf16-mixed"
    trainer = lightning.Trainer(
        max_epochs=settings.max_epochs,
        accelerator=accelerator,
        devices=1,
        precision=precision,
        callbacks=[
            best,
            EarlyStopping(f"valid/{figure}", mode=mode, patience=settings.patience, check_on_train_epoch_end=True),
            EpochBar(),
            trial or ModelCheckpoint(dirpath=state_folder, filename=name, enable_version_counter=False),
        ],
        logger=logger,
        default_root_dir=paths.work_dir,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        deterministic="warn",
    )
    weights = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"\ntraining {name}: {weights:,} weights, {len(dataset.targets):,} targets of {len(dataset):,} people per epoch"
    )
    if state is None and checkpoint.is_file():
        print(f"this replaces the run of the same name: {checkpoint}")
    try:
        fit_started = time.perf_counter()
        loader = batches(dataset, settings.users_per_batch, settings.seed, lambda: trainer.current_epoch)
        trainer.fit(task, loader, ckpt_path=state.path if state else None, weights_only=True)
        facts["fit_seconds"] = round(time.perf_counter() - fit_started, 1)
        facts["epochs"] = len(best.history)
        if not trial and settings.ranking_weight:
            if model_settings.item_factors or model_settings.exclusion_codes:
                read = None
                if text_dim and model_settings.item_factor_texts:
                    read = with_texts_from(data.table, split.train, data.review_text, product_text)
                sizes = (model_settings.item_factors, model_settings.exclusion_codes)
                fitted = fit_item_factors(checkpoint, data, split, task.valid, *sizes, read)
                facts["item_factors"] = fitted.facts
                print(fitted.note)
            cost = model_settings.new_product_cost
            if calibrated := calibrate_cold_start(checkpoint, data, split, task.valid, product_text, cost):
                facts["held_out_products"] = asdict(calibrated)
                print(calibrated.note)
        facts["train_seconds"] = round(time.perf_counter() - fit_started, 1)
        facts["peak_mib"] = peak_mib()
        if settings.final_test:
            report = final_test(name, data, split, described, checkpoint, best, facts, settings.baselines)
        else:
            report = _without_test(name, best, facts)
        facts["total_seconds"] = round(time.perf_counter() - started, 1)
        files = [] if trial else report.save(paths.reports / name)
        _track(logger, report, [] if trial else [*files, checkpoint])
        return TrainResult(checkpoint, report, files)
    except (SystemExit, KeyboardInterrupt):  # SystemExit is Lightning's answer to Ctrl-C
        failure: BaseException = _stopped(name, checkpoint, best)
    except Exception as error:
        failure = error
    fail_run(logger)
    raise failure


def _accelerator(settings: TrainSettings) -> str:
    """The device to train on; a GPU is one that CUDA knows, since others lack the sparse products of the graph."""
    if settings.accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("train.accelerator=gpu, but CUDA finds no GPU; leave it out, or give train.accelerator=cpu")
    return "gpu" if settings.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _check_learnable(settings: TrainSettings, data: Data, split: Split, dataset: UserDataset) -> None:
    if not len(dataset):
        raise DataError(
            f"nothing to learn from: none of {data.table.num_users:,} people has two training reviews besides the ones "
            f"kept for validation and test; use data with at least 4 reviews of some people"
        )
    unrated = [part for part in ("train", "valid") if np.isnan(data.table.rating[getattr(split, part)]).all()]
    if not settings.ranking_weight and unrated:
        raise ConfigError(
            f"train.ranking_weight=0 leaves the rating loss alone, but the {' and '.join(unrated)} reviews have no "
            f"ratings; leave train.ranking_weight out"
        )


def _without_test(name: str, best: PublishBest, facts: dict[str, Any]) -> TrainReport:
    figure = f"best {best.monitor} {best.best:.4f}, epoch {best.best_epoch + 1}"
    notes = [f"no test review was read (train.final_test=false); {figure}"]
    return TrainReport(name, {}, {}, {}, best.history, best.best_epoch, facts, notes)


def _track(logger: MLFlowLogger, report: TrainReport, files: list[Path]) -> None:
    """Write the closing figures and files into the run."""
    if ours := report.ranking.get(GRAPH_MODEL):
        log_figures(logger, {f"test/{key}": value for key, value in ours.filtered.items()})
        log_figures(logger, {f"test/unfiltered/{key}": value for key, value in ours.unfiltered.items()})
    if rating := report.ratings.get(GRAPH_MODEL):
        log_figures(logger, {f"test/{key}": getattr(rating, key) for key in ("mae", "mse", "accuracy", "f1")})
    for file in files:
        log_file(logger, file)
    logger.finalize("success")


def _stopped(name: str, checkpoint: Path, best: PublishBest) -> TrainingStopped:
    if not best.epochs_now:
        return TrainingStopped("stopped before an epoch was done: nothing new is kept; run the same command again")
    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    same = [word for word in overrides if not word.startswith(("train.resume=", "train.name="))]
    return TrainingStopped(
        f"stopped after epoch {len(best.history)}\n"
        f"best so far (epoch {best.best_epoch + 1}) is kept: {checkpoint}\n"
        f"go on with: uv run -m rec_sys.train.train {shlex.join([*same, f'train.resume={name}'])}"
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
