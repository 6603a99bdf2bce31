"""Ratings predicted fold by fold: what the benchmark gives to the scripts, and what these give back. NumPy alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peer_scripts.exchange import (
    SHARE,
    Ints,
    Settings,
    arguments_of_script,
    peak_mib,
    resident_mib,
    write_facts,
)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rated:
    """One rating per user and product."""

    user: Ints  # (num_ratings,)
    item: Ints  # (num_ratings,)
    rating: Doubles  # (num_ratings,) 1 to 5
    fold: Ints  # (num_ratings,) from 0

    def save(self, file: Path) -> None:
        """Write it as plain arrays."""
        np.savez_compressed(file, user=self.user, item=self.item, rating=self.rating, fold=self.fold)

    @classmethod
    def load(cls, file: Path) -> Rated:
        with np.load(file, allow_pickle=False) as arrays:
            return cls(*(arrays[name] for name in ("user", "item", "rating", "fold")))

    @property
    def folds(self) -> int:
        """How many there are."""
        return int(self.fold.max()) + 1


# (ratings, rows to learn from, rows to predict, settings) -> predictions
Predict = Callable[[Rated, Ints, Ints, Settings], Doubles]


@dataclass(frozen=True)
class RatingModel:
    """A model of ratings of a library, with the settings that are chosen among."""

    predict: Predict
    grid: Mapping[str, Sequence[Any]]

    def candidates(self) -> list[Settings]:
        """The library's defaults, then every combination of the grid."""
        return [{}, *({} | dict(zip(self.grid, each, strict=True)) for each in product(*self.grid.values()) if each)]


def cross_predicted(model: RatingModel, rated: Rated, settings: Sequence[Settings]) -> Doubles:
    """(num_ratings,) each predicted by what was learned from the other folds, with that fold's settings."""
    predicted = np.empty(len(rated.rating))
    for number in range(rated.folds):
        test = np.flatnonzero(rated.fold == number)
        predicted[test] = model.predict(rated, np.flatnonzero(rated.fold != number), test, settings[number])
    return predicted


def chosen_settings(model: RatingModel, rated: Rated, seconds: float) -> tuple[list[Settings], int]:
    """For each fold the settings with the lowest RMSE on the next one, learned from the rest; and how many were tried.

    The fold that is predicted is never looked at.
    """
    tried: list[tuple[Settings, list[float]]] = []
    for settings in model.candidates():
        errors = []
        for number in range(rated.folds):
            valid = (number + 1) % rated.folds
            test = np.flatnonzero(rated.fold == valid)
            train = np.flatnonzero((rated.fold != number) & (rated.fold != valid))
            errors.append(rmse(model.predict(rated, train, test, settings), rated.rating[test]))
        tried.append((settings, errors))
        if time.process_time() > SHARE * seconds:
            break
    best = [int(np.argmin([errors[number] for _, errors in tried])) for number in range(rated.folds)]
    return [tried[place][0] for place in best], len(tried)


def rmse(predicted: Doubles, rating: Doubles) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((predicted - rating) ** 2)))


def rating_figures(predicted: Doubles, rated: Rated) -> dict[str, float]:
    """RMSE and MAE, each the mean over folds."""
    rows = [np.flatnonzero(rated.fold == number) for number in range(rated.folds)]
    return {
        "RMSE": round(float(np.mean([rmse(predicted[row], rated.rating[row]) for row in rows])), 4),
        "MAE": round(float(np.mean([np.abs(predicted[row] - rated.rating[row]).mean() for row in rows])), 4),
    }


def run_ratings(models: Mapping[str, RatingModel], version: str, arguments: Sequence[str] | None = None) -> None:
    """The command line of a script: predict all ratings, fold by fold, and write them beside a JSON file of facts."""
    args = arguments_of_script(models, arguments)
    rated, model = Rated.load(args.data), models[args.model]
    before, started = resident_mib(), time.process_time()
    settings: list[Settings] = [{}] * rated.folds
    tried = 1
    if args.choose:
        settings, tried = chosen_settings(model, rated, args.limit)
    predicted = cross_predicted(model, rated, settings)
    seconds, mib = time.process_time() - started, peak_mib() - before
    np.savez_compressed(args.out.with_suffix(".npz"), predicted=predicted)
    facts = {f"fold {number}": each for number, each in enumerate(settings, 1) if each}
    write_facts(args.out, version, facts, tried, seconds, mib)
