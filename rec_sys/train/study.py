"""The study of a search: what was tried and how it went, in an SQLite file that outlives the process."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from lightning.pytorch.loggers import MLFlowLogger
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from rec_sys.errors import ConfigError
from rec_sys.locks import exclusive
from rec_sys.paths import Paths
from rec_sys.tracking.runs import start_run
from rec_sys.train.settings import SearchSettings

Mode = Literal["max", "min"]
FILE = "study.db"
MADE_OF, MLFLOW_RUN, STOPPED, AGAIN = "made_of", "mlflow_run", "stopped", "again"  # what studies and trials keep


def open_study(folder: Path, settings: SearchSettings) -> optuna.Study:
    """The study in `folder`."""
    _quiet()
    return optuna.load_study(
        study_name=settings.name,
        storage=_storage(folder),
        pruner=optuna.pruners.MedianPruner(settings.first_trials, settings.first_epochs),
    )


class Study:
    """A study in the hands of the one process that may add trials to it; made where there is none yet.

    Args:
        folder: of the search.
        settings: how to search.
        mode: which way the figure is better.
        space: what is searched, by setting.
        made_of: all other settings; a study goes on with what it was begun with.

    Raises:
        ConfigError: another process has it, or it was begun with other settings.
    """

    def __init__(
        self,
        folder: Path,
        settings: SearchSettings,
        mode: Mode,
        space: Mapping[str, BaseDistribution],
        made_of: Mapping[str, Any],
    ) -> None:
        self.settings, self.mode, self.space = settings, mode, dict(space)
        self._lock = ExitStack()
        try:
            self._lock.enter_context(exclusive(folder / "lock"))
        except BlockingIOError:
            raise ConfigError(
                f"the search {settings.name} is being run by another process; wait for it, or begin another: "
                f"search.name=NAME"
            ) from None
        try:
            now = {**made_of, **{key: str(values) for key, values in space.items()}}
            self._study = _made(folder, settings, mode)
            if not self.done and self._study.user_attrs.get(MADE_OF, now) != now:
                optuna.delete_study(study_name=settings.name, storage=_storage(folder))  # begun with a mistake
                self._study = _made(folder, settings, mode)
            same(self._study, MADE_OF, now)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those in one of `states`; all where none is given."""
        return self._study.get_trials(deepcopy=False, states=states or None)

    @property
    def done(self) -> int:
        """Trials that were trained to their end or stopped early; failed ones are not done."""
        return len(self.trials(TrialState.COMPLETE, TrialState.PRUNED))

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial so far."""
        complete = self.trials(TrialState.COMPLETE)
        return (max if self.mode == "max" else min)(complete, key=lambda trial: trial.values[0], default=None)

    def best_epoch(self, trial: FrozenTrial) -> tuple[int, float] | None:
        """The epoch, from 1, at which a trial was best, and its figure then; None where it has none."""
        figures = [(epoch, value) for epoch, value in trial.intermediate_values.items() if math.isfinite(value)]
        return (max if self.mode == "max" else min)(figures, key=lambda figure: figure[1], default=None)

    def begin_with(self, params: Mapping[str, Any]) -> None:
        """What the first trial is to have; a search that goes on has had it."""
        if not self.trials():
            self._study.enqueue_trial(dict(params))

    def ask(self) -> optuna.Trial:
        """The next trial, its settings chosen.

        The choice follows from the seed and the trials before, so that an interrupted search goes on to the same
        trials as one that never was; one sampler for all would begin its random numbers anew with each process.
        """
        number = sum(AGAIN not in trial.user_attrs for trial in self.trials() if trial.state != TrialState.WAITING)
        seed = int(np.random.default_rng([self.settings.seed, number]).integers(2**31))
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=self.settings.first_trials, multivariate=True, constant_liar=False
        )
        return self._study.ask(self.space)

    def finish(self, number: int) -> FrozenTrial:
        """A training has ended: its best epoch is what the trial is worth, unless it was stopped early."""
        trial = self.trials()[number]
        best = self.best_epoch(trial)
        if best is None:
            raise ValueError("no epoch of the trial gave a figure")
        if STOPPED in trial.user_attrs:
            return self._study.tell(number, state=TrialState.PRUNED)
        return self._study.tell(number, best[1])

    def fail(self, number: int) -> None:
        """A training could not be done; it is not tried again."""
        self._study.tell(number, state=TrialState.FAIL)

    def take_up(self) -> list[FrozenTrial]:
        """Mark trials that were running when their process ended as failed, and queue the same again; returns them."""
        left = self.trials(TrialState.RUNNING)
        for trial in left:
            self.fail(trial.number)
            self._study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
        return left

    def track(self, paths: Paths) -> MLFlowLogger:
        """The MLflow run that the trials' runs are grouped under."""
        name, run = self.settings.name, self._study.user_attrs.get(MLFLOW_RUN)
        about = (paths, f"search-{name}", {"search": self.settings.model_dump()}, {"search": name})
        logger = start_run(*about, run)
        self._study.set_user_attr(MLFLOW_RUN, logger.run_id)
        return logger


def same(study: optuna.Study, name: str, now: Mapping[str, Any]) -> None:
    """Keep `now` as the study's `name`, or compare it with what the study has kept.

    Raises:
        ConfigError: names what differs.
    """
    before, now = study.user_attrs.get(name), json.loads(json.dumps(now))
    if before is None:
        study.set_user_attr(name, now)
        return
    differ = [
        f"{key} was {before.get(key, 'not there')}, now {now.get(key, 'not there')}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if differ:
        raise ConfigError(
            f"the search {study.study_name} was begun with other settings, so that its figures cannot be compared: "
            f"{'; '.join(differ)}. Go on with what it was begun with, or begin another: search.name=NAME"
        )


def _made(folder: Path, settings: SearchSettings, mode: Mode) -> optuna.Study:
    _quiet()
    optuna.create_study(
        study_name=settings.name,
        storage=_storage(folder),
        direction="maximize" if mode == "max" else "minimize",
        load_if_exists=True,
    )
    return open_study(folder, settings)


def _quiet() -> None:
    """Leave out what Optuna says of each trial; a search has a line of its own for it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _storage(folder: Path) -> str:
    return f"sqlite:///{(folder / FILE).resolve()}"
