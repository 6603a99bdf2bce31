"""The study of a search: what was tried and how it went, in an SQLite file that outlives the process."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from rec_sys.errors import ConfigError
from rec_sys.locks import exclusive
from rec_sys.train.search_space import Space
from rec_sys.train.settings import SearchSettings

Direction = Literal["maximize", "minimize"]
# What studies and trials keep for us, under the names that earlier versions gave.
FINGERPRINT, MLFLOW_RUN, REPEATS = "made_of", "mlflow_run", "again"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@contextmanager
def open_study(
    folder: Path, settings: SearchSettings, direction: Direction, fingerprint: Mapping[str, Any]
) -> Iterator[optuna.Study]:
    """The study in `folder`, made where there is none yet, for the one process that may add trials to it.

    Args:
        folder: of the search.
        settings: how to search.
        direction: in which the figure is better.
        fingerprint: plain values that have to stay the same for the search to be resumed.

    Raises:
        ConfigError: another process has it, or it began with other settings or data.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a search has a line per trial of its own
    # Ctrl-C may come in the middle of a query; that its cursor could not be closed is no news, and has a traceback
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    storage, now = f"sqlite:///{(folder / 'study.db').resolve()}", json.loads(json.dumps(fingerprint))

    def load_or_make() -> optuna.Study:
        pruner = optuna.pruners.MedianPruner(settings.first_trials, settings.first_epochs)
        return optuna.create_study(
            study_name=settings.name, storage=storage, pruner=pruner, direction=direction, load_if_exists=True
        )

    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(folder / "lock"))
        except BlockingIOError:
            raise ConfigError(
                f"the search {settings.name} is being run by another process; wait for it, or begin another: "
                f"search.name=NAME"
            ) from None
        study = load_or_make()
        before = study.user_attrs.get(FINGERPRINT, now)
        if differ := sorted(key for key in {*before, *now} if before.get(key) != now.get(key)):
            if study.get_trials(states=DONE):
                raise ConfigError(
                    f"the search {settings.name} cannot go on with other settings or data, since its figures could not "
                    f"be compared: {'; '.join(f'{key} was {before.get(key)}, now {now.get(key)}' for key in differ)}. "
                    f"Go on with what it began with, or begin another: search.name=NAME"
                )
            optuna.delete_study(study_name=settings.name, storage=storage)  # it has nothing but mistakes
            study = load_or_make()
        study.set_user_attr(FINGERPRINT, now)
        yield study


def ask(study: optuna.Study, settings: SearchSettings, space: Space) -> optuna.Trial:
    """The next trial, its settings chosen.

    The choice follows from the seed and the trials before, so that an interrupted search goes on to the same trials as
    one that was not; a single sampler would begin its random numbers anew with each process.
    """
    begun = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
    number = sum(REPEATS not in trial.user_attrs for trial in begun)
    seed = int(np.random.default_rng([settings.seed, number]).integers(2**31))
    study.sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=settings.first_trials, multivariate=True, constant_liar=False
    )
    return study.ask(dict(space))


def repeat_interrupted(study: optuna.Study) -> list[FrozenTrial]:
    """Mark trials that were running when their process ended as failed, and queue the same again; returns them."""
    interrupted = study.get_trials(states=(TrialState.RUNNING,))
    for trial in interrupted:
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={REPEATS: trial.number})
    return interrupted


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best of the trials that were trained to their end."""
    return study.best_trial if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None


def best_epoch(study: optuna.Study, trial: FrozenTrial) -> tuple[int, float]:
    """The epoch, from 1, at which a trial was best, and its figure then.

    Raises:
        ValueError: the trial has no figure.
    """
    figures = [(epoch, value) for epoch, value in trial.intermediate_values.items() if math.isfinite(value)]
    if not figures:
        raise ValueError("no epoch of the trial gave a figure")
    return (max if study.direction is StudyDirection.MAXIMIZE else min)(figures, key=lambda figure: figure[1])
