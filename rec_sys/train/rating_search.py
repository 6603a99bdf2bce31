"""Search for the settings of a model of ratings: Optuna chooses, the cross-validated RMSE says what they are worth.

The test reviews are not read: the folds are of the reviews that are learned from and of those of validation.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from omegaconf import DictConfig
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from rec_sys.command_names import command_line
from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.ratings import ratings_of
from rec_sys.errors import ConfigError, RecSysError
from rec_sys.files import write_json
from rec_sys.paths import quoted
from rec_sys.progress import Progress, ProgressCallback
from rec_sys.recommenders.cross_validation import cross_validate
from rec_sys.recommenders.rating_model import Range, RatingModel
from rec_sys.settings import read_settings
from rec_sys.tables import Section
from rec_sys.tracking.runs import RunLogger, fail_run, log_figures, log_file, start_run
from rec_sys.train.recommender_run import RecommenderPlan, resolve
from rec_sys.train.search_space import Distribution, Space, distribution_of, is_within
from rec_sys.train.search_words import parsed, typed_words
from rec_sys.train.settings import SearchSettings
from rec_sys.train.study import DONE, ask, best_trial, open_study, repeat_interrupted

logger = logging.getLogger(__name__)

GROUP = "recommender."  # of the settings on the command line
DIGITS = 4  # of a chosen number: what is typed is what was tried
MAE = "mae"  # of a trial, beside its value
FOLDS = 4  # of models that are not cross-validated when they are trained
MOST_FAILURES = 10  # in a row: then the search gives up


@dataclass(frozen=True)
class RatingSearch:
    """What a search found."""

    model: str  # key
    settings: dict[str, Any]  # the chosen ones, by name
    rmse: float  # of the best trial, mean over the folds
    mae: float
    trial: int
    failed: int  # trials that diverged
    section: Section  # all trials, the best first

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        figures = {"rmse": self.rmse, "mae": self.mae, "trial": self.trial, "failed": self.failed}
        return {"model": self.model, "settings": self.settings, **figures, "trials": list(self.section.rows)}


def search_ratings(
    model: RatingModel,
    dataset: Dataset,
    settings: SearchSettings | None = None,
    space: Mapping[str, Distribution] | None = None,
    folder: Path | None = None,
    progress: ProgressCallback | None = None,
    track: RunLogger | None = None,
) -> RatingSearch:
    """Try settings until enough trials are done; those of `model` are the first.

    Args:
        model: not fitted; settings that are not searched stay as they are.
        dataset: its test reviews are not read.
        settings: how many trials, their seed.
        space: by setting; None: the model's own.
        folder: keeps the study, so that an interrupted search goes on where it was; None: it is not kept.
        progress: told after each trial.
        track: run whose figures they become.

    Raises:
        ConfigError: nothing is searched; the search in the folder began with other settings or data.
        DataError: too few ratings.
        RecSysError: what the first trial, or ten in a row, failed with.
    """
    settings = settings or SearchSettings()
    chosen = distributions(model.search_space()) if space is None else dict(space)
    if not chosen:
        raise ConfigError(f"nothing to search: every setting of {model.name} has one value")
    held = {name: value for name, value in model.settings.model_dump().items() if name not in chosen}
    fingerprint = {
        "model": model.key,
        "data": dataset.table.fingerprint,
        "split": dataset.split_settings.model_dump(mode="json"),
        **held,
        **{name: str(each) for name, each in chosen.items()},
    }
    with _study(folder, settings, fingerprint) as study:
        if not study.get_trials():
            study.enqueue_trial(_own_values(model, chosen))
        repeat_interrupted(study)
        _try_all(study, settings, chosen, model, dataset, progress, track)
        best = best_trial(study)
        assert best is not None  # noqa: S101  the first one succeeded, or its error was raised
        failed = study.get_trials(states=(TrialState.FAIL,))
        return RatingSearch(
            model.key,
            _values(best.params, model),
            best.values[0],
            best.user_attrs[MAE],
            best.number,
            len(failed),
            _section(study, model, best, len(failed)),
        )


def search_recommender(
    cfg: DictConfig, typed: Sequence[str], progress: ProgressCallback | None = None
) -> tuple[RatingSearch, str]:
    """`+search=... recommender=NAME`: what was found, and the command that trains with it.

    Args:
        cfg: composed from config/train_config.yaml with `+search=...`.
        typed: the words it was composed with (see `search_words.gather_space`).
        progress: told how far it is.

    Raises:
        RecSysError: a setting or the data is wrong, or the recommender predicts no ratings.
    """
    words = [word for word in parsed(typed) if word.key_or_group.partition(".")[0] != "search"]
    plan = resolve(cfg, [word.key_or_group for word in words])
    model = plan.model
    if not isinstance(model, RatingModel):
        raise ConfigError(
            f"+search is for the graph model and for models of ratings; {model.name} chooses among the values of its "
            f"grid: train.tune=true"
        )
    settings = read_settings(cfg.search, SearchSettings, "search")
    space = _typed_space(model, settings.space, typed, plan.given)
    dataset = load_data(plan.data, plan.encoder, plan.paths, progress, plan.split)
    name = settings.name if "search.name" in {word.key_or_group for word in parsed(typed)} else ""
    name = name or f"{dataset.name}-{model.key}"
    folder = plan.paths.searches / name
    found = _tracked(plan, model, dataset, settings.model_copy(update={"name": name}), space, folder, progress)
    same = [str(word.input_line) for word in words]
    command = " ".join(
        [command_line("rec_sys.train.train"), *map(quoted, [*same, *typed_words(_with_group(found.settings))])]
    )
    write_json(folder / "best.json", {**found.to_dict(), "command": command})
    return found, command


def distributions(space: Mapping[str, Range]) -> Space:
    """Ranges as Optuna has them."""
    found: Space = {}
    for name, each in space.items():
        if isinstance(each.low, int) and isinstance(each.high, int):
            found[name] = IntDistribution(each.low, each.high, log=each.log)
        else:
            found[name] = FloatDistribution(each.low, each.high, log=each.log)
    return found


def _tracked(
    plan: RecommenderPlan,
    model: RatingModel,
    dataset: Dataset,
    settings: SearchSettings,
    space: Space,
    folder: Path,
    progress: ProgressCallback | None,
) -> RatingSearch:
    """The search as a run of MLflow's."""
    tags = {"search": settings.name, "recommender": model.key, "data": dataset.name}
    track = start_run(plan.paths, f"search-{settings.name}", {**plan.whole, "search": settings.model_dump()}, tags)
    try:
        found = search_ratings(model, dataset, settings, space, folder, progress, track)
        write_json(folder / "trials.json", found.to_dict())
        log_file(track, folder / "trials.json")
        track.finalize("success")
        return found
    except BaseException as error:
        failure = error
    fail_run(track)
    raise failure


def _typed_space(model: RatingModel, space: Mapping[str, str], typed: Sequence[str], given: Collection[str]) -> Space:
    """The model's own ranges, those that were typed instead, without settings that have one value.

    Raises:
        ConfigError: a setting of another model was typed with several values, or one cannot be searched.
    """
    typed_space = [word.value() for word in parsed(typed) if word.key_or_group == "search.space"]
    named = [key for each in typed_space if isinstance(each, dict) for key in map(str, each)]
    if others := [key for key in named if not key.startswith(GROUP)]:
        raise ConfigError(f"{others[0]} cannot be searched with recommender={model.key}; its settings are {GROUP}*")
    found = distributions(model.search_space())
    for word in parsed(f"{key}={values}" for key, values in space.items() if key.startswith(GROUP)):
        name = word.key_or_group.removeprefix(GROUP)
        distribution = distribution_of(word)
        if name not in type(model.settings).model_fields or name in ("seed", "folds", "name"):
            raise ConfigError(f"{GROUP}{name} cannot be searched; searched are {', '.join(model.search_space())}")
        found[name] = distribution
    return {name: each for name, each in found.items() if name not in given}


def _own_values(model: RatingModel, space: Mapping[str, Distribution]) -> dict[str, Any]:
    """What the model has, as far as the space holds it."""
    found = {}
    for name, each in space.items():
        value = getattr(model.settings, name)
        if not isinstance(each, CategoricalDistribution):
            if is_within(each, value):
                found[name] = value
        elif str(value) in each.choices:
            found[name] = str(value)
    return found


@contextmanager
def _study(folder: Path | None, settings: SearchSettings, fingerprint: Mapping[str, Any]) -> Iterator[optuna.Study]:
    if folder is None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # a search has a line per trial of its own
        yield optuna.create_study(direction="minimize")
        return
    with open_study(folder, settings, "minimize", fingerprint) as study:
        yield study


def _try_all(
    study: optuna.Study,
    settings: SearchSettings,
    space: Space,
    model: RatingModel,
    dataset: Dataset,
    progress: ProgressCallback | None,
    track: RunLogger | None,
) -> None:
    split = dataset.split
    reviews = np.sort(np.concatenate([split.train, split.valid]))
    if left_out := ratings_of(dataset.table, reviews).left_out:
        logger.info("%s", left_out)
    done, failures = len(study.get_trials(states=DONE)), 0
    while done < settings.trials:
        trial = ask(study, settings, space)
        try:
            one = type(model)(None, **{**model.settings.model_dump(), **_values(trial.params, model)})
            [found] = cross_validate(
                [one], dataset, getattr(one.settings, "folds", 0) or FOLDS, getattr(one.settings, "seed", 0), reviews
            )
        except RecSysError as error:  # it diverged
            study.tell(trial, state=TrialState.FAIL)
            failures += 1
            if not done or failures >= MOST_FAILURES:
                raise
            logger.warning("trial %3d   failed: %s", trial.number, error)
            continue
        failures, done = 0, done + 1
        trial.set_user_attr(MAE, found.mean("mae"))
        trial.set_user_attr("seconds", found.mean("fit_seconds"))
        study.tell(trial, found.mean("rmse"))
        logger.info(
            "trial %3d   %d of %d done   RMSE %.4f, MAE %.4f%s   %s",
            *(trial.number, done, settings.trials, found.mean("rmse"), found.mean("mae")),
            "   best so far" if study.best_trial.number == trial.number else "",
            " ".join(typed_words(_values(trial.params, model))),
        )
        if track is not None:
            log_figures(track, {"search/rmse": found.mean("rmse"), "search/best_rmse": study.best_value}, done)
        if progress is not None:
            progress(Progress("search", done, settings.trials, "trials", {"best RMSE": study.best_value}))


def _values(params: Mapping[str, Any], model: RatingModel) -> dict[str, Any]:
    """Chosen values as settings: numbers with few digits, typed choices as the numbers they stand for."""
    values = {name: float(f"{each:.{DIGITS}g}") if isinstance(each, float) else each for name, each in params.items()}
    read = type(model.settings).read(values, "recommender").model_dump()
    return {name: read[name] for name in params}


def _with_group(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{GROUP}{name}": value for name, value in settings.items()}


def _section(study: optuna.Study, model: RatingModel, best: FrozenTrial, failed: int) -> Section:
    done = sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda trial: (trial.values[0], trial.number))
    rows = [
        {
            "trial": trial.number,
            **_values(trial.params, model),
            "RMSE": round(trial.values[0], 4),
            "MAE": round(trial.user_attrs[MAE], 4),
            "fit, s": round(trial.user_attrs["seconds"], 3),
        }
        for trial in done
    ]
    first = next((trial for trial in done if trial.number == 0), best)
    notes = [
        f"Cross-validated RMSE of the training and validation reviews chose trial {best.number}: {best.values[0]:.4f}, "
        f"against {first.values[0]:.4f} of the settings that were given (trial 0).",
        *([f"{failed:,} trials diverged and are left out."] if failed else []),
    ]
    return Section(f"Search of {model.name}", rows, notes, {"search/rmse": best.values[0]})
