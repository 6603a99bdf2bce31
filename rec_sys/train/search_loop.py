"""The trials of a search, one after the other: trainings that read no test review and keep no checkpoint."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

from hydra.core.override_parser.types import Override
from lightning.pytorch.loggers import MLFlowLogger
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from rec_sys.errors import ConfigError
from rec_sys.files import write_json
from rec_sys.paths import Paths, quoted
from rec_sys.recommenders.graph.settings import TrainSettings
from rec_sys.settings import read_settings
from rec_sys.tracking.runs import fail_run, log_figures, log_file
from rec_sys.train.search_space import distribution_of, first_of, is_within, words
from rec_sys.train.settings import SearchSettings
from rec_sys.train.study import MLFLOW_RUN, Study

FAILURES = 3  # in a row: then the search gives up
# Settings that may be others when a search goes on.
FREE = ("paths", "search", "train.name", "train.resume", "train.final_test", "train.accelerator")


class SearchStopped(KeyboardInterrupt):
    """Ctrl-C while searching; the message says how to go on."""


class Jobs(Protocol):
    """What Hydra does for a search."""

    def parse(self, typed: Iterable[str]) -> dict[str, Override]: ...

    def compose(self, typed: list[str]) -> DictConfig: ...

    def launch(self, typed: list[str], number: int) -> None: ...


class Search:
    """A search, ready to run.

    Args:
        settings: how to search.
        paths: where its folder is.
        given: what was typed, by key; a sweep is searched, everything else is the same in all trials.
        jobs: run the trainings.

    Raises:
        ConfigError: there is nothing to search, or a setting is wrong.
    """

    def __init__(self, settings: SearchSettings, paths: Paths, given: Mapping[str, Override], jobs: Jobs) -> None:
        self.settings, self.paths, self.jobs = settings, paths, jobs
        self.folder, self.done = paths.searches / settings.name, f"0 of {settings.trials}"
        self.fixed = [str(word.input_line) for word in given.values() if not word.is_sweep_override()]
        self.space = {key: distribution_of(word) for key, word in given.items() if word.is_sweep_override()}
        if not self.space:
            raise ConfigError("nothing to search: every setting has one value; give several, model.dim=32,64 for one")
        # One trial's settings, to see whether all keys exist and what all trials have in common.
        example = jobs.compose([*self.fixed, *words({key: first_of(values) for key, values in self.space.items()})])
        monitor, self.mode = read_settings(example.train, TrainSettings, "train").monitor
        self.figure = f"valid/{monitor}"
        self.common = _common(example, self.space)
        self.usual = self._usual(jobs.compose(self.fixed))

    def _usual(self, cfg: DictConfig) -> dict[str, Any]:
        """What a training would have without a search, as far as that is within the space."""
        found: dict[str, Any] = {}
        for key, values in self.space.items():
            now = OmegaConf.select(cfg, key.lstrip("+"))
            if isinstance(values, CategoricalDistribution):
                read = [self.jobs.parse([f"{key}={choice}"])[key].value() for choice in values.choices]
                if now in read:
                    found[key] = values.choices[read.index(now)]
            elif isinstance(now, int | float) and is_within(values, now):
                found[key] = now
        return found

    def run(self) -> None:
        """Train until enough trials are done, those of before included.

        Raises:
            ConfigError: the study was begun with other settings, or another process has it.
            SearchStopped: stopped by hand; the study stays.
        """
        study = Study(self.folder, self.settings, self.mode, self.space, self.common)
        with contextlib.closing(study):
            study.begin_with(self.usual)  # so that the best of a search is no worse than none
            self._run(study)

    def _run(self, study: Study) -> None:
        tracked = study.track(self.paths)
        try:
            for left in study.take_up():
                with contextlib.suppress(Exception):  # the tracking store may be gone: not worth a stop
                    tracked.experiment.set_terminated(left.user_attrs[MLFLOW_RUN], "KILLED")
            self._count(study)
            print(f"search {self.settings.name}: {self.done} trials done; kept in {self.folder}", flush=True)
            self._trials(study, tracked)
            self._closing(study, tracked)
            tracked.finalize("success")
            return
        except KeyboardInterrupt:
            # Nothing is written into the study: the interrupted training may hold its lock. The next start takes it up.
            failure: BaseException = SearchStopped(f"stopped after {self.done} trials; the same command goes on")
        except (Exception, SystemExit) as error:
            failure = error
        fail_run(tracked)
        raise failure

    def _trials(self, study: Study, tracked: MLFlowLogger) -> None:
        failures = 0
        while study.done < self.settings.trials:
            trial = study.ask()
            try:
                self._train(trial.number, words(trial.params))
                finished = study.finish(trial.number)
            except (Exception, SystemExit) as error:  # a SystemExit is a setting that is wrong: dim=30 with 4 heads
                study.fail(trial.number)
                failures += 1
                why = "a setting is wrong, see above" if isinstance(error, SystemExit) else repr(error)
                print(f"trial {trial.number:>3}   failed: {why}   {' '.join(words(trial.params))}", flush=True)
                if failures >= (FAILURES if study.done else 1):
                    raise
                continue
            failures = 0
            self._count(study)
            print(self._line(study, finished), flush=True)
            if study.best:
                log_figures(tracked, {f"best {self.figure}": study.best.values[0]}, study.done)
                self._write(study, study.best)

    def _train(self, number: int, chosen: list[str]) -> None:
        """Train trial `number`; what it prints goes into a file of its own."""
        own = [f"search.trial={number}", f"train.name={self.settings.name}-{number}", "train.final_test=false"]
        log = self.folder / "trials" / str(number) / "output.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", buffering=1, encoding="utf-8") as output:
            try:
                with contextlib.redirect_stdout(output):
                    self.jobs.launch([*self.fixed, *chosen, *own], number)
            except Exception:
                traceback.print_exc(file=output)
                raise

    def _count(self, study: Study) -> None:
        self.done = f"{study.done} of {self.settings.trials}"

    def _line(self, study: Study, trial: FrozenTrial) -> str:
        epoch, value = study.best_epoch(trial) or (0, 0.0)
        last = max(trial.intermediate_values)
        stopped = ", stopped early" if trial.state is TrialState.PRUNED else ""
        best = study.best is not None and study.best.number == trial.number
        shown = [
            f"trial {trial.number:>3}",
            f"{self.done} done",
            f"{self.figure} {value:.4f} (epoch {epoch} of {last}{stopped})",
            f"{trial.duration.total_seconds():.0f} s" if trial.duration else "",
            " ".join(words(trial.params)),
            "best so far" if best else "",
        ]
        return "   ".join(part for part in shown if part)

    def _write(self, study: Study, best: FrozenTrial) -> None:
        epoch, value = study.best_epoch(best) or (0, 0.0)
        chosen = self.jobs.parse(words(best.params))
        states = {"complete": TrialState.COMPLETE, "stopped early": TrialState.PRUNED, "failed": TrialState.FAIL}
        write_json(
            self.folder / "best.json",
            {
                "search": self.settings.name,
                "figure": self.figure,
                "value": value,
                "epoch": epoch,
                "trial": best.number,
                "trials": {name: len(study.trials(state)) for name, state in states.items()},
                "settings": {key: word.value() for key, word in chosen.items()},
                "command": self._command(best),
            },
        )

    def _command(self, best: FrozenTrial) -> str:
        same = [word for word in self.fixed if not word.lstrip("+~").startswith(("search", "train.final_test="))]
        return " ".join(["uv run -m rec_sys.train.train", *map(quoted, [*same, *words(best.params)])])

    def _closing(self, study: Study, tracked: MLFlowLogger) -> None:
        best = study.best
        if best is None:
            print("no trial was trained to its end")
            return
        self._write(study, best)
        log_file(tracked, self.folder / "best.json")
        print(
            f"\nbest of {study.done} trials, {len(study.trials(TrialState.PRUNED))} of them stopped early: "
            f"trial {best.number}, {self.figure} {best.values[0]:.4f}"
            f"\nkept in {self.folder / 'best.json'}"
            f"\n\nnext, to train it and judge it on the test reviews:\n  {self._command(best)}"
        )


def _common(cfg: DictConfig, space: Collection[str]) -> dict[str, Any]:
    """Settings of a trial that are neither searched nor free to change, by dotted name."""
    searched = {key.lstrip("+") for key in space}

    def leaves(prefix: str, node: Any) -> Iterator[tuple[str, Any]]:
        if prefix in FREE or prefix in searched:
            return
        if isinstance(node, dict):
            for key, inner in node.items():
                yield from leaves(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            yield prefix, node

    groups = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return dict(leaves("", OmegaConf.to_container(groups, resolve=True)))
