"""One trial of a search: a training that reads no test review and leaves no model, only its figures."""

from __future__ import annotations

from collections.abc import Mapping

import lightning
import optuna
from lightning.pytorch.callbacks import Checkpoint
from omegaconf import DictConfig

from rec_sys.dataset.dataset import Dataset
from rec_sys.errors import ConfigError
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.graph.training import RunContext, fit_graph
from rec_sys.tracking.runs import fail_run, start_run
from rec_sys.train.run import resolve
from rec_sys.train.study import MLFLOW_RUN


class ReportEpochs(Checkpoint):
    """Tells the study the figure of each epoch, and stops a trial that falls behind the others.

    A `Checkpoint` to Lightning, which calls those after the task has logged its validation figures.
    """

    def __init__(self, trial: optuna.Trial, figure: str) -> None:
        self.trial, self.figure, self.pruned = trial, figure, False

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.trial.report(float(trainer.callback_metrics[self.figure]), trainer.current_epoch + 1)
        if self.trial.should_prune():
            self.pruned = trainer.should_stop = True


def train_trial(
    trial: optuna.Trial,
    cfg: DictConfig,
    dataset: Dataset,
    figure: str,
    tags: Mapping[str, str],
    progress: ProgressCallback | None = None,
) -> bool:
    """Train the network alone, which the searched settings are of; returns whether it was stopped early.

    Args:
        trial: is told the figure of each epoch.
        cfg: composed from config/train_config.yaml, with the trial's settings.
        dataset: that of `cfg`.
        figure: of validation, which the search compares.
        tags: of the MLflow run.
        progress: told how far it is.

    Raises:
        RecSysError: a setting is wrong, or does not go with the data or with the search.
        FitInterrupted: stopped by hand.
    """
    plan = resolve(cfg)
    if (own := f"valid/{plan.train.monitor[0]}") != figure:
        raise ConfigError(f"{own} chooses this trial's epoch, so it cannot be compared by {figure} with the others")
    track = start_run(plan.paths, plan.train.name, plan.whole, tags)
    trial.set_user_attr(MLFLOW_RUN, track.run_id)
    epochs = ReportEpochs(trial, figure)
    context = RunContext(callbacks=[epochs], track=track, root=plan.paths.work_dir, network_alone=True)
    try:
        fit_graph(dataset, plan.model, plan.train, context, progress)
        if epochs.pruned:
            track.experiment.set_tag(track.run_id, "stopped", "early")
        track.finalize("success")
        return epochs.pruned
    except BaseException as error:
        failure = error
    fail_run(track)
    raise failure
