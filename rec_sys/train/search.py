"""Search for settings: Optuna chooses those of the next training, validation says what they are worth.

read   words and `search.space`                                 -> Space (`search_space.py`)
open   what was tried before, or nothing                        -> optuna.Study (`study.py`)
train  one trial after the other, the network alone             (`trial.py`)
keep   the best one and the command to type, after each trial   -> SearchResult, best.json
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from rec_sys.command_names import command_line
from rec_sys.dataset.dataset import Dataset
from rec_sys.errors import ConfigError
from rec_sys.files import write_json
from rec_sys.paths import Paths, quoted
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.graph.settings import TrainSettings
from rec_sys.settings import read_settings
from rec_sys.tracking.runs import RunLogger, fail_run, log_figures, log_file, start_run
from rec_sys.train.run import Plan, load, resolve
from rec_sys.train.search_space import Space, first_of, read_space, values_in
from rec_sys.train.search_words import parsed, typed_words
from rec_sys.train.settings import SearchSettings
from rec_sys.train.study import DONE, MLFLOW_RUN, ask, best_epoch, best_trial, open_study, repeat_interrupted
from rec_sys.train.trial import train_trial

logger = logging.getLogger(__name__)

MOST_FAILURES = 3  # in a row: then the search gives up
CHANGEABLE_ON_RESUME = ("paths.", "train.name", "train.final_test", "train.baselines", "train.accelerator")

Compose = Callable[[list[str]], DictConfig]  # words of the command line to a configuration


class SearchStopped(KeyboardInterrupt):
    """Ctrl-C while searching; the message says how to go on."""


@dataclass(frozen=True)
class SearchResult:
    """The best trial so far, as best.json has it."""

    search: str  # its name
    figure: str  # of validation, which chose
    value: float  # of the best epoch
    epoch: int  # that one, from 1
    trial: int
    trials: dict[str, int]  # how many, by outcome
    settings: dict[str, Any]  # what was chosen, by dotted name
    command: str  # trains with them


def search(
    cfg: DictConfig, typed: Sequence[str], compose: Compose, progress: ProgressCallback | None = None
) -> SearchResult | None:
    """Train until enough trials are done, those of before included.

    Args:
        cfg: composed from config/train_config.yaml with `+search=...`.
        typed: the words it was composed with (see `search_words.gather_space`).
        compose: makes the configuration of a trial, from words as well.
        progress: told how far it is.

    Returns:
        The best trial; None where none was trained to its end.

    Raises:
        RecSysError: a setting or the data is wrong, or the search began with others; the first trial failed.
        HydraException: `compose` does not know a setting.
        SearchStopped: stopped by hand; the study stays.
    """
    if cfg.train.resume:
        raise ConfigError(
            f"train.resume={cfg.train.resume} is for a training; a search is resumed without, leave it out"
        )
    settings = read_settings(cfg.search, SearchSettings, "search")
    space, fixed = read_space(settings.space, typed)
    without_search = compose(fixed)
    example = compose([*fixed, *typed_words({key: first_of(each) for key, each in space.items()})])
    read_settings(example.train, TrainSettings, "train")  # all settings exist, or one of these two fails
    plan = resolve(without_search)
    dataset = load(plan, progress)
    fingerprint = resume_fingerprint(plan, space) | {"data": dataset.table.fingerprint}
    figure, direction = plan.train.monitor
    folder = plan.paths.searches / settings.name
    with open_study(folder, settings, "maximize" if direction == "max" else "minimize", fingerprint) as study:
        if not study.get_trials():
            study.enqueue_trial(values_in(space, without_search))  # so that the best of a search is no worse than none
        trials = _Trials(settings, plan.paths, space, fixed, compose, study, dataset, f"valid/{figure}", progress)
        try:
            return trials.run()
        except KeyboardInterrupt:
            # Nothing is written into the study: the interrupted training may hold its file. The next start does it.
            raise SearchStopped(f"stopped after {trials.count} trials; the same command goes on") from None


def resume_fingerprint(plan: Plan, space: Space) -> dict[str, Any]:
    """What must stay the same for the search to be resumed, by dotted name: the space and all other settings."""

    def leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            for inner, value in node.items():
                yield from leaves(value, f"{key}.{inner}")
        else:
            yield key[1:], node

    same = {key: value for key, value in leaves(plan.whole, "") if not key.startswith(CHANGEABLE_ON_RESUME)}
    return same | {key.lstrip("+"): str(distribution) for key, distribution in space.items()}


@dataclass
class _Trials:
    """The trials of a search whose study is open."""

    settings: SearchSettings
    paths: Paths
    space: Space
    fixed: list[str]
    compose: Compose
    study: optuna.Study
    dataset: Dataset
    figure: str
    progress: ProgressCallback | None

    def __post_init__(self) -> None:
        self.folder = self.paths.searches / self.settings.name
        self.done = len(self.study.get_trials(states=DONE))  # then counted: an interrupted call may hold the file

    @property
    def count(self) -> str:
        return f"{self.done} of {self.settings.trials}"

    def run(self) -> SearchResult | None:
        """Train those that are left, each a run of MLflow's below that of the search."""
        name, before = self.settings.name, self.study.user_attrs.get(MLFLOW_RUN)
        logger.info("search %s: %s trials done; kept in %s", name, self.count, self.folder)
        if self.done >= self.settings.trials:
            return self._keep_best()
        _ = self.dataset.vectors  # texts are embedded now, not while the output of the first trial goes into its file
        about = {"search": self.settings.model_dump()}
        track = start_run(self.paths, f"search-{name}", about, {"search": name}, before)
        try:
            self.study.set_user_attr(MLFLOW_RUN, track.run_id)
            for interrupted in repeat_interrupted(self.study):
                with contextlib.suppress(Exception):  # the tracking store may be gone: not worth a stop
                    track.experiment.set_terminated(interrupted.user_attrs[MLFLOW_RUN], "KILLED")
            self._train_all(track)
            best = self._keep_best()
            if best is not None:
                log_file(track, self.folder / "best.json")
            track.finalize("success")
            return best
        except BaseException as error:
            failure = error
        fail_run(track)
        raise failure

    def _train_all(self, track: RunLogger) -> None:
        failures = 0
        while self.done < self.settings.trials:
            trial = ask(self.study, self.settings, self.space)
            try:
                finished = self._train(trial, str(track.run_id))
            except Exception as error:  # of any kind: out of memory, settings that do not go together
                self.study.tell(trial, state=TrialState.FAIL)
                failures += 1
                chosen = " ".join(typed_words(trial.params))
                logger.warning("trial %3d   failed: %s   %s", trial.number, str(error) or repr(error), chosen)
                if failures >= (MOST_FAILURES if self.done else 1):
                    raise
                continue
            failures = 0
            self.done += 1
            best = self._keep_best()
            if best is not None:
                log_figures(track, {f"best {self.figure}": best.value}, self.done)
            logger.info("%s", self._line(finished, best))

    def _train(self, trial: optuna.Trial, parent: str) -> FrozenTrial:
        """Train one trial, which is worth its best epoch; what it says goes into a file of its own."""
        folder = self.folder / "trials" / str(trial.number)
        own = [f"train.name={self.settings.name}-{trial.number}", "train.final_test=false"]
        tags = {
            "mlflow.parentRunId": parent,
            "search": self.settings.name,
            "trial": str(trial.number),
            "data": self.dataset.name,
            "data_fingerprint": self.dataset.table.fingerprint,
        }
        with _output_to(folder / "output.log"):
            cfg = self.compose([*self.fixed, *typed_words(trial.params), *own])
            OmegaConf.save(cfg, folder / "settings.yaml", resolve=True)
            pruned = train_trial(trial, cfg, self.dataset, self.figure, tags, self.progress)
        _, value = best_epoch(self.study, self.study.trials[trial.number])
        return self.study.tell(trial, state=TrialState.PRUNED) if pruned else self.study.tell(trial, value)

    def _line(self, trial: FrozenTrial, best: SearchResult | None) -> str:
        epoch, value = best_epoch(self.study, trial)
        stopped = ", stopped early" if trial.state is TrialState.PRUNED else ""
        seconds = trial.duration.total_seconds() if trial.duration else 0.0
        return (
            f"trial {trial.number:>3}   {self.count} done   "
            f"{self.figure} {value:.4f} (epoch {epoch} of {max(trial.intermediate_values)}{stopped})   "
            f"{seconds:.0f} s   {' '.join(typed_words(trial.params))}"
            f"{'   best so far' if best and best.trial == trial.number else ''}"
        )

    def _keep_best(self) -> SearchResult | None:
        """Write best.json, where there is a best trial."""
        best = best_trial(self.study)
        if best is None:
            return None
        epoch, value = best_epoch(self.study, best)
        words = typed_words(best.params)
        same = [word for word in self.fixed if not word.lstrip("+").startswith("train.final_test=")]
        outcomes = {"complete": TrialState.COMPLETE, "stopped early": TrialState.PRUNED, "failed": TrialState.FAIL}
        result = SearchResult(
            search=self.settings.name,
            figure=self.figure,
            value=value,
            epoch=epoch,
            trial=best.number,
            trials={name: len(self.study.get_trials(states=(state,))) for name, state in outcomes.items()},
            settings={word.get_key_element(): word.value() for word in parsed(words)},
            command=" ".join([command_line("rec_sys.train.train"), *map(quoted, [*same, *words])]),
        )
        write_json(self.folder / "best.json", asdict(result))
        return result


@contextlib.contextmanager
def _output_to(file: Path) -> Iterator[None]:
    """Have `file` take what is printed: a command prints what we log on stdout, and warnings on stderr."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", buffering=1, encoding="utf-8") as output, contextlib.redirect_stdout(output):
        try:
            yield
        except Exception:
            traceback.print_exc(file=output)
            raise
