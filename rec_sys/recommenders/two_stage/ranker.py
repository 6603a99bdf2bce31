"""The second stage: LightGBM's lambdarank (Burges 2010), kept in LightGBM's own text format.

It starts from the order of the best source, -log2(rank + 1) times a weight, and learns what to add to it; so few
examples do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.errors import ConfigError
from rec_sys.recommenders.two_stage.settings import TwoStageSettings

CUTOFF = 10  # NDCG@10 is what validation looks at


@dataclass(frozen=True)
class Examples:
    """Candidates to learn from, sorted by question."""

    values: Floats  # (m, num_features)
    label: Ints  # (m,) 1: what the user took
    row: Ints  # (m,) question, ascending
    place: Ints  # (m,) in the order of the best source, from 0

    def __len__(self) -> int:
        return len(self.label)

    @property
    def sizes(self) -> Ints:
        """(num_questions,) candidates of each question that has any."""
        return np.unique(self.row, return_counts=True)[1]

    @staticmethod
    def joined(parts: list[Examples]) -> Examples:
        """Those of several rounds one after another; every question keeps a number of its own."""
        row, start = [], 0
        for part in parts:
            row.append(part.row + start)
            start += int(part.row.max(initial=-1)) + 1
        columns = {each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Examples)}
        return Examples(**{**columns, "row": np.concatenate(row)})


class Ranker:
    """A trained ranker.

    Args:
        text: of the model, as LightGBM writes it.
        start_weight: of the order that it starts from.
        threads: of LightGBM.
    """

    def __init__(self, text: str, start_weight: float, threads: int = 1) -> None:
        self.text, self.start_weight, self.threads = text, start_weight, threads
        self._booster = _lightgbm().Booster(model_str=text)

    @classmethod
    def train(
        cls, examples: Examples, settings: TwoStageSettings, valid: Examples | None = None, rounds: int | None = None
    ) -> Ranker:
        """Learn to rank.

        Args:
            examples: of the training; every question has an answer among its candidates.
            settings: of the two-stage model.
            valid: stops the training where NDCG@10 on it grows no more.
            rounds: trees; None: the settings' most.
        """
        lightgbm = _lightgbm()
        data = _dataset_of(examples, settings)
        booster = lightgbm.train(
            _parameters(settings),
            data,
            num_boost_round=rounds or settings.rounds,
            valid_sets=None if valid is None else [_dataset_of(valid, settings, data)],
            callbacks=[] if valid is None else [lightgbm.early_stopping(settings.patience, verbose=False)],
        )
        best = booster.best_iteration if valid is not None else -1
        return cls(booster.model_to_string(num_iteration=best), settings.start_weight, settings.threads)

    @property
    def rounds(self) -> int:
        """Trees."""
        return int(self._booster.current_iteration())

    def scores(self, values: Floats, place: Ints) -> npt.NDArray[np.float64]:
        """(m,) higher is better; only those of one question compare.

        Args:
            values: (m, num_features).
            place: (m,) in the order that the ranker starts from, from 0.
        """
        if not len(values):
            return np.zeros(0)
        learned = np.asarray(self._booster.predict(values, num_threads=self.threads), dtype=np.float64)
        return learned + _start(place, self.start_weight)

    def gain(self) -> Floats:
        """(num_features,) by how much splits on each feature lowered the loss, as a share of all."""
        gain = np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)
        share: Floats = (gain / max(gain.sum(), 1e-12)).astype(np.float32)
        return share


def _start(place: Ints, weight: float) -> npt.NDArray[np.float64]:
    """(m,) -log2(rank + 1): as NDCG discounts."""
    start: npt.NDArray[np.float64] = -weight * np.log2(place + 2.0)
    return start


def _parameters(settings: TwoStageSettings) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [CUTOFF],
        "lambdarank_truncation_level": 2 * CUTOFF,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_leaf,
        "feature_fraction": 0.7,
        "lambda_l2": 1.0,
        "seed": settings.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": settings.threads,
        "verbosity": -1,
    }


def _dataset_of(examples: Examples, settings: TwoStageSettings, reference: Any = None) -> Any:
    return _lightgbm().Dataset(
        examples.values,
        examples.label,
        group=examples.sizes,
        init_score=_start(examples.place, settings.start_weight),
        reference=reference,
        params={"verbosity": -1},
    )


def _lightgbm() -> Any:
    """The library, imported where it is used.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import lightgbm
    except ImportError as error:
        raise ConfigError(f"two_stage needs {error.name}; install the extra rec-sys[family]") from error
    return lightgbm
