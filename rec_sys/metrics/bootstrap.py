"""Is one model better than another on the same users, or was it chance? Paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.errors import RecSysError
from rec_sys.metrics.protocol import RankingReport
from rec_sys.metrics.ranking import Ranks

DRAWS, LEVEL = 10_000, 0.95
METRICS = ("recall@10", "ndcg@10")
AT_ONCE = 2_000_000  # users times draws in memory at once


@dataclass(frozen=True)
class Difference:
    """One metric of a model less that of another, over the same users."""

    metric: str
    filtered: bool
    difference: float
    low: float  # the interval's ends
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"is_clear": self.is_clear}


def bootstrap_intervals(values: Ranks, draws: int = DRAWS, seed: int = 0, level: float = LEVEL) -> tuple[Ranks, Ranks]:
    """Percentile intervals of means over users, (m,) lower and (m,) upper ends.

    Each draw takes as many users as there are, with replacement, and the same ones for every column.

    Args:
        values: (num_users, m), such as the differences of two models in m metrics.
        draws: how often users are drawn.
        seed: of the draws.
        level: part of the draws inside the interval.
    """
    num_users = len(values)
    generator = np.random.default_rng(seed)
    means = np.empty((draws, values.shape[1]))
    size = max(1, AT_ONCE // num_users)
    for start in range(0, draws, size):
        stop = min(start + size, draws)
        # How often each user is drawn, for many draws at once; then all means are one product of matrices.
        user = generator.integers(0, num_users, size=(stop - start, num_users))
        user += np.arange(stop - start)[:, None] * num_users
        times = np.bincount(user.reshape(-1), minlength=(stop - start) * num_users).reshape(stop - start, num_users)
        means[start:stop] = times @ values / num_users
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def differences(
    rows: Mapping[str, RankingReport],
    metrics: Sequence[str] = METRICS,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, list[Difference]]:
    """Each model against the first, filtered and unfiltered, with 95 % intervals.

    Where a report is the mean of several seeds, each user's metric is averaged over these before users are drawn.

    Raises:
        RecSysError: a report has no ranks, or two are of different users or held-out reviews.
        ValueError: a metric does not follow from ranks.
    """
    first, *others = rows
    if not others:
        return {}
    columns = [(metric, filtered) for filtered in (True, False) for metric in metrics]
    base, base_targets = _per_user(rows[first], first, columns)
    by_model = []
    for name in others:
        values, targets = _per_user(rows[name], name, columns)
        if not np.array_equal(targets, base_targets):
            raise RecSysError(
                f"{name} and {first} ranked different held-out reviews ({len(targets):,} and "
                f"{len(base_targets):,}); evaluate both on the same part of the same split"
            )
        by_model.append(values - base)
    every = np.concatenate(by_model, axis=1)  # (num_users, models * columns)
    low, high = bootstrap_intervals(every, draws, seed)
    found = zip(every.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: [Difference(*column, *next(found)) for column in columns] for name in others}


def _per_user(report: RankingReport, name: str, columns: Sequence[tuple[str, bool]]) -> tuple[Ranks, Ints]:
    """(num_users, columns) values and (num_targets,) the held-out reviews they come from."""
    if report.ranks is None:
        raise RecSysError(
            f"the report of {name} holds no ranks of the same users, so it cannot be compared user by user"
        )
    ranks = report.ranks
    return np.stack([ranks.per_user(metric, filtered) for metric, filtered in columns], axis=1), ranks.target
