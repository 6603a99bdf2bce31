"""One training, from settings to report."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from omegaconf import DictConfig, OmegaConf

from rec_sys.dataset.data import Data, DataSettings, load_data
from rec_sys.dataset.encoder import EncoderSettings
from rec_sys.dataset.graphs import review_graph
from rec_sys.dataset.splits import Split, SplitSettings, split_by_time
from rec_sys.errors import CheckpointError, DataError
from rec_sys.evaluation.baselines import fit_baselines
from rec_sys.evaluation.protocol import evaluate
from rec_sys.evaluation.rating import rating_report
from rec_sys.modules.checkpoint import SUFFIX, load_checkpoint, save_checkpoint
from rec_sys.modules.graph_model import GraphModel, GraphModelSettings
from rec_sys.paths import Paths
from rec_sys.recommenders.graph import GraphRecommender
from rec_sys.recommenders.rating_bias import RatingBias
from rec_sys.settings import read_settings
from rec_sys.train.batches import PeopleDataset, batches
from rec_sys.train.callbacks import EpochBar, PublishBest
from rec_sys.train.report import TrainReport
from rec_sys.train.settings import TrainSettings
from rec_sys.train.task import GraphTask
from rec_sys.train.tracking import log_figures, log_file, start_run


@dataclass(frozen=True)
class TrainResult:
    """What a training leaves behind."""

    checkpoint: Path
    report: TrainReport
    files: list[Path]  # the report's


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
    _quiet()
    lightning.seed_everything(settings.seed, workers=True, verbose=False)

    data = load_data(data_settings, encoder_settings, paths)
    split = split_by_time(data.table, split_settings)
    graph = review_graph(data.table, split.train, data.review_text, data.product_text)
    name, resume = _name_and_resume(settings, data, paths)
    model = GraphModel(model_settings, data.table.num_products, data.text_dim)
    dataset = PeopleDataset(data.table, split.train, data.review_text, model_settings.max_history)
    if not len(dataset):
        raise DataError(
            f"nothing to learn from: none of {data.table.num_users:,} people has two training reviews besides the ones "
            f"kept for validation and test; use data with at least 4 reviews of some people"
        )
    task = GraphTask(model, graph, data.table, split, data.review_text, settings)

    facts: dict[str, Any] = {
        "settings": OmegaConf.to_container(cfg, resolve=True),
        "encoder": data.encoder,
        "data": {
            "name": data.name,
            "fingerprint": data.table.fingerprint,
            "folder": str(data.table.folder),
            "reviews": len(data.table),
            "people": data.table.num_users,
            "products": data.table.num_products,
        },
        "split": split.summary(),
        "seed": settings.seed,
    }
    checkpoint = paths.checkpoints / f"{name}{SUFFIX}"

    def publish(task: GraphTask, figures: dict[str, float]) -> None:
        info = {**facts, "metrics": figures, "created": datetime.now().astimezone().isoformat(timespec="seconds")}
        save_checkpoint(checkpoint, task.model, task.product_states(), data.table.products, data.names, info)

    figure, mode = settings.monitor
    best = PublishBest(f"valid/{figure}", mode, publish)
    state_folder = paths.checkpoints / "resume"
    keep_state = ModelCheckpoint(dirpath=state_folder, filename=name, enable_version_counter=False)
    logger = start_run(paths, name, facts["settings"], {"data": data.name, "data_fingerprint": data.table.fingerprint})
    gpu = torch.cuda.is_available() and settings.accelerator != "cpu"
    trainer = lightning.Trainer(
        max_epochs=settings.max_epochs,
        accelerator=settings.accelerator,
        devices=1,
        precision=("bf16-mixed" if gpu else "32-true") if settings.precision == "auto" else settings.precision,
        callbacks=[
            best,
            EarlyStopping(f"valid/{figure}", mode=mode, patience=settings.patience, check_on_train_epoch_end=True),
            EpochBar(),
            keep_state,
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
        f"\ntraining {name}: {weights:,} weights, {len(dataset):,} people, {len(dataset.targets):,} targets per epoch"
    )
    fit_started = time.perf_counter()
    try:
        loader = batches(dataset, settings.people_per_batch, settings.seed, lambda: trainer.current_epoch)
        trainer.fit(task, loader, ckpt_path=resume, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        _stopped(checkpoint, state_folder / f"{name}.ckpt", best)
    facts["fit_seconds"] = round(time.perf_counter() - fit_started, 1)
    report = _judge(name, data, split, checkpoint, best, facts)
    facts["total_seconds"] = round(time.perf_counter() - started, 1)
    files = report.save(paths.reports / name)
    ours = report.ranking["graph model"]
    log_figures(logger, {f"test/{key}": value for key, value in ours.masked.items()})
    log_figures(logger, {f"test/unmasked/{key}": value for key, value in ours.unmasked.items()})
    if "graph model" in report.ratings:
        rating = report.ratings["graph model"]
        log_figures(logger, {f"test/{key}": getattr(rating, key) for key in ("loss", "mse", "accuracy", "f1")})
    for file in (*files, checkpoint):
        log_file(logger, file)
    logger.finalize("success")
    return TrainResult(checkpoint, report, files)


def _name_and_resume(settings: TrainSettings, data: Data, paths: Paths) -> tuple[str, Path | None]:
    """Name of the run and the state to go on from."""
    if not settings.resume:
        return settings.name or f"{data.name}-{datetime.now():%Y%m%d-%H%M%S}", None
    for path in (Path(settings.resume), paths.checkpoints / "resume" / f"{settings.resume}.ckpt"):
        if path.is_file():
            return settings.name or path.stem, path
    raise CheckpointError(
        f"train.resume={settings.resume}: no such file; expected one from {paths.checkpoints / 'resume'}, "
        f"or leave it empty to start afresh"
    )


def _judge(
    name: str, data: Data, split: Split, checkpoint: Path, best: PublishBest, facts: dict[str, Any]
) -> TrainReport:
    """Read the test reviews, once, with the checkpoint that validation chose."""
    kept = load_checkpoint(checkpoint)
    table, limit = data.table, kept.model.settings.max_history
    ours = GraphRecommender(kept.model, kept.states, table, data.review_text)
    ranking, new_people, ratings = {}, {}, {}
    for baseline in fit_baselines(table, split, limit):
        ranking[baseline.name] = evaluate(baseline.model, table, split.test, limit)
        if len(split.new):
            new_people[baseline.name] = evaluate(baseline.model, table, split.new, limit)
    ranking[ours.name] = evaluate(ours, table, split.test, limit)
    if len(split.new):
        new_people[ours.name] = evaluate(ours, table, split.new, limit)
    if data.has_ratings:
        bias = RatingBias().fit(table, split.train)
        guess = bias.predict(table.user[split.test], table.product[split.test])
        ratings[bias.name] = rating_report(guess, table.rating[split.test])
        ratings[ours.name] = rating_report(ours.predict_stars(split.test), table.rating[split.test])
    return TrainReport(name, ranking, ratings, new_people, best.history, best.best_epoch, facts)


def _stopped(checkpoint: Path, state: Path, best: PublishBest) -> None:
    lines = ["stopped."]
    if best.best is not None:
        lines.append(f"best so far (epoch {best.best_epoch + 1}) is kept: {checkpoint}")
    if state.is_file():
        lines.append(f"go on with: uv run -m rec_sys.train.train train.resume={state}  (and the same overrides)")
    raise TrainingStopped("\n".join(lines))


def _quiet() -> None:
    """Leave out what Lightning says to its own developers."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    for text in (".*does not have many workers.*", ".*Checkpoint directory.*exists and is not empty.*"):
        warnings.filterwarnings("ignore", text)
