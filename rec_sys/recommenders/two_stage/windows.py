"""Questions to learn and to test from: target events of sliding windows, asked with what was known right before each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.dataset.events import EventTable
from rec_sys.recommenders.two_stage.settings import TwoStageSettings


@dataclass(frozen=True)
class Questions:
    """What users did next: each question is a user at a time, its answers the products of the target events then."""

    user: Ints  # (n,)
    time: Ints  # (n,) seconds since 1970 UTC
    row: Ints  # (num_answers,) question of each answer, ascending
    product: Ints  # (num_answers,)
    left_out: int = 0  # questions of users who had more than `max_questions`

    def __len__(self) -> int:
        return len(self.user)


def cut_offs(events: EventTable, target: int, settings: TwoStageSettings) -> Ints:
    """(num_windows + 1,) ascending times; window i is from the i-th to before the next one.

    Every window has about `window_share` of the target events; the last one ends behind the newest. There are fewer
    windows, down to none, where events are few or of one time, since something must lie before the first.
    """
    time = np.sort(events.timestamp[events.kind == target])
    if not len(time):
        return np.zeros(1, dtype=np.int64)
    shares = 1 - settings.window_share * np.arange(settings.windows, 0, -1)
    starts = np.unique(time[(shares[shares > 0] * len(time)).astype(np.int64)])
    return np.append(starts[starts > events.timestamp.min()], time[-1] + 1)


def questions_of(events: EventTable, target: int, start: int, stop: int, settings: TwoStageSettings) -> Questions:
    """The target events from `start` to before `stop`, at most `max_questions` of a user, drawn."""
    rows = np.flatnonzero((events.kind == target) & (events.timestamp >= start) & (events.timestamp < stop))
    user, time = events.user[rows], events.timestamp[rows]  # sorted by user, then time
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
    number = np.cumsum(first) - 1  # question of each event
    asker = user[first]
    drawn = np.random.default_rng([settings.seed, start % 2**32]).permutation(len(asker))
    order = np.lexsort((drawn, asker))
    place = np.empty(len(asker), dtype=np.int64)
    place[order] = np.arange(len(asker)) - np.searchsorted(asker, asker)
    keep = place < settings.max_questions
    kept = keep[number]
    answers = np.unique(np.stack([(np.cumsum(keep) - 1)[number[kept]], events.product[rows[kept]]]), axis=1)
    return Questions(asker[keep], time[first][keep], answers[0], answers[1], int((~keep).sum()))
