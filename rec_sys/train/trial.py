"""A training that is a trial of a search: it tells the study each epoch's figure and may be stopped early."""

from __future__ import annotations

import lightning
import optuna
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import MLFlowLogger
from omegaconf import DictConfig
from optuna.trial import TrialState

from rec_sys.errors import ConfigError
from rec_sys.paths import Paths
from rec_sys.settings import read_settings
from rec_sys.train.settings import SearchSettings
from rec_sys.train.study import FILE, MLFLOW_RUN, STOPPED, open_study, same


class TrialWatch(Checkpoint):
    """Tells the study the figure of each epoch, and stops a trial that falls behind the others.

    A `Checkpoint` to Lightning, which calls those after the task has logged its validation figures.

    Args:
        trial: of the study.
        monitor: the figure.
    """

    def __init__(self, trial: optuna.Trial, monitor: str) -> None:
        self.trial, self.monitor = trial, monitor

    @property
    def tags(self) -> dict[str, str]:
        """What groups the run of the trial under that of the search."""
        study = self.trial.study
        return {
            "mlflow.parentRunId": study.user_attrs[MLFLOW_RUN],
            "search": study.study_name,
            "trial": str(self.trial.number),
        }

    def check(self, fingerprint: str) -> None:
        """Refuse data, or a figure, that cannot be compared with those of the trials before.

        Raises:
            ConfigError: names what differs.
        """
        same(self.trial.study, "compared", {"figure": self.monitor, "data": fingerprint})

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if isinstance(trainer.logger, MLFlowLogger):
            self.trial.set_user_attr(MLFLOW_RUN, trainer.logger.run_id)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.trial.report(float(trainer.callback_metrics[self.monitor]), trainer.current_epoch + 1)
        if self.trial.should_prune():
            self.trial.set_user_attr(STOPPED, trainer.current_epoch + 1)
            if isinstance(trainer.logger, MLFlowLogger):
                trainer.logger.experiment.set_tag(trainer.logger.run_id, STOPPED, "early")
            trainer.should_stop = True


def trial_of(cfg: DictConfig, paths: Paths, monitor: str) -> TrialWatch | None:
    """The trial that the training of `cfg` is; None where no search has begun it.

    Raises:
        ConfigError: there is no such trial.
    """
    if "search" not in cfg:
        return None
    settings = read_settings(cfg.search, SearchSettings, "search")
    if settings.trial is None:
        return None
    folder = paths.searches / settings.name
    if (folder / FILE).is_file():
        study = open_study(folder, settings)
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            if trial.number == settings.trial:
                return TrialWatch(optuna.Trial(study, trial._trial_id), monitor)
    raise ConfigError(f"search.trial={settings.trial}: no such trial is running in {folder}; leave search.trial out")
