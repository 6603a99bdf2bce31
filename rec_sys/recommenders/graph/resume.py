"""Going on with a stopped run: which file, and whether what it began with is still what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rec_sys.closest import did_you_mean
from rec_sys.errors import CheckpointError, ConfigError
from rec_sys.paths import Paths
from rec_sys.recommenders.artifact import OLD_SUFFIX
from rec_sys.recommenders.graph.settings import TrainSettings
from rec_sys.settings import Settings

CHANGEABLE_ON_RESUME = (
    "name",
    "resume",
    "final_test",
    "baselines",
    "max_epochs",
    "patience",
    "accelerator",
    "precision",
    "tune",
    "fit_on",
)
UNKNOWN = "not a setting yet"
FINGERPRINT, MLFLOW_RUN = "made_of", "mlflow_run"  # keys of the state, as states of before have them


@dataclass(frozen=True)
class State:
    """The state of a stopped run, as Lightning wrote it."""

    path: Path
    name: str  # of the run
    fingerprint: dict[str, Any]  # see `resume_fingerprint`
    mlflow_run: str


def resume_fingerprint(train: TrainSettings, **groups: Settings) -> dict[str, Any]:
    """The settings that must stay the same for a run to go on, by dotted name."""
    values = {
        f"train.{key}": value for key, value in train.model_dump(mode="json").items() if key not in CHANGEABLE_ON_RESUME
    }
    for group, settings in groups.items():
        values |= {f"{group}.{key}": value for key, value in settings.model_dump(mode="json").items()}
    return values


def find_state(settings: TrainSettings, paths: Paths) -> State | None:
    """The state that `train.resume` names; None where it is empty.

    Raises:
        CheckpointError: there is no such file, it is no state to go on from, or it has done all epochs.
        ConfigError: `train.name` gives the run another name.
    """
    if not settings.resume:
        return None
    folder = paths.checkpoints / "resume"
    name = Path(settings.resume).name.removesuffix(OLD_SUFFIX)
    path = folder / f"{name}{OLD_SUFFIX}"
    given = Path(settings.resume)
    # The model of the same name is what a report prints; the state beside it is what is meant.
    meant = (path, paths.checkpoints / path.name, paths.checkpoints / name)
    elsewhere = given.exists() and given.resolve() not in [each.resolve() for each in meant]
    if elsewhere or not path.is_file():
        known = sorted(file.name.removesuffix(OLD_SUFFIX) for file in folder.glob(f"*{OLD_SUFFIX}"))
        hint = did_you_mean(name, known, 0.8)
        raise CheckpointError(
            f"train.resume={settings.resume}: no run of that name can go on in {folder}; {hint} "
            f"(a run in another folder: paths.work_dir=FOLDER)"
        )
    if settings.name and settings.name != name:
        raise ConfigError(f"train.name={settings.name}, but the run to resume is called {name}; leave train.name out")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        done, before = int(state["epoch"]) + 1, dict(state[FINGERPRINT])
    except Exception as error:  # torch raises errors of many kinds for files that are none of its own
        raise CheckpointError(
            f"{path} is damaged or no state to go on from; start afresh without train.resume"
        ) from error
    if done >= settings.max_epochs:
        raise CheckpointError(
            f"the run {name} has done {done} epochs and train.max_epochs is {settings.max_epochs}: nothing is left to "
            f"do; give more, train.max_epochs={2 * done} for instance"
        )
    return State(path, name, before, str(state.get(MLFLOW_RUN, "")))


def check_same(state: State, now: Mapping[str, Any]) -> None:
    """Refuse to go on with something else than the run began with.

    Raises:
        CheckpointError: names what differs.
    """
    # A state that does not know a setting is of an older version, which did something else without saying so.
    was = {key: state.fingerprint.get(key, UNKNOWN) for key in now}
    differ = [f"{key} was {was[key]}, now {now[key]}" for key in now if was[key] != now[key]]
    if differ:
        raise CheckpointError(
            f"the run {state.name} cannot go on with other settings: {'; '.join(differ)}. "
            f"Resume with what it began with, or start afresh without train.resume"
        )
