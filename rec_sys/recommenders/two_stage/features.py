"""What the ranker reads of a candidate: sources, the asker's own events of the product, product, asker, time, category.

Everything is of before the question: counts of products end at the question and at the last event that was learned
from, whichever is earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.events import EventTable
from rec_sys.recommenders.two_stage.candidates import Candidates, Flags, Numbers, values_at
from rec_sys.recommenders.two_stage.co_visitation import DAY
from rec_sys.recommenders.two_stage.known_events import KnownEvents
from rec_sys.recommenders.two_stage.product_clock import ProductClock
from rec_sys.recommenders.two_stage.properties import PropertyHistory, property_features
from rec_sys.recommenders.two_stage.sources import OWN_SOURCES, Sources, sparse_of

GROUPS = ("source", "pair", "product", "user", "time", "property")
HOUR, SESSION = 3_600, 1_800  # seconds; a pause of half an hour ends a session
RECENT = (1, 7, 30)  # days in which events of a product are counted
PRIOR = 20.0  # events with the average share that a share starts with


@dataclass(frozen=True)
class Features:
    """A table of features of candidates."""

    values: Floats  # (m, num_features); nan where there is nothing to tell
    names: tuple[str, ...]
    groups: tuple[str, ...]  # of each feature, out of GROUPS


class FeatureMaker:
    """Features of candidates, from what was learned.

    Args:
        events: what was learned from, sorted by user, then time.
        target: place of the target in the kinds of events.
        sources: fitted on the same events.
        properties: category and availability of products in time; None: the data has none.
    """

    def __init__(
        self, events: EventTable, target: int, sources: Sources, properties: PropertyHistory | None = None
    ) -> None:
        self.kinds, self.target, self.sources, self.properties = events.kinds, target, sources, properties
        count = len(events.products)
        self.all = ProductClock(events.product, events.timestamp, count)
        self.of_kind = [
            ProductClock(events.product[events.kind == kind], events.timestamp[events.kind == kind], count)
            for kind in range(len(events.kinds))
        ]
        self.share = float((events.kind >= target).mean()) if len(events) else 0.0

    def make(self, known: KnownEvents, candidates: Candidates) -> Features:
        """The features of candidates.

        Args:
            known: of the askers.
            candidates: of these.
        """
        columns = {
            "source": self._of_sources(candidates, len(known)),
            "pair": self._of_pairs(known, candidates),
            "product": self._of_products(known, candidates),
            "user": self._of_users(known, candidates),
            "time": _of_times(known, candidates),
            "property": {} if self.properties is None else property_features(self.properties, known, candidates),
        }
        flat = [(group, name, value) for group in GROUPS for name, value in columns[group].items()]
        values = np.empty((len(candidates), len(flat)), dtype=np.float32)
        for place, (_, _, value) in enumerate(flat):
            values[:, place] = value
        return Features(values, tuple(name for _, name, _ in flat), tuple(group for group, _, _ in flat))

    def _of_sources(self, candidates: Candidates, num_askers: int) -> dict[str, Numbers]:
        columns: dict[str, Numbers] = {"blend": candidates.blend}
        for place, name in enumerate(self.sources.names):
            score = candidates.score[:, place]
            columns[f"{name}: score"] = score
            columns[f"{name}: rank"] = candidates.rank[:, place]
            if place >= OWN_SOURCES:
                columns[f"{name}: part of the best"] = _part_of_the_best(score, candidates, num_askers)
        return columns

    def _of_pairs(self, known: KnownEvents, candidates: Candidates) -> dict[str, Numbers]:
        pairs, at, now = known.pairs, candidates.pair, known.now[candidates.row]
        own = at >= 0
        columns: dict[str, Numbers] = {}

        def of_own(value: npt.NDArray[np.generic]) -> Numbers:
            column = np.full(len(at), np.nan)
            column[own] = value[at[own]]
            return column

        for kind, name in enumerate(self.kinds):
            columns[f"own {name} events"] = np.log1p(np.where(own, of_own(pairs.count[:, kind]), 0))
            last = of_own(np.where(pairs.last[:, kind] < 0, np.nan, pairs.last[:, kind]))
            columns[f"hours since own {name}"] = np.log1p((now - last) / HOUR)
        columns["hours since own first"] = np.log1p((now - of_own(pairs.first)) / HOUR)
        columns["own place"] = of_own(pairs.place)
        covisit, wide, newest = self.sources.covisit, self.sources.wide, pairs.place == 0
        columns["co-visited with newest"] = self._led_to(covisit, known, candidates, newest)
        columns["co-visited with newest three"] = self._led_to(covisit, known, candidates, pairs.place < 3)
        columns["own products that lead to it"] = self._led_to(self.sources.links, known, candidates, pairs.place >= 0)
        if len(self.kinds) > 1:
            taken = pairs.strongest >= max(self.target, 1)
            columns["co-visited with taken"] = self._led_to(covisit, known, candidates, taken)
            columns["widely co-visited with taken"] = self._led_to(wide, known, candidates, taken)
        return columns

    def _led_to(self, matrix: sp.csr_matrix, known: KnownEvents, candidates: Candidates, which: Flags) -> Floats:
        """(m,) co-visitation from some own products to each candidate, summed."""
        pairs = known.pairs
        some = sparse_of(known, pairs.row[which], pairs.product[which], np.ones(np.count_nonzero(which)))
        return values_at(sp.csr_matrix(some @ matrix), candidates.row, candidates.product)

    def _of_products(self, known: KnownEvents, candidates: Candidates) -> dict[str, Numbers]:
        product, now = candidates.product, known.now[candidates.row]
        columns: dict[str, Numbers] = {}
        for days in RECENT:
            columns[f"events in {days} days"] = np.log1p(self.all.between(product, now - days * DAY, now))
        total = self.all.before(product, now)
        taken = sum(clock.before(product, now) for clock in self.of_kind[self.target :])
        for kind, name in enumerate(self.kinds):
            columns[f"{name} events"] = np.log1p(self.of_kind[kind].before(product, now))
        columns["share of target"] = (taken + PRIOR * self.share) / (total + PRIOR)
        week = sum(clock.between(product, now - 7 * DAY, now) for clock in self.of_kind[self.target :])
        columns["target events in 7 days"] = np.log1p(week)
        newest, oldest = self.all.newest(product, now), self.all.oldest(product, now)
        columns["hours since newest event"] = np.log1p(np.where(newest < 0, np.nan, (now - newest) / HOUR))
        columns["days since first event"] = np.where(oldest < 0, np.nan, (now - oldest) / DAY)
        return columns

    def _of_users(self, known: KnownEvents, candidates: Candidates) -> dict[str, Numbers]:
        n, row = len(known), known.row
        ago = known.now[row] - known.timestamp
        total = np.bincount(row, minlength=n)
        newest = np.full(n, np.iinfo(np.int64).max)
        np.minimum.at(newest, row, ago)
        of_asker: dict[str, Numbers] = {
            f"user's {name} events": np.log1p(np.bincount(row[known.kind == kind], minlength=n))
            for kind, name in enumerate(self.kinds)
        }
        of_asker["user's products"] = np.log1p(np.bincount(known.pairs.row, minlength=n))
        of_asker["user's events in the session"] = np.log1p(np.bincount(row[ago < SESSION], minlength=n))
        of_asker["user's share of target"] = (
            np.bincount(row[known.kind >= self.target], minlength=n) + PRIOR * self.share
        ) / (total + PRIOR)
        of_asker["hours since the user's newest"] = np.where(total > 0, np.log1p(newest / HOUR), np.nan)
        return {name: value[candidates.row] for name, value in of_asker.items()}


def _of_times(known: KnownEvents, candidates: Candidates) -> dict[str, Numbers]:
    hour = known.now // HOUR % 24
    weekday = (known.now // DAY + 3) % 7  # 0: Monday
    of_asker: dict[str, Ints] = {"hour": hour, "weekday": weekday}
    return {name: value[candidates.row].astype(np.float32) for name, value in of_asker.items()}


def _part_of_the_best(score: Floats, candidates: Candidates, num_askers: int) -> Floats:
    """(m,) a score as a part of the highest one among the products that are new to the asker."""
    highest = np.zeros(num_askers, dtype=np.float32)
    new = candidates.is_new
    np.maximum.at(highest, candidates.row[new], score[new])
    part: Floats = (score / np.maximum(highest, 1e-9)[candidates.row]).astype(np.float32)
    return part
