"""What the benchmark gives to the script of a library, what the script gives back, and how a ranking is judged.

Needs NumPy alone, since it runs in every library's environment. A script sees the training interactions and, per user,
the validation item; the test item stays with the benchmark. It gives back a ranking of all products that is long enough
to be cut to ten once the items of the longest history are left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]
Settings = dict[str, Any]

CUTOFF = 10
NOTHING = -1  # in a ranking: no product in this place
ROWS = 1024  # users whose scores are sorted at once
SHARE = 0.8  # of the limit after which no further settings are tried


# ---- what goes out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lists:
    """Ragged lists of products, one per user, oldest first."""

    indptr: Ints  # (num_lists + 1,)
    item: Ints  # (num_entries,)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> Ints:
        return self.item[self.indptr[row] : self.indptr[row + 1]]

    def __iter__(self) -> Iterator[Ints]:
        return (self[row] for row in range(len(self)))

    @property
    def row(self) -> Ints:
        """(num_entries,) the list of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    @property
    def longest(self) -> int:
        """Entries of the longest list."""
        return int(np.diff(self.indptr).max(initial=0))


@dataclass(frozen=True)
class Question:
    """Whom a model is asked about, and what they have."""

    user: Ints  # (n,) user numbers, as in the training interactions
    history: Lists  # n lists: everything before the held-out item
    depth: int  # places of the ranking: ten, and one for each item that may be left out


@dataclass(frozen=True)
class Task:
    """A data set as a script gets it."""

    num_users: int
    num_items: int
    user: Ints  # (num_train,) of the training interactions, ascending
    item: Ints  # (num_train,) each user's in time order
    test_user: Ints  # (n,) who is asked about
    valid_item: Ints  # (n,) the validation item of each of them
    valid_history: Lists  # what they have before it: their training interactions

    @property
    def valid(self) -> Question:
        """The question that settings are chosen by."""
        return self._question(self.valid_history)

    @property
    def test(self) -> Question:
        """The question that is reported: the history holds the validation item."""
        return self._question(with_last(self.valid_history, self.valid_item))

    def _question(self, history: Lists) -> Question:
        return Question(self.test_user, history, min(self.num_items, CUTOFF + history.longest))

    def save(self, file: Path) -> None:
        """Write it as plain arrays."""
        np.savez_compressed(
            file,
            sizes=np.array([self.num_users, self.num_items]),
            user=self.user,
            item=self.item,
            test_user=self.test_user,
            valid_item=self.valid_item,
            valid_indptr=self.valid_history.indptr,
            valid_history=self.valid_history.item,
        )

    @classmethod
    def load(cls, file: Path) -> Task:
        with np.load(file, allow_pickle=False) as arrays:
            num_users, num_items = arrays["sizes"].tolist()
            history = Lists(arrays["valid_indptr"], arrays["valid_history"])
            of_users = {name: arrays[name] for name in ("user", "item", "test_user", "valid_item")}
            return cls(num_users, num_items, valid_history=history, **of_users)


def with_last(lists: Lists, item: Ints) -> Lists:
    """Each list with one product more at its end."""
    indptr = lists.indptr + np.arange(len(lists) + 1)
    longer = np.empty(len(lists.item) + len(lists), dtype=np.int64)
    longer[np.arange(len(lists.item)) + lists.row] = lists.item
    longer[indptr[1:] - 1] = item
    return Lists(indptr, longer)


# ---- what comes back ------------------------------------------------------------------------------------------------


def first_items(scores: Floats, depth: int) -> Ints:
    """(n, depth) products by falling score, equal ones by number; those without a finite score are `NOTHING`."""
    found = np.empty((len(scores), depth), dtype=np.int64)
    for start in range(0, len(scores), ROWS):
        part = np.where(np.isfinite(scores[start : start + ROWS]), scores[start : start + ROWS], -np.inf)
        order = np.argsort(-part, axis=1, kind="stable")[:, :depth]
        found[start : start + ROWS] = np.where(np.take_along_axis(part, order, 1) > -np.inf, order, NOTHING)
    return found


def padded(rows: Sequence[Sequence[int] | Ints], depth: int) -> Ints:
    """(len(rows), depth) rankings of different lengths, filled up with `NOTHING`."""
    found = np.full((len(rows), depth), NOTHING, dtype=np.int64)
    for place, row in enumerate(rows):
        found[place, : min(depth, len(row))] = row[:depth]
    return found


def ranks(ranking: Ints, target: Ints, seen: Lists | None = None) -> npt.NDArray[np.float64]:
    """(n,) the place of each row's target, from 1; inf where the ranking does not hold it.

    Args:
        ranking: (n, depth) product numbers, best first.
        target: (n,)
        seen: n lists of products that are left out before places are counted, except the target itself.
    """
    is_target = ranking == target[:, None]
    counted = ranking != NOTHING
    if seen is not None:
        size = int(max(ranking.max(initial=0), seen.item.max(initial=0))) + 1
        owned = np.unique(seen.row * size + seen.item)
        keys = np.arange(len(ranking))[:, None] * size + ranking
        counted &= ~np.isin(keys, owned) | is_target
    place = np.cumsum(counted, axis=1)
    found = is_target.any(axis=1)
    first = np.argmax(is_target, axis=1)
    return np.where(found, place[np.arange(len(ranking)), first], np.inf)


def figures(rank: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Recall@10 and NDCG@10 of one held-out product per user."""
    hit = rank <= CUTOFF
    return float(hit.mean()), float(np.where(hit, 1 / np.log2(rank + 1), 0).mean())


# ---- fitting and choosing -------------------------------------------------------------------------------------------

Rank = Callable[[Question], Ints]  # (n, depth) product numbers, best first


@dataclass(frozen=True)
class Model:
    """A model of a library.

    `fit` yields one ranker, or several of one training, such as after every few epochs, each with the settings that
    tell it from the others. A ranker is asked before the next one is fitted.
    """

    fit: Callable[[Task, Settings], Iterator[tuple[Settings, Rank]]]
    defaults: Settings  # that are written here because the library asks for them; the others stay the library's own
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # settings that are chosen among
    patience: int = 0  # rankers of one training without a better one before it is stopped; 0: never
    stops: bool = False  # the library's own default ends a training on validation
    note: str = ""  # what a reader of the figures should know

    def candidates(self) -> list[Settings]:
        """The library's defaults, then every combination of the grid."""
        combinations = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        return [self.defaults, *({**self.defaults, **each} for each in combinations if each)]


@dataclass(frozen=True)
class Fitted:
    """What a model gave."""

    ranking: Ints  # (n, depth) of the test question
    settings: Settings
    tried: int = 1  # rankers that validation chose among
    at_limit: bool = False  # not all were tried, since the time was over


def fit_default(model: Model, task: Task, seconds: float) -> Fitted:
    """With the library's defaults; of several rankers of one training the last."""
    if model.stops:
        return fit_chosen(replace(model, grid={}), task, seconds)
    *_, (settings, rank) = model.fit(task, model.defaults)
    return Fitted(rank(task.test), settings)


def fit_chosen(model: Model, task: Task, seconds: float) -> Fitted:
    """With the settings that are best on validation.

    Nothing more is tried once most of the seconds of processor time are gone.
    """
    best: tuple[float, Ints, Settings] | None = None
    tried, at_limit = 0, False
    for settings in model.candidates():
        worse = 0
        for chosen, rank in model.fit(task, settings):
            value = figures(ranks(rank(task.valid), task.valid_item, task.valid.history))[1]
            tried += 1
            worse += 1
            if best is None or value > best[0]:
                best, worse = (value, rank(task.test), chosen), 0
            at_limit = time.process_time() > SHARE * seconds
            if at_limit or (model.patience and worse >= model.patience):
                break
        if at_limit:
            break
    if best is None:
        raise ValueError("a model that yields no ranker cannot be chosen")
    return Fitted(best[1], best[2], tried, at_limit)


def run(models: Mapping[str, Model], version: Callable[[], str], arguments: Sequence[str] | None = None) -> None:
    """The command line of a script: fit one model and write its ranking beside a JSON file of facts."""
    args = arguments_of_script(models, arguments)
    task, model = Task.load(args.data), models[args.model]
    before, started = resident_mib(), time.process_time()
    fitted = (fit_chosen if args.choose else fit_default)(model, task, args.limit)
    seconds, peak = time.process_time() - started, peak_mib()
    np.savez_compressed(args.out.with_suffix(".npz"), ranking=fitted.ranking.astype(np.int32))
    stopped = f"no more was tried after {SHARE * args.limit:.0f} s" if fitted.at_limit else ""
    note = "; ".join(part for part in (model.note, stopped) if part)
    write_facts(args.out, version(), fitted.settings, fitted.tried, seconds, peak - before, note)


def arguments_of_script(names: Iterable[str], arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What every script is called with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="what the benchmark exported")
    parser.add_argument("out", type=Path, help="JSON file of facts; the arrays lie beside it")
    parser.add_argument("--model", choices=list(names), required=True)
    parser.add_argument("--choose", action="store_true", help="settings on validation; else the defaults")
    parser.add_argument("--limit", type=float, default=900, help="seconds of processor time")
    return parser.parse_args(arguments)


def write_facts(
    out: Path, version: str, settings: Settings, tried: int, seconds: float, mib: float, note: str = ""
) -> None:
    """What a script tells beside its arrays; written last, so that the file says that all is there."""
    facts = {
        "version": version,
        "settings": settings,
        "tried": tried,
        "cpu_seconds": seconds,
        "mib": mib,
        "note": note,
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }
    out.write_text(json.dumps(facts, indent=2))


def peak_mib() -> float:
    """MiB: the highest resident set of this process since it began."""
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / 2**20 if sys.platform == "darwin" else highest / 2**10


def resident_mib() -> float:
    """MiB: the resident set now; where the system does not tell, the highest so far."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    found = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), None)
    return peak_mib() if found is None else int(found) / 2**10
