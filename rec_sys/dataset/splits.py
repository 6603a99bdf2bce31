"""Which reviews may be learned from, which choose the model, which judge it.

Per person in time order: the last review is the test, the one before it validation, the rest training. A seeded part
of the people can be kept out whole: strangers, each described by all but the last of their reviews.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import Ints, ReviewTable
from rec_sys.errors import DataError
from rec_sys.settings import Settings

Part = Literal["valid", "test", "new"]


class SplitSettings(Settings):
    """How the table is split."""

    new_people: float = Field(0.0, ge=0, lt=1, description="part of the people kept out of training whole")
    seed: int = Field(0, ge=0, description="draws the new people")


@dataclass(frozen=True)
class Split:
    """Review numbers of each part; a person with fewer than three reviews is only learned from."""

    train: Ints  # (num_train,) ascending
    valid: Ints  # (num_known,) one per evaluated known person
    test: Ints  # (num_known,) of the same people, in the same order
    new: Ints  # (num_new,) the last review of each new person

    def summary(self) -> dict[str, int]:
        return {"train": len(self.train), "valid": len(self.valid), "test": len(self.test), "new people": len(self.new)}


def split_by_time(table: ReviewTable, settings: SplitSettings | None = None) -> Split:
    """Split a table.

    Raises:
        DataError: nobody has the three reviews that training, validation and test need, or nobody of the new people
            the two that judging them needs.
    """
    settings = settings or SplitSettings()
    indptr = table.indptr()
    counts = np.diff(indptr)
    is_new = np.zeros(table.num_users, dtype=bool)
    if settings.new_people:
        generator = np.random.default_rng(settings.seed)
        is_new[generator.permutation(table.num_users)[: round(settings.new_people * table.num_users)]] = True
        _check_new(settings.new_people, is_new, counts)
    known = np.flatnonzero((counts >= 3) & ~is_new)
    if not len(known):
        raise DataError(
            f"nobody of {table.num_users:,} people has the 3 reviews that training, validation and test need "
            f"(most: {counts.max(initial=0)}); use data with longer histories or lower split.new_people"
        )
    test, valid = indptr[known + 1] - 1, indptr[known + 1] - 2
    kept = ~is_new[table.user]
    kept[test] = kept[valid] = False
    new = np.flatnonzero((counts >= 2) & is_new)
    return Split(train=np.flatnonzero(kept), valid=valid, test=test, new=indptr[new + 1] - 1)


def _check_new(part: float, is_new: npt.NDArray[np.bool_], counts: Ints) -> None:
    """Refuse a part of the people so small that nobody new could be judged."""
    given = f"split.new_people={part} of {len(counts):,} people"
    if not is_new.any():
        raise DataError(f"{given} is nobody; give at least {1 / max(len(counts), 1):.2g}, or 0 for no new people")
    if not (is_new & (counts >= 2)).any():
        raise DataError(
            f"{given} draws {is_new.sum():,}, and none of them has the 2 reviews that judging a new person needs; "
            f"give more, or 0 for no new people"
        )


def histories_before(
    table: ReviewTable, targets: Ints, among: Ints | None = None, limit: int | None = None
) -> Histories:
    """What the author of each target review had written before it.

    Args:
        table: the reviews.
        targets: (num_targets,) review numbers.
        among: (n,) ascending review numbers that may be seen; all of the table if None. A target itself is never seen.
        limit: keep only the newest `limit` reviews of each history.

    Returns:
        num_targets histories.
    """
    among = np.arange(len(table)) if among is None else among
    stop = np.searchsorted(among, targets)
    start = np.searchsorted(among, table.indptr()[table.user[targets]])
    if limit is not None:
        start = np.maximum(start, stop - limit)
    indptr = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int64)
    review = among[np.arange(indptr[-1]) + np.repeat(start - indptr[:-1], stop - start)]
    return Histories(indptr, review, table.product[review])
