"""Where candidates come from. Every source scores products for those who ask; 0 of a sparse one: not given.

Own history, own products not yet taken, co-visitation, popularity of the last days, and recommenders of the house.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.questions import BareReviews
from rec_sys.recommenders.registry import create
from rec_sys.recommenders.two_stage.co_visitation import DAY, co_visits
from rec_sys.recommenders.two_stage.known_events import KnownEvents
from rec_sys.recommenders.two_stage.settings import TwoStageSettings

OWN, NOT_YET, COVISIT, POPULAR = "own history", "own, not yet taken", "co-visitation", "popularity"
BUILT_IN = (OWN, NOT_YET, COVISIT, POPULAR)

Scores = Floats | sp.csr_matrix  # (num_askers, num_products)


class Sources:
    """All sources, fitted on the events before some time.

    Args:
        settings: of the two-stage model.
        target: place of the target in the kinds of events.
        weights: (num_kinds,) of the kinds of events.
        covisit: (num_products, num_products).
        popular: (num_products,) recent events of each product.
        house: recommenders of the house by name, fitted.
    """

    def __init__(
        self,
        settings: TwoStageSettings,
        target: int,
        weights: Floats,
        covisit: sp.csr_matrix,
        popular: Floats,
        house: dict[str, Recommender],
    ) -> None:
        self.settings, self.target, self.weights = settings, target, weights
        self.covisit, self.popular, self.house = covisit, popular, house

    @classmethod
    def fit(cls, events: EventTable, target: int, settings: TwoStageSettings, texts: Dataset | None = None) -> Sources:
        """Learn from events, all of them before the time of the questions.

        Args:
            events: what may be known.
            target: place of the target in the kinds of events.
            settings: of the two-stage model.
            texts: the data set, for sources that read the texts of products.

        Raises:
            ConfigError: a source cannot be fitted on events.
        """
        house = {}
        data = dataset_of_events(events, settings.max_learned, texts) if settings.sources else None
        for name in settings.sources:
            model = create(name, **settings.source_settings.get(name, {}))
            if model.reads_review_texts:
                raise ConfigError(f"two_stage.sources: {name!r} reads texts of reviews, which events do not have")
            assert data is not None  # noqa: S101
            house[name] = model.fit(data)
            model.dataset = None
        return cls(
            settings, target, events.weights, co_visits(events, settings), popularity(events, target, settings), house
        )

    @property
    def names(self) -> list[str]:
        """In the order of `scores`."""
        return [*BUILT_IN, *self.house]

    def scores(self, known: KnownEvents) -> list[Scores]:
        """(num_askers, num_products) of every source."""
        recent = self.history_matrix(known)
        popular = np.broadcast_to(self.popular, (len(known), known.num_products))
        query = Query(known.histories(), None, known.user, known.now)
        built_in: list[Scores] = [own(known), not_yet(known, self.target), recent @ self.covisit, popular]
        return built_in + [_asked(model, query) for model in self.house.values()]

    def history_matrix(self, known: KnownEvents) -> sp.csr_matrix:
        """(num_askers, num_products): weight of the strongest kind * history_decay ** place from the newest."""
        pairs = known.pairs
        strongest = known.num_kinds - 1 - np.argmax(pairs.count[:, ::-1] > 0, axis=1)
        value = self.weights[strongest] * self.settings.history_decay**pairs.place
        return sparse_of(known, pairs.row, pairs.product, value)


def own(known: KnownEvents) -> sp.csr_matrix:
    """Own products, the newest first: 1 / (1 + place)."""
    pairs = known.pairs
    return sparse_of(known, pairs.row, pairs.product, 1 / (1 + pairs.place))


def not_yet(known: KnownEvents, target: int) -> sp.csr_matrix:
    """Own products without an event of the target's kind or a stronger one: the strongest kind first, then the newest.

    With the purchase as target that is what lies in the cart, then what was looked at. Only events before the question
    are looked at; a source that keeps one row per user, product and kind says more by it than a real log would.
    """
    pairs = known.pairs
    open_ = pairs.count[:, target:].sum(axis=1) == 0
    strongest = known.num_kinds - 1 - np.argmax(pairs.count[:, ::-1] > 0, axis=1)
    value = 1 + strongest + 1 / (2 + pairs.place)
    return sparse_of(known, pairs.row[open_], pairs.product[open_], value[open_])


def popularity(events: EventTable, target: int, settings: TwoStageSettings) -> Floats:
    """(num_products,) weights of the events of each product, exp(-days ago / popular_days) each."""
    if not len(events):
        return np.zeros(len(events.products), dtype=np.float32)
    ago = (events.timestamp.max() - events.timestamp) / (DAY * settings.popular_days)
    weight = events.weight * np.exp(-ago)
    return np.bincount(events.product, weights=weight, minlength=len(events.products)).astype(np.float32)


def dataset_of_events(events: EventTable, limit: int, texts: Dataset | None = None) -> Dataset:
    """Events as a data set that is learned whole: a row per user and product, at the time of their newest event.

    Args:
        events: sorted by user, then time.
        limit: newest products of each user that are kept.
        texts: the data set, for the texts of its products.
    """
    key = events.user.astype(np.int64) * len(events.products) + events.product
    _, from_end, of_row = np.unique(key[::-1], return_index=True, return_inverse=True)
    newest = len(key) - 1 - from_end
    strongest = np.zeros(len(newest), dtype=np.float32)
    np.maximum.at(strongest, of_row, events.weight[::-1])
    order = np.argsort(newest)
    after = np.searchsorted(events.user[newest[order]], events.user[newest[order]], side="right") - np.arange(len(order))
    order = order[after <= limit]
    rows = newest[order]
    table = ReviewTable(
        users=events.users,
        products=events.products,
        user=events.user[rows],
        product=events.product[rows],
        rating=np.full(len(rows), np.nan, dtype=np.float32),
        timestamp=events.timestamp[rows],
        row=np.arange(len(rows)),
        weights=strongest[order],
    )
    nothing = np.zeros(0, dtype=np.int64)
    split = Split(np.arange(len(rows)), nothing, nothing, nothing)
    product_text = texts.vectors.products if texts is not None and texts.has_texts else None
    return Dataset.of_table(table, split, product_text=product_text, name="events before a time")


def sparse_of(known: KnownEvents, row: Ints, product: Ints, value: np.ndarray[tuple[int, ...], np.dtype]) -> sp.csr_matrix:
    """(num_askers, num_products) float32."""
    shape = (len(known), known.num_products)
    return sp.csr_matrix((value.astype(np.float32), (row, product)), shape=shape)


def _asked(model: Recommender, query: Query) -> Floats:
    """(num_askers, num_products) of a recommender of the house."""
    recent = query.last(model.max_history)
    reviews = BareReviews.of(len(query.histories.review), model.review_text_dim)
    return model.score(Query(recent.histories, reviews, query.users, query.time))


def reach(names: Sequence[str]) -> str:
    """Sources in words."""
    return ", ".join(names)
