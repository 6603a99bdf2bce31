"""LightGBM on ratios: sales of the horizon divided by the product's own recent level, weighted by that level.

Two models of the same rows: the mean (Tweedie) and the median (quantile loss at 1/2). The weight makes the loss of a
ratio that of pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.errors import ConfigError
from rec_sys.recommenders.trending.features import FLOOR, LEAST, features_of, is_selling
from rec_sys.recommenders.trending.sales_matrix import Doubles, SalesMatrix
from rec_sys.recommenders.trending.settings import TrendingSettings

MEAN, MEDIAN = "learned mean", "learned median"
OBJECTIVES: dict[str, dict[str, Any]] = {
    MEAN: {"objective": "tweedie", "tweedie_variance_power": 1.3},
    MEDIAN: {"objective": "quantile", "alpha": 0.5},
}
FIXED: dict[str, Any] = {
    "min_data_in_leaf": 200,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "num_threads": 1,  # the figures are the same with any number; one leaves the other cores alone
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}
MOST_ROWS = 500_000
STEP = {"week": 1, "day": 5}  # periods between origins: of days every fifth, all weekdays in turn, reach a season back
LEAST_ORIGINS = 6
LEAST_ROWS = 1_000


@dataclass(frozen=True)
class Rows:
    """Training rows of one origin."""

    features: Floats  # (n, num_features)
    ratio: Doubles  # (n,) sales of the horizon, as of usual periods, by level and period
    weight: Doubles  # (n,) the level


@dataclass(frozen=True)
class RatioModel:
    """Two LightGBM models, kept in LightGBM's own text format."""

    texts: dict[str, str]  # by MEAN, MEDIAN
    horizon: int

    def forecasts(self, past: SalesMatrix) -> dict[str, Doubles]:
        """(num_products,) sums over the horizon by model name."""
        import lightgbm

        features, level = features_of(past)
        _, ahead = past.weights(self.horizon)
        selling = is_selling(past)
        found = {}
        for name, text in self.texts.items():
            ratio = np.zeros(len(level))
            if selling.any():
                booster = lightgbm.Booster(model_str=text)
                ratio[selling] = np.maximum(np.asarray(booster.predict(features[selling], num_threads=1)), 0)
            found[name] = ratio * (level + FLOOR) * ahead.sum()
        return found


def first_cutoff(unit: str, horizon: int) -> int:
    """The first period at which a model can be fitted."""
    return LEAST[unit] + horizon + STEP[unit] * LEAST_ORIGINS


class RatioTrainer:
    """Fits ratio models at cut-offs of one matrix; what an origin gives is computed once.

    Raises:
        ConfigError: LightGBM is not installed.
    """

    def __init__(self, matrix: SalesMatrix, settings: TrendingSettings) -> None:
        try:
            import lightgbm  # noqa: F401  said before any work is done
        except (ImportError, OSError) as error:  # OSError: its compiled part lacks a library
            raise ConfigError(f"Trending needs lightgbm ({error}); install the extra rec-sys[family]") from error
        self.matrix, self.settings = matrix, settings
        self._rows: dict[int, Rows] = {}

    def fit(self, cutoff: int) -> RatioModel | None:
        """The models that could be fitted at a cut-off: the sales of their rows end before it; None: too few rows."""
        import lightgbm

        s = self.settings
        parts: list[Rows] = []
        count = 0
        step = STEP[s.unit]
        newest = (cutoff - s.horizon) // step * step
        for origin in range(newest, LEAST[s.unit] - 1, -step)[: s.origins]:
            rows = self._rows.get(origin)
            if rows is None:
                rows = self._rows[origin] = training_rows(self.matrix.until(origin + s.horizon), s.horizon)
            count += len(rows.ratio)
            if count > MOST_ROWS and parts:
                break
            parts.append(rows)
        if count < LEAST_ROWS or not any(part.ratio.any() for part in parts):
            return None
        features = np.concatenate([part.features for part in parts])
        ratio = np.concatenate([part.ratio for part in parts])
        weight = np.concatenate([part.weight for part in parts])
        parameters = {**FIXED, "num_leaves": s.leaves, "learning_rate": s.learning_rate}
        data = lightgbm.Dataset(features, ratio, weight=weight, params=parameters, free_raw_data=False)
        texts = {
            name: lightgbm.train({**parameters, **objective}, data, s.trees).model_to_string()
            for name, objective in OBJECTIVES.items()
        }
        return RatioModel(texts, s.horizon)


def training_rows(known: SalesMatrix, horizon: int) -> Rows:
    """Rows whose horizon are the last periods of what is known."""
    past = known.until(known.num_periods - horizon)
    features, level = features_of(past)
    weights, _ = known.weights(1)
    usual = weights[-horizon:].sum()
    sold = known.sales[:, -horizon:].sum(axis=1) / max(usual, 1e-9)  # of a usual period
    chosen = is_selling(past) & (usual > horizon / 2)  # a horizon mostly closed teaches nothing
    ratio: Doubles = sold / (level + FLOOR)
    return Rows(features[chosen], ratio[chosen], (level + FLOOR)[chosen])
