"""The study of a search without any training: what is chosen, stopped early, resumed and refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from rec_sys.errors import ConfigError
from rec_sys.train.search_space import Space
from rec_sys.train.settings import SearchSettings
from rec_sys.train.study import DONE, Direction, ask, best_epoch, best_trial, open_study, repeat_interrupted

SPACE: Space = {"x": FloatDistribution(0, 1), "y": CategoricalDistribution(["8", "16"])}
Opened = Callable[..., AbstractContextManager[optuna.Study]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    def opened(
        settings: SearchSettings | None = None,
        direction: Direction = "maximize",
        name: str = "mine",
        **fingerprint: Any,
    ) -> AbstractContextManager[optuna.Study]:
        return open_study(tmp_path / name, settings or SearchSettings(name=name), direction, fingerprint)

    return opened


def finish(study: optuna.Study, settings: SearchSettings, trials: int) -> None:
    """Trials whose figure follows from their settings."""
    for _ in range(trials):
        trial = ask(study, settings, SPACE)
        study.tell(trial, (trial.params["x"] - 0.3) ** 2 + (trial.params["y"] == "8"))


def test_one_process_has_a_search(opened: Opened) -> None:
    with opened(), pytest.raises(ConfigError, match="the search mine is being run by another process"), opened():
        pass
    with opened():
        pass


def test_a_lock_that_the_training_did_not_get_is_not_taken_for_that_of_the_search(opened: Opened) -> None:
    with pytest.raises(BlockingIOError), opened():
        raise BlockingIOError


def test_an_interrupted_search_goes_on_to_the_trials_of_one_that_was_not(opened: Opened) -> None:
    settings = SearchSettings(first_trials=3, seed=5)
    with opened(name="whole") as study:
        finish(study, settings, 8)
        whole = [(trial.params, trial.value) for trial in study.trials]
    for done in (0, 2, 3):  # at random, then chosen by what was good
        with opened(name="cut") as study:
            finish(study, settings, done)
            ask(study, settings, SPACE)  # is running when the process ends
        with opened(name="cut") as study:
            (interrupted,) = repeat_interrupted(study)
            assert interrupted.state is TrialState.RUNNING
    with opened(name="cut") as study:
        assert repeat_interrupted(study) == []
        finish(study, settings, 3)
        assert [trial.number for trial in study.trials if trial.state is TrialState.FAIL] == [0, 3, 7]
        assert [(trial.params, trial.value) for trial in study.get_trials(states=DONE)] == whole
    with opened(name="other") as study:
        finish(study, SearchSettings(first_trials=3, seed=6), 2)
        assert [trial.params for trial in study.trials] != [params for params, _ in whole[:2]]


def test_a_trial_may_be_stopped_after_its_first_epochs(opened: Opened) -> None:
    settings = SearchSettings(first_trials=2, first_epochs=3)
    with opened(settings) as study:
        stop = {}
        for figure in (0.5, 0.7, 0.59, 0.61):  # the median of the first two: 0.6
            trial = ask(study, settings, SPACE)
            for epoch in range(1, 5):
                trial.report(figure, epoch)
                stop[figure, epoch] = trial.should_prune()
            study.tell(trial, figure)
        assert [key for key, value in stop.items() if value] == [(0.59, 3), (0.59, 4)]


@pytest.mark.parametrize(("direction", "epoch", "best"), [("maximize", (1, 0.9), 2), ("minimize", (2, 0.7), 1)])
def test_the_best_trial_and_its_best_epoch(opened: Opened, direction: Direction, epoch: Any, best: int) -> None:
    with opened(direction=direction) as study:
        assert best_trial(study) is None
        for figures in ([0.9, 0.7, 0.8], [0.6, float("nan")], [0.95], [0.5]):
            trial = ask(study, SearchSettings(), SPACE)
            for number, value in enumerate(figures, 1):
                trial.report(value, number)
            study.tell(trial, figures[0]) if value != 0.5 else study.tell(trial, state=TrialState.PRUNED)
        first, second, *_ = study.trials
        assert (best_epoch(study, first), best_epoch(study, second)) == (epoch, (1, 0.6))
        found = best_trial(study)
        assert found is not None
        assert found.number == best
        with pytest.raises(ValueError, match="no epoch of the trial gave a figure"):
            best_epoch(study, optuna.trial.create_trial(value=0.0, intermediate_values={1: float("nan")}))


@pytest.mark.parametrize(
    ("other", "named"),
    [({"data": "a", "dim": 8}, "data"), ({"data": "b"}, "dim"), ({"data": "b", "dim": 8, "layers": 1}, "layers")],
)
def test_a_search_goes_on_with_what_it_began_with(opened: Opened, other: dict[str, Any], named: str) -> None:
    with opened(data="b", dim=8) as study:
        finish(study, SearchSettings(), 1)
    with pytest.raises(ConfigError, match=f": {named} was [^;]*search.name=NAME"), opened(**other):
        pass
    with opened(data="b", dim=8) as study:
        assert len(study.trials) == 1


def test_a_mistake_leaves_no_choices_behind(opened: Opened) -> None:
    wrong: Space = {"x": CategoricalDistribution(["a"])}
    with opened(dim=8) as study:
        study.tell(ask(study, SearchSettings(), wrong), state=TrialState.FAIL)
    with opened(dim=16) as study:
        finish(study, SearchSettings(), 1)
        assert len(study.trials) == 1
