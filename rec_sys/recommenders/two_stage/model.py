"""Two stages: candidates from several sources, then a LightGBM ranker that learned from later events."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.query import Query
from rec_sys.ids import IdMap
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.registry import recommender_class
from rec_sys.recommenders.two_stage.candidates import Candidates, Flags, make_candidates, places
from rec_sys.recommenders.two_stage.evaluation import COLUMNS, Column
from rec_sys.recommenders.two_stage.features import FeatureMaker
from rec_sys.recommenders.two_stage.known_events import EventIndex, KnownEvents
from rec_sys.recommenders.two_stage.learning import in_parts, learn
from rec_sys.recommenders.two_stage.properties import PropertyHistory
from rec_sys.recommenders.two_stage.ranker import Ranker
from rec_sys.recommenders.two_stage.report import facts_of, sections_of
from rec_sys.recommenders.two_stage.settings import TwoStageSettings
from rec_sys.recommenders.two_stage.sources import BLEND, Sources
from rec_sys.tables import Section

logger = logging.getLogger(__name__)

EVENT_COLUMNS = {"user": np.int32, "product": np.int32, "timestamp": np.int64, "kind": np.int8}  # as kept on disk
MATRIX_PARTS = ("data", "indices", "indptr")
BEHIND = 1_000.0  # what is no candidate scores below -BEHIND, by popularity


class TwoStage(Recommender):
    """Candidates by own history, co-visitation, popularity and recommenders of the house, ordered by lambdarank.

    Two rankers: one for anything, one for products that are new to the user, each with its own fall-back to the source
    that was best on validation. In the list of a user, own products stand where the first puts them, and the new
    products stand in the other places, in the order of the second.

    Of known users the events of the training before the question count, of all users the products of the history
    besides, as events of the weakest kind.
    """

    key, name = "two_stage", "two-stage"
    paper = "Covington, Adams and Sargin, RecSys 2016; lambdarank: Burges 2010"
    settings_class = TwoStageSettings
    settings: TwoStageSettings
    needs = frozenset({"times"})
    seeded = True

    @classmethod
    def registered_name(cls) -> str:
        return "ranking_model"

    @property
    def max_history(self) -> int:
        return self.settings.max_history

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        events = dataset.training_events
        target, notes = self._target_in(events)
        dated = getattr(dataset, "properties", None)
        properties = None if dated is None else PropertyHistory.of(dated)
        learned = learn(events, target, self.settings, properties, dataset, progress)
        sources = Sources.fit(events, target, self.settings, dataset)
        self._use(events, target, sources, properties)
        self._rankers: dict[Column, Ranker] = learned.rankers
        self._facts = facts_of(learned, events.kinds[target], notes)

    def _target_in(self, events: EventTable) -> tuple[int, list[str]]:
        """Place of the target in the kinds, and what there is to say of it."""
        present = np.flatnonzero(np.bincount(events.kind, minlength=len(events.kinds)))
        wanted = self.settings.target
        if wanted in events.kinds and events.kinds.index(wanted) in present:
            return events.kinds.index(wanted), []
        target = int(present.max(initial=0))
        note = (
            f"the data has no events of the kind {wanted!r}; the target is the strongest kind, {events.kinds[target]!r}"
        )
        logger.warning("two-stage: %s", note)
        return target, [note]

    def _use(self, events: EventTable, target: int, sources: Sources, properties: PropertyHistory | None) -> None:
        self._events, self._target, self._sources = events, target, sources
        self._index = EventIndex(events)
        self._maker = FeatureMaker(events, target, sources, properties)
        # Of equal popularity the lower number; the last place is the least popular one.
        self._popular_place = np.empty(len(events.products), dtype=np.int64)
        self._popular_place[np.argsort(-sources.popular, kind="stable")] = np.arange(len(events.products))

    # ---- answers --------------------------------------------------------------------------------------------------

    def _score(self, query: Query) -> Floats:
        known = self._index.of_query(query, self.settings.max_history)
        scores = np.tile((-BEHIND - self._popular_place).astype(np.float32), (len(query), 1))
        for start, part in in_parts(known):
            candidates = make_candidates(part, self._sources, self.settings)
            scores[candidates.row + start, candidates.product] = self._ranked(part, candidates)
        return scores

    def _ranked(self, known: KnownEvents, candidates: Candidates) -> Floats:
        """(m,) scores of candidates: above -BEHIND."""
        if not len(candidates):
            return np.zeros(0, dtype=np.float32)
        values = self._maker.make(known, candidates).values if self._rankers else np.zeros((len(candidates), 0))
        anything = self._column_scores("anything", candidates, values.astype(np.float32, copy=False), len(known))
        new = candidates.is_new
        of_new = self._column_scores("new only", candidates.some(new), values[new].astype(np.float32), len(known))
        return _new_reordered(candidates.row, new, anything, of_new, len(known)).astype(np.float32)

    def _column_scores(
        self, column: Column, candidates: Candidates, values: Floats, num_askers: int
    ) -> npt.NDArray[np.float64]:
        """(m,) by the ranker of a column, or by the source that answers instead."""
        place = candidates.places_by(self._start(column), num_askers)
        ranker = self._rankers.get(column)
        return -np.log2(place + 2.0) if ranker is None else ranker.scores(values, place)

    def _start(self, column: Column) -> int:
        """Place of the source that a column starts from; the number of sources: the blend."""
        choice = self._facts["choices"].get(column)
        names = [*self._sources.names, BLEND]
        return len(names) - 1 if choice is None else names.index(choice["start"])

    def score_by_source(self, query: Query) -> dict[str, Floats]:
        """(len(query), num_products) of every source by its name, to see where recommendations come from.

        Raises:
            NotFittedError: it has not been fitted.
        """
        _ = self.fitted_products
        known = self._index.of_query(query, self.settings.max_history)
        return {
            name: np.asarray(each.todense() if sp.issparse(each) else each, dtype=np.float32)
            for name, each in zip(self._sources.names, self._sources.scores(known), strict=True)
        }

    def answered_by(self, query: Query) -> list[str]:
        """Ranker or the source that stands in for it, in either column; popularity where nothing is known of a user."""
        known = self._index.of_query(query, self.settings.max_history)
        words = []
        for column in COLUMNS:
            name = [*self._sources.names, BLEND][self._start(column)]
            words.append(f"{column} by {'the ranker' if column in self._rankers else name}")
        return ["popularity: nothing is known of the user" if empty else ", ".join(words) for empty in known.is_empty]

    def sections(self, dataset: Dataset, progress: ProgressCallback | None = None) -> list[Section]:
        return sections_of(self._facts)

    @property
    def report_facts(self) -> dict[str, Any]:
        """Plain JSON that the sections are made of.

        Raises:
            NotFittedError: it has not been fitted.
        """
        _ = self.fitted_products
        return self._facts

    @property
    def chosen(self) -> str:
        """Trees of each ranker, or what answers instead."""
        found = self._facts["choices"] if hasattr(self, "_facts") else {}
        return ", ".join(
            f"{column}: {choice['rounds']} trees" if choice["ranked"] else f"{column}: {choice['start']}"
            for column, choice in found.items()
        )

    # ---- on disk --------------------------------------------------------------------------------------------------

    def _arrays(self) -> Arrays:
        events, sources = self._events, self._sources
        house = {name: model.settings.model_dump(mode="json") for name, model in sources.house.items()}
        kept = {
            "facts": self._facts,
            "kinds": events.kinds,
            "num_users": len(events.users),
            "target": self._target,
            "house": house,
        }
        arrays: Arrays = {
            **{f"events.{name}": getattr(events, name).astype(kind) for name, kind in EVENT_COLUMNS.items()},
            "weights": events.weights,
            "popular": sources.popular,
            "kept": np.frombuffer(json.dumps(kept).encode(), dtype=np.uint8),
        }
        for name, matrix in (("covisit", sources.covisit), ("wide", sources.wide)):
            arrays |= {f"{name}.{part}": getattr(matrix, part) for part in MATRIX_PARTS}
        for column, ranker in self._rankers.items():
            arrays[f"ranker.{column}"] = np.frombuffer(ranker.text.encode(), dtype=np.uint8)
        for name, model in sources.house.items():
            arrays |= {f"source.{name}.{part}": value for part, value in model._arrays().items()}
        if self._maker.properties is not None:
            arrays |= {f"properties.{part}": value for part, value in self._maker.properties.arrays().items()}
        return arrays

    def _restore(self, arrays: Arrays) -> None:
        kept = json.loads(arrays["kept"].tobytes())
        popular, s = arrays["popular"], self.settings
        events = _events_of(arrays, tuple(kept["kinds"]), kept["num_users"], len(popular))
        house = {}
        for name, values in kept["house"].items():
            model = recommender_class(name)(**values)
            model._restore(_below(arrays, f"source.{name}."))
            model.products = events.products
            house[name] = model
        matrices = {}
        for name in ("covisit", "wide"):
            parts = tuple(arrays[f"{name}.{part}"] for part in MATRIX_PARTS)
            matrices[name] = sp.csr_matrix(parts, shape=(len(popular), len(popular)))
        sources = Sources(s, kept["target"], arrays["weights"], matrices["covisit"], matrices["wide"], popular, house)
        found = _below(arrays, "properties.")
        self._use(events, kept["target"], sources, PropertyHistory(**found) if found else None)
        self._rankers = {
            column: Ranker(arrays[f"ranker.{column}"].tobytes().decode(), s.start_weight, s.threads)
            for column in COLUMNS
            if f"ranker.{column}" in arrays
        }
        self._facts = kept["facts"]


def _events_of(arrays: Arrays, kinds: tuple[str, ...], num_users: int, num_products: int) -> EventTable:
    """The events of the training; ids, baskets and prices are not kept."""
    count = len(arrays["events.user"])
    return EventTable(
        users=IdMap(map(str, range(num_users)), "user"),
        products=IdMap(map(str, range(num_products)), "product"),
        kinds=kinds,
        weights=arrays["weights"],
        user=arrays["events.user"].astype(np.int64),
        product=arrays["events.product"].astype(np.int64),
        timestamp=arrays["events.timestamp"],
        kind=arrays["events.kind"],
        basket=np.full(count, -1, dtype=np.int64),
        quantity=np.ones(count, dtype=np.float32),
        price=np.full(count, np.nan, dtype=np.float32),
    )


def _below(arrays: Arrays, prefix: str) -> dict[str, Any]:
    """The arrays whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _new_reordered(
    row: Ints, new: Flags, anything: npt.NDArray[np.float64], of_new: npt.NDArray[np.float64], num_rows: int
) -> npt.NDArray[np.float64]:
    """(m,) scores of all candidates, those of the new ones dealt out among them in another order.

    Args:
        row: (m,) asker of each candidate, ascending.
        new: (m,) whether it is new to the asker.
        anything: (m,) scores of all candidates together.
        of_new: (number of new ones,) scores of the new ones among themselves.
        num_rows: askers.
    """
    scores = anything.copy()
    place, order = places(row[new], [anything[new]], num_rows), places(row[new], [of_new], num_rows)
    start = np.searchsorted(row[new], np.arange(num_rows + 1))[row[new]]
    by_place = np.empty(len(place))
    by_place[start + place] = anything[new]
    scores[new] = by_place[start + order]
    return scores
