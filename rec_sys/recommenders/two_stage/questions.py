"""Questions to learn and to test from, each with what may be known of it; made of the events of the training alone.

*next*: target events of sliding windows, asked with what the user had done right before each; the sources of a window
learn from the events before it. The last window tests, the one before chooses, the others train.

*left_out*: pairs of user and product with a target event, all events of the pair taken out, asked right after the
newest event that is left; the sources learn from what is left of all. Users keep at least one target event. A fifth of
the users tests, a fifth chooses, the others train. For questions whose time nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.events import EventTable
from rec_sys.recommenders.two_stage.known_events import EventIndex, KnownEvents
from rec_sys.recommenders.two_stage.settings import TwoStageSettings

TRAIN, VALID, TEST = 0, 1, 2
FOLDS = 5  # left_out: a user's pairs at most


@dataclass(frozen=True)
class Round:
    """Questions that are asked of the same sources."""

    past: EventTable  # what sources learn from
    known: KnownEvents  # of those who ask, before each question
    row: Ints  # (num_answers,) question of each answer, ascending
    product: Ints  # (num_answers,) what the user took
    part: Ints  # (n,) TRAIN, VALID or TEST of each question
    later: EventTable  # what happened, the answers among it
    since: Ints  # (n,) from when `later` counts for each question
    passed: int = 0  # questions that were not drawn


def rounds_of(events: EventTable, target: int, settings: TwoStageSettings) -> Iterator[Round]:
    """The rounds, one after another; none where events are too few.

    Args:
        events: of the training, sorted by user, then time.
        target: place of the target in the kinds of events.
        settings: of the two-stage model.
    """
    yield from (_windows if settings.questions == "next" else _left_out)(events, target, settings)


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


def _windows(events: EventTable, target: int, settings: TwoStageSettings) -> Iterator[Round]:
    cuts = cut_offs(events, target, settings)
    index = EventIndex(events)
    windows = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    for place, (start, stop) in enumerate(windows):
        part = {len(windows) - 1: TEST, len(windows) - 2: VALID}.get(place, TRAIN)
        rows = np.flatnonzero((events.kind == target) & (events.timestamp >= start) & (events.timestamp < stop))
        user, time = events.user[rows], events.timestamp[rows]  # sorted by user, then time
        first = np.ones(len(rows), dtype=bool)
        first[1:] = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
        asked = np.cumsum(first) - 1  # question of each event
        known = index.before(user[first], time[first], settings.max_history)
        keep = ~known.is_empty  # of nobody nothing can be learned
        drawn = _drawn(user[first], keep, settings, int(start))
        number = np.where(drawn, np.cumsum(drawn) - 1, -1)[asked]
        row, product = _answers(number, events.product[rows], known.num_products)
        asked_now = index.before(user[first][drawn], time[first][drawn], settings.max_history)
        yield Round(
            past=events.part(np.flatnonzero(events.timestamp < start)),
            known=asked_now,
            row=row,
            product=product,
            part=np.full(np.count_nonzero(drawn), part),
            later=events.part(np.flatnonzero(events.timestamp >= start)),
            since=asked_now.now,
            passed=int(np.count_nonzero(keep & ~drawn)),
        )


def _drawn(user: Ints, keep: npt.NDArray[np.bool_], settings: TwoStageSettings, start: int) -> npt.NDArray[np.bool_]:
    """(n,) questions that are asked: at most `max_per_user` of a user, `max_questions` of all."""
    chance = np.random.default_rng([settings.seed, start % 2**32]).permutation(len(user))
    order = np.lexsort((chance, ~keep, user))
    place = np.empty(len(user), dtype=np.int64)
    place[order] = np.arange(len(user)) - np.searchsorted(user, user)
    keep = keep & (place < settings.max_per_user)
    among = np.flatnonzero(keep)
    keep[among[np.argsort(chance[among])[settings.max_questions :]]] = False
    return keep


def _answers(number: Ints, product: Ints, num_products: int) -> tuple[Ints, Ints]:
    """Question and product of each answer, each once, of events whose question is asked."""
    keys = np.unique(number[number >= 0] * num_products + product[number >= 0])
    return keys // num_products, keys % num_products


def _left_out(events: EventTable, target: int, settings: TwoStageSettings) -> Iterator[Round]:
    num_products = len(events.products)
    pair = events.user * num_products + events.product
    targets = np.unique(pair[events.kind == target])
    user = targets // num_products
    generator = np.random.default_rng(settings.seed)
    targets = targets[np.lexsort((generator.permutation(len(user)), user))]
    part_of_user = generator.choice([TRAIN, VALID, TEST], size=len(events.users), p=[0.6, 0.2, 0.2])
    count = np.bincount(user, minlength=len(events.users))
    place = np.arange(len(user)) - np.searchsorted(user, user)
    for fold in range(min(FOLDS, int(count.max(initial=0)))):
        out = targets[(place == fold) & (count[user] > 1)]
        gone = np.isin(pair, out)
        past, removed = events.part(np.flatnonzero(~gone)), events.part(np.flatnonzero(gone))
        asker = out // num_products
        ends = past.indptr()[asker + 1]  # above that of the user before: one target event is left
        now = past.timestamp[ends - 1] + 1
        yield Round(
            past=past,
            known=EventIndex(past).before(asker, now, settings.max_history),
            row=np.arange(len(out)),
            product=out % num_products,
            part=part_of_user[asker],
            later=removed,
            since=np.zeros(len(out), dtype=np.int64),
        )
