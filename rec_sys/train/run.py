"""One training on the command line: resolve, load, fit, save, final test, report.

resolve   settings and, for a resumed run, its state         -> Plan
load      raw reviews, table, split, vectors of texts         -> Dataset
fit       network, item factors, cold-start calibration       -> GraphFit (`recommenders/graph/training.py`)
save      the complete model as one folder                    -> TrainedGraph
test      the test reviews, once, beside baselines            -> TestFigures (`final_test.py`)
report    tables and curves, tracked run                      -> TrainResult
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger
from omegaconf import DictConfig, OmegaConf

from rec_sys.command_names import command_line
from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import write_info
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, save_checkpoint
from rec_sys.recommenders.graph.resume import (
    FINGERPRINT,
    MLFLOW_RUN,
    State,
    check_same,
    find_state,
    resume_fingerprint,
)
from rec_sys.recommenders.graph.scorer import GRAPH_MODEL
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.recommenders.graph.training import FitInterrupted, GraphFit, RunContext, accelerator_of, fit_graph
from rec_sys.settings import read_settings
from rec_sys.text.settings import EncoderSettings
from rec_sys.tracking.resources import peak_mib
from rec_sys.tracking.runs import fail_run, log_figures, log_file, log_folder, start_run
from rec_sys.train.final_test import TestFigures, final_test
from rec_sys.train.report import TrainReport

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Everything a training is asked for, checked."""

    paths: Paths
    data: DataSettings
    encoder: EncoderSettings
    split: SplitSettings
    model: GraphModelSettings
    train: TrainSettings
    whole: dict[str, Any]  # the composed configuration, as it is kept with the model
    state: State | None  # of the run to resume
    fingerprint: dict[str, Any]  # settings that must stay the same for a run to be resumed


@dataclass(frozen=True)
class TrainResult:
    """What a training leaves behind."""

    checkpoint: Path  # folder of the model
    report: TrainReport
    files: list[Path]  # the report's
    trained: TrainedGraph


class KeepState(ModelCheckpoint):
    """Lightning's file to resume from, one per run; where it lies is not in it, so that it may be moved."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(dirpath=folder, filename=name, enable_version_counter=False)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: a file of before names a folder that may be gone."""


class TrainingStopped(KeyboardInterrupt):
    """Ctrl-C while training; the message says what is left and how to go on."""


def train(cfg: DictConfig, progress: ProgressCallback | None = None) -> TrainResult:
    """Train one model as the composed configuration says.

    Args:
        cfg: composed from config/train_config.yaml.
        progress: told how far it is.

    Raises:
        RecSysError: a setting, the data or a file to resume from is wrong.
        TrainingStopped: stopped by hand; the best network so far stays, marked unfinished, or the complete model
            where only the final test was left.
    """
    started = time.perf_counter()
    plan = resolve(cfg)
    dataset = load(plan, progress)
    name = _name(plan, dataset)
    track = start_run(plan.paths, name, plan.whole, _tags(dataset), plan.state.mlflow_run if plan.state else None)
    folder = plan.paths.checkpoints / name
    kept: TrainedGraph | None = None  # the complete model, once it is on disk
    try:
        fit = _fit(plan, dataset, folder, track, progress)
        kept = _save(plan, dataset, fit, folder, started)
        figures = _test(plan, dataset, kept, fit)
        return _report(kept, fit, figures, plan.paths, track, started)
    except FitInterrupted as stop:
        failure: BaseException = _stopped(name, folder, stop)
    except (SystemExit, KeyboardInterrupt):
        left, then = "its best is kept, unfinished", _go_on(name)
        if kept is not None:
            left, then = "the model is complete, its test figures are missing", _measure(name)
        failure = TrainingStopped(f"stopped after the network was trained; {left}: {folder}\n{then}")
    except Exception as error:
        if kept is not None:
            logger.warning("the model is complete, its test figures are missing: %s\n%s", folder, _measure(name))
        failure = error
    fail_run(track)
    raise failure


def resolve(cfg: DictConfig) -> Plan:
    """Settings of a training, checked before any work is done.

    Raises:
        RecSysError: a setting is wrong, or there is nothing to resume.
    """
    paths = read_settings(cfg.paths, Paths, "paths")
    settings = read_settings(cfg.train, TrainSettings, "train")
    model = read_settings(cfg.model, GraphModelSettings, "model")
    split = read_settings(cfg.split, SplitSettings, "split")
    accelerator_of(settings)
    fingerprint = resume_fingerprint(settings, model=model, split=split)
    state = find_state(settings, paths)
    if state is not None:
        check_same(state, fingerprint)  # before hours of embedding
    whole = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(whole, dict)  # noqa: S101  a DictConfig gives nothing else
    return Plan(
        paths=paths,
        data=read_settings(cfg.data, DataSettings, "data"),
        encoder=read_settings(cfg.encoder, EncoderSettings, "encoder"),
        split=split,
        model=model,
        train=settings,
        whole={str(key): value for key, value in whole.items()},
        state=state,
        fingerprint=fingerprint,
    )


def load(plan: Plan, progress: ProgressCallback | None = None) -> Dataset:
    """The data set, checked; its texts are embedded later. A resumed run must find the data it began with.

    Raises:
        RecSysError: the data cannot be read or is too little to train and test on, or is not what the run began with.
    """
    dataset = load_data(plan.data, plan.encoder, plan.paths, progress, plan.split)
    _ = dataset.split  # data too short to be split is said before its texts are embedded
    if plan.state is not None:
        check_same(plan.state, _fingerprint(plan, dataset))
    return dataset


def _fit(
    plan: Plan, dataset: Dataset, folder: Path, track: MLFlowLogger, progress: ProgressCallback | None
) -> GraphFit:
    logger.info("\ntraining %s", folder.name)
    if plan.state is None and folder.exists():
        logger.info("this replaces the run of the same name: %s", folder)
    context = RunContext(
        folder=folder,
        info=_info(plan, dataset),
        state_path=plan.state.path if plan.state else None,
        keep={FINGERPRINT: _fingerprint(plan, dataset), MLFLOW_RUN: track.run_id},
        callbacks=[KeepState(plan.paths.checkpoints / "resume", folder.name)],
        track=track,
        root=plan.paths.work_dir,
    )
    return fit_graph(dataset, plan.model, plan.train, context, progress)


def _save(plan: Plan, dataset: Dataset, fit: GraphFit, folder: Path, started: float) -> TrainedGraph:
    """Write the complete model, and a report that says that its test figures are missing: the final test may fail."""
    best = next(each for each in fit.history if each["epoch"] == fit.best_epoch)
    info = _info(plan, dataset) | fit.facts | {"metrics": best, "final_test": "missing"} | _spent(started)
    trained = replace(fit.trained, info=info, path=folder)
    save_checkpoint(folder, trained)
    missing = TestFigures(notes=["the test figures are missing: the final test did not come to its end"])
    _report_of(trained, fit, missing).save(plan.paths.reports / folder.name)
    return trained


def _test(plan: Plan, dataset: Dataset, trained: TrainedGraph, fit: GraphFit) -> TestFigures:
    if plan.train.final_test:
        return final_test(trained, dataset, plan.train.baselines, plan.train.seed)
    best = f"best valid/{plan.train.monitor[0]} {fit.best:.4f}, epoch {fit.best_epoch + 1}"
    return TestFigures(notes=[f"no test review was read (train.final_test=false); {best}"])


def _report(
    trained: TrainedGraph, fit: GraphFit, figures: TestFigures, paths: Paths, track: MLFlowLogger, started: float
) -> TrainResult:
    """Write the report, then what the model says of its final test, then the tracked run."""
    outcome = {"final_test": "done" if figures.ranking else "left out", "chance": figures.chance}
    trained = replace(trained, info=trained.info | outcome | _spent(started))
    folder = trained.path
    report = _report_of(trained, fit, figures)
    files = report.save(paths.reports / folder.name)
    write_info(folder, trained.info)
    _track(track, figures, files, folder)
    return TrainResult(folder, report, files, trained)


def _report_of(trained: TrainedGraph, fit: GraphFit, figures: TestFigures) -> TrainReport:
    facts = {key: value for key, value in trained.info.items() if key != "metrics"}  # its epochs are all there
    return TrainReport(trained.path.name, figures, fit.history, fit.best_epoch, facts)


def _spent(started: float) -> dict[str, Any]:
    return {"peak_mib": peak_mib(), "total_seconds": round(time.perf_counter() - started, 1)}


def _name(plan: Plan, dataset: Dataset) -> str:
    if plan.state is not None:
        return plan.state.name
    return plan.train.name or f"{dataset.name}-{datetime.now():%Y%m%d-%H%M%S}"


def _fingerprint(plan: Plan, dataset: Dataset) -> dict[str, Any]:
    """What must stay the same for the run to be resumed, the data included."""
    encoder = dataset.vectors.encoder["fingerprint"][:12]
    return plan.fingerprint | {"data": dataset.table.fingerprint[:12], "encoder": encoder}


def _info(plan: Plan, dataset: Dataset) -> dict[str, Any]:
    """What a model says of how it was trained: plain JSON.

    Not the work folder, which may be moved: a model lies in the one it belongs to.
    """
    return {
        **dataset.facts(),
        "settings": {group: values for group, values in plan.whole.items() if group != "paths"}
        | {"data": dataset.origin["data"]},
        "encoder": dataset.vectors.encoder,
        "seed": plan.train.seed,
    }


def _tags(dataset: Dataset) -> dict[str, str]:
    return {"data": dataset.name, "data_fingerprint": dataset.table.fingerprint}


def _track(track: MLFlowLogger, figures: TestFigures, files: Sequence[Path], folder: Path) -> None:
    """Write the closing figures and files into the run."""
    if report := figures.ranking.get(GRAPH_MODEL):
        log_figures(track, {f"test/{key}": value for key, value in report.filtered.items()})
        log_figures(track, {f"test/unfiltered/{key}": value for key, value in report.unfiltered.items()})
    if rating := figures.ratings.get(GRAPH_MODEL):
        log_figures(track, {f"test/{key}": getattr(rating, key) for key in ("mae", "mse", "accuracy", "f1")})
    for file in files:
        log_file(track, file)
    log_folder(track, folder)
    track.finalize("success")


def _stopped(name: str, folder: Path, stop: FitInterrupted) -> TrainingStopped:
    if stop.best_epoch < 0 and stop.epochs_now:
        return TrainingStopped(f"stopped after epoch {stop.epochs}; none was good enough to be kept\n{_go_on(name)}")
    if not stop.epochs_now:
        return TrainingStopped("stopped before an epoch was done: nothing new is kept; run the same command again")
    return TrainingStopped(
        f"stopped after epoch {stop.epochs}\n"
        f"the best network so far (epoch {stop.best_epoch + 1}) is kept, unfinished: {folder}\n{_go_on(name)}"
    )


def _go_on(name: str) -> str:
    same = [word for word in _typed() if not word.startswith(("train.resume=", "train.name="))]
    return f"go on with: {command_line('rec_sys.train.train')} {shlex.join([*same, f'train.resume={name}'])}"


def _measure(name: str) -> str:
    """How the test figures are had afterwards: with the same data and split."""
    same = [word for word in _typed() if word.startswith(("data", "encoder", "split", "paths."))]
    words = shlex.join([*same, f"checkpoint={name}"])
    return f"for its test figures: {command_line('rec_sys.evaluation.evaluate')} {words}"


def _typed() -> list[str]:
    """What was typed after the command."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
