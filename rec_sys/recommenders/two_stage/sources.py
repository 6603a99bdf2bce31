"""Where candidates come from. Every source scores products for those who ask; 0 of a sparse one: not given.

Own history, own products not yet taken, co-visitation close and wide, popularity of the last days, and recommenders of
the house.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
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
from rec_sys.recommenders.registry import recommender_class
from rec_sys.recommenders.two_stage.co_visitation import DAY, co_visits, wide_co_visits
from rec_sys.recommenders.two_stage.known_events import KnownEvents
from rec_sys.recommenders.two_stage.settings import TwoStageSettings

OWN, NOT_YET, COVISIT, WIDE, POPULAR = (
    "own history",
    "own, not yet taken",
    "co-visitation",
    "wide co-visitation",
    "popularity",
)
BUILT_IN = (OWN, NOT_YET, COVISIT, WIDE, POPULAR)
OWN_SOURCES = 2  # the first two give own products alone
BLEND = "blend by reciprocal rank"

Scores = Floats | sp.csr_matrix  # (num_askers, num_products)


class Sources:
    """All sources, fitted on the events before some time.

    Args:
        settings: of the two-stage model.
        target: place of the target in the kinds of events.
        weights: (num_kinds,) of the kinds of events.
        covisit: (num_products, num_products).
        wide: (num_products, num_products).
        popular: (num_products,) weight of the recent events of each product.
        house: recommenders of the house by name, fitted.
    """

    def __init__(
        self,
        settings: TwoStageSettings,
        target: int,
        weights: Floats,
        covisit: sp.csr_matrix,
        wide: sp.csr_matrix,
        popular: Floats,
        house: dict[str, Recommender],
    ) -> None:
        self.settings, self.target, self.weights = settings, target, weights
        self.covisit, self.wide, self.popular, self.house = covisit, wide, popular, house
        self.links = covisit.copy()
        self.links.data = np.ones_like(covisit.data)

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
        for name in settings.sources:
            model = source_model(name, settings)
            read = texts if "texts" in model.needs else None  # else no text is embedded
            house[name] = model.fit(dataset_of_events(events, settings.max_learned, read))
            model.dataset = None
        covisit, wide = co_visits(events, settings), wide_co_visits(events, settings)
        return cls(settings, target, events.weights, covisit, wide, popularity(events, settings), house)

    @property
    def names(self) -> list[str]:
        """In the order of `scores`."""
        return [*BUILT_IN, *self.house]

    def scores(self, known: KnownEvents) -> list[Scores]:
        """(num_askers, num_products) of every source."""
        recent = self.history_matrix(known)
        popular = np.broadcast_to(self.popular, (len(known), known.num_products))
        query = Query(known.histories(), None, known.user, known.now)
        built_in: list[Scores] = [own(known), not_yet(known, self.target), recent @ self.covisit, recent @ self.wide]
        return [*built_in, popular, *(_asked(model, query) for model in self.house.values())]

    def history_matrix(self, known: KnownEvents) -> sp.csr_matrix:
        """(num_askers, num_products): weight of the strongest kind * history_decay ** place from the newest."""
        pairs = known.pairs
        value = self.weights[pairs.strongest] * self.settings.history_decay**pairs.place
        return sparse_of(known, pairs.row, pairs.product, value)


def source_model(name: str, settings: TwoStageSettings) -> Recommender:
    """A recommender of the house, not fitted, with the settings that it has as a source.

    Raises:
        ConfigError: it is unknown, or reads what events do not have.
    """
    kind = recommender_class(name)
    if kind.reads_review_texts or "ratings" in kind.needs:
        what = "texts of reviews" if kind.reads_review_texts else "ratings"
        raise ConfigError(f"two_stage.sources: {name!r} reads {what}, which events do not have; leave it out")
    seed: dict[str, Any] = {"seed": settings.seed} if "seed" in kind.settings_class.model_fields else {}
    return kind(**{**seed, **settings.source_settings.get(name, {})})


def own(known: KnownEvents) -> sp.csr_matrix:
    """Own products, the newest first: 1 / (1 + place)."""
    pairs = known.pairs
    return sparse_of(known, pairs.row, pairs.product, 1 / (1 + pairs.place))


def not_yet(known: KnownEvents, target: int) -> sp.csr_matrix:
    """Own products without an event of the target's kind or a stronger one: the strongest kind first, then the newest.

    With the purchase as target that is what lies in the cart, then what was looked at. Only events before the question
    are looked at; a file that keeps one row per user, product and kind says more by it than a real log would.
    """
    pairs = known.pairs
    open_ = pairs.count[:, target:].sum(axis=1) == 0
    value = 1 + pairs.strongest + 1 / (2 + pairs.place)
    return sparse_of(known, pairs.row[open_], pairs.product[open_], value[open_])


def popularity(events: EventTable, settings: TwoStageSettings) -> Floats:
    """(num_products,) weights of the events of each product, times exp(-days ago / popular_days)."""
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
    user = events.user[newest[order]]
    order = order[np.searchsorted(user, user, side="right") - np.arange(len(order)) <= limit]
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


def sparse_of(known: KnownEvents, row: Ints, product: Ints, value: npt.NDArray[np.floating[Any]]) -> sp.csr_matrix:
    """(num_askers, num_products) float32."""
    shape = (len(known), known.num_products)
    return sp.csr_matrix((value.astype(np.float32), (row, product)), shape=shape)


def _asked(model: Recommender, query: Query) -> Floats:
    """(num_askers, num_products) of a recommender of the house."""
    recent = query.last(model.max_history)
    reviews = BareReviews.of(len(query.histories.review), model.review_text_dim)
    return model.score(Query(recent.histories, reviews, query.users, query.time))
