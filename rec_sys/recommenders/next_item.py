"""Next item: what a customer takes on a later day, from patterns, a linear map, own repeats and popularity."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.query import Query
from rec_sys.dataset.sales import DAY
from rec_sys.errors import ConfigError
from rec_sys.frames import frame_of
from rec_sys.metrics.next_basket import Baskets, hold_out, steps_of
from rec_sys.metrics.ranking import first_products
from rec_sys.metrics.scorer import Scorer
from rec_sys.metrics.validation import users_at_once
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.ease import item_weights
from rec_sys.recommenders.next_item_blend import Blend, Choice, Parts, choose
from rec_sys.recommenders.next_item_patterns import Patterns, count_patterns, own_min_support
from rec_sys.recommenders.next_item_report import LEVELS, ChainCosine, pattern_section, time_section
from rec_sys.settings import Settings
from rec_sys.tables import Section

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

logger = logging.getLogger(__name__)

VALIDATION_PART = 0.15  # of the visits, the newest: what the weights are chosen on
VALIDATION_BASKETS = 2_000
SCORES_AT_ONCE = 10_000_000  # of the validation, in memory
FEW_PRODUCTS = 2_000  # up to here the linear part is so quick that its regularisation is chosen too


class NextItemSettings(Settings):
    """Settings of next item; a weight that is None is chosen on the newest part of the training."""

    min_support: int = Field(0, ge=0, description="customers of a pattern; 0: half a percent of all, 2 to 20")
    prior: float = Field(20.0, ge=0, description="customers by whom a confidence is shrunk towards the product's share")
    popularity_days: int = Field(28, ge=1, description="days before the end of the training that popularity counts")
    max_history: int = Field(500, ge=1, description="newest entries of a history that are read")
    max_products: int = Field(12_000, ge=0, description="larger catalogues have no linear part; 0: none has")
    linear: float = Field(1.0, ge=0, description="weight of the linear part; the other weights are beside it")
    patterns: float | None = Field(None, ge=0, description="weight of the patterns; None: chosen")
    popularity: float | None = Field(None, ge=0, description="weight of popularity; None: chosen")
    own: float | None = Field(None, description="weight of one own purchase of a product; None: chosen")
    decay: float | None = Field(None, gt=0, le=1, description="weight per later day of a history; None: chosen")
    own_decay: float | None = Field(None, gt=0, le=1, description="the same for own purchases; None: chosen")
    trend: float | None = Field(None, ge=0, description="power of a product's trend on own purchases; None: chosen")
    regularisation: float | None = Field(None, gt=0, description="lambda of the linear part; None: chosen")
    half_life: float | None = Field(
        None, ge=0, description="days after which a purchase weighs half in the linear part; 0: never; None: chosen"
    )


class NextItem(Recommender):
    """One score of four parts, of which each steps in where the one before knows nothing.

    1. A linear item-item map in closed form (EASE) of customers and products, in which newer purchases weigh more.
    2. Patterns: the lift of the products that others took on a later day, mean over the history.
    3. Popularity of the last 28 days, and far below it that of all time.
    4. For what the customer had already: how often and how lately, times the product's trend.

    A history is read oldest first; per later day in it the weight falls by `decay`. Within a day there is no order.
    """

    key, name = "next_item", "next item"
    paper = "Steck, WWW 2019 (linear part); Agrawal and Srikant, ICDE 1995 (sequential patterns)"
    settings_class = NextItemSettings
    settings: NextItemSettings
    patterns_found: Patterns
    parts: Parts
    choice: Choice

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        self.learn(dataset.training_events, dataset.has_dates, progress)

    def learn(self, events: EventTable, dated: bool, progress: ProgressCallback | None = None) -> None:
        """Learn from events: weights on their newest part, then everything from all of them.

        Where nobody came back on a later day, such as in the log of one day, times take the place of days.
        """
        if dated and not _came_back(events, dated) and _came_back(events, False):
            dated = False
            logger.warning("%s: nobody came back on a later day, so the order within a day counts", self.name)
        stage = Stage("next item", 3, "steps", progress)
        before, baskets = hold_out(events, dated, VALIDATION_PART, self._validation_baskets(len(events.products)))
        fixed = {
            name: value for name in Blend.__dataclass_fields__ if (value := getattr(self.settings, name)) is not None
        }
        self.choice = self._choose(before, baskets, dated, fixed)
        stage.advance()
        self.patterns_found = count_patterns(events, dated, self._min_support(events))
        self.parts = self._parts(events, dated, self.patterns_found)
        stage.advance()
        blend = self.choice.blend
        if blend.linear:
            linear = self._linear(events, dated, blend.regularisation, blend.half_life)
            self.parts = replace(self.parts, linear=linear)
        stage.advance()

    def _validation_baskets(self, num_products: int) -> int:
        return max(1, min(VALIDATION_BASKETS, users_at_once(num_products, SCORES_AT_ONCE)))

    def _choose(self, before: EventTable, baskets: Baskets, dated: bool, fixed: dict[str, float]) -> Choice:
        if not len(baskets) or not len(before):
            logger.warning("%s: nobody came back later, so the weights are the defaults", self.name)
            return Choice(replace(Blend(), **fixed), 0)
        baskets = replace(baskets, query=baskets.query.last(self.max_history))
        few = len(before.products) <= FEW_PRODUCTS
        days = _span(before) / DAY if dated else 0
        has_linear = self._has_linear(len(before.products)) and self.settings.linear
        grids = {
            "regularisation": (20.0, 100.0, 500.0) if few and has_linear else (Blend.regularisation,),
            "half_life": (0.0, days / 4) if dated and has_linear else (0.0,),
        }
        grids = {name: (fixed[name],) if name in fixed else values for name, values in grids.items()}
        parts = self._parts(before, dated, count_patterns(before, dated, self._min_support(before)))

        def linear(regularisation: float, half_life: float) -> Floats | None:
            return self._linear(before, dated, regularisation, half_life) if self.settings.linear else None

        return choose(parts, linear, baskets, grids, fixed)

    def _min_support(self, events: EventTable) -> int:
        return self.settings.min_support or own_min_support(len(np.unique(events.user)))

    def _has_linear(self, num_products: int) -> bool:
        return num_products <= self.settings.max_products

    def _parts(self, events: EventTable, dated: bool, patterns: Patterns) -> Parts:
        """All but the linear part."""
        num_products = len(events.products)
        whole = np.bincount(events.product, minlength=num_products).astype(np.float32)
        recent, trend = whole, np.ones(num_products, dtype=np.float32)
        if dated and len(events):
            days = self.settings.popularity_days
            lately = events.timestamp > events.timestamp.max() - days * DAY
            recent = np.bincount(events.product[lately], minlength=num_products).astype(np.float32)
            usual = whole * min(1, days * DAY / (_span(events) + DAY))
            steadying = patterns.min_support  # as many as make a pattern: few purchases are no trend
            trend = ((recent + steadying) / (usual + steadying)).astype(np.float32)
        popular = recent / max(recent.max(initial=0), 1) + whole / max(100 * whole.max(initial=0), 1)
        return Parts(None, patterns.lift(self.settings.prior), popular.astype(np.float32), trend, dated)

    def _linear(self, events: EventTable, dated: bool, regularisation: float, half_life: float) -> Floats | None:
        """The closed form over customers x products; an entry of the newest purchase weighs 2 ** (-age / half_life)."""
        num_products = len(events.products)
        if not self._has_linear(num_products):
            logger.warning(
                "%s has no linear part for %d products: its matrix would take %.1f GiB; the limit is %d (max_products)",
                self.name, num_products, num_products**2 * 4 / 2**30, self.settings.max_products,
            )  # fmt: skip
            return None
        pair, place = np.unique((events.user * num_products + events.product)[::-1], return_index=True)
        when = events.timestamp[::-1][place]  # the newest of each pair
        weight = np.ones(len(pair), dtype=np.float32)
        if dated and half_life:
            weight = (0.5 ** ((when.max() - when) / (DAY * half_life))).astype(np.float32)
        user, product = np.divmod(pair, num_products)
        bought = sp.csr_matrix((weight, (user, product)), shape=(len(events.users), num_products))
        return item_weights((bought.T @ bought).toarray(order="F"), regularisation)

    # ---- asking -----------------------------------------------------------------------------------------------------

    @property
    def max_history(self) -> int:
        """Newest entries of a history that are read."""
        return self.settings.max_history

    @property
    def blend(self) -> Blend:
        """The weights in use: those of the settings, and for the others what was chosen."""
        given = {name: getattr(self.settings, name) for name in Blend.__dataclass_fields__}
        return replace(self.choice.blend, **{name: value for name, value in given.items() if value is not None})

    @property
    def chosen(self) -> str:
        """The weights in use, in words."""
        if not self.choice.baskets:
            return "default weights: too little to choose on"
        blend = self.blend
        return f"own {blend.own:g}, patterns {blend.patterns:g}, popularity {blend.popularity:g}, decay {blend.decay:g}"

    @property
    def facts(self) -> dict[str, Any]:
        """Of the whole model: total_patterns, average_confidence (None without patterns), and what they rest on."""
        found = self.patterns_found
        return {
            "total_patterns": found.total,
            "average_confidence": found.average_confidence if found.total else None,
            "min_support": found.min_support,
            "customers": found.num_customers,
            "linear_part": self.parts.linear is not None,
            "weights_chosen_on_baskets": self.choice.baskets,
        }

    def _score(self, query: Query) -> Floats:
        return self.parts.scores(query, self.blend)

    def answered_by(self, query: Query) -> list[str]:
        """Whether anything is known of a user's products, or popularity answers."""
        followed = np.diff(self.patterns_found.counts.indptr) > 0
        histories = query.histories
        with_patterns = np.bincount(histories.row, weights=followed[histories.product], minlength=len(histories))
        return [
            "popularity: empty history"
            if not length
            else f"patterns of {int(count)} of {length} products"
            if count
            else "own repeats and popularity: no patterns"
            for count, length in zip(with_patterns, histories.lengths.tolist(), strict=True)
        ]

    def patterns(self, product: str | None = None, k: int = 10) -> DataFrame:
        """The most probable patterns, of one product or of all.

        Args:
            product: x of the patterns; None: any.
            k: patterns at most.

        Returns:
            Columns product_id, next_id, support, confidence and probability, the most probable first.

        Raises:
            NotFittedError: it has not been fitted.
            UnknownIdError: the product is unknown.
            ConfigError: k is less than 1.
        """
        _check_k(k)
        products, patterns = self.fitted_products, self.patterns_found
        indptr = patterns.counts.indptr
        number = None if product is None else products.number(product)
        rows = slice(0, patterns.total) if number is None else slice(indptr[number], indptr[number + 1])
        support, after, before = patterns.counts.data[rows], patterns.counts.indices[rows], patterns.row[rows]
        probability = patterns.shrunk(support, before, after, self.settings.prior)
        order = np.lexsort((after, before, -support, -probability))[:k]
        return frame_of(
            {
                "product_id": [products.id(each) for each in before[order]],
                "next_id": [products.id(each) for each in after[order]],
                "support": support[order],
                "confidence": patterns.confidence[rows][order],
                "probability": probability[order],
            },
            self._catalogue.as_pandas,
        )

    def predict(self, history: Sequence[str], k: int = 10, exclude_seen: bool = False) -> DataFrame:
        """What a customer takes next, and what is known of it.

        Args:
            history: product ids, oldest first; unknown ones are left out, and a warning counts them.
            k: products at most.
            exclude_seen: leave out the products of the history.

        Returns:
            Columns rank, product_id, name, score, then the most probable pattern that leads there: because (its x, a
            product of the history; the product itself where it is a repeat), probability, confidence and support.
            Without a pattern at the minimum support, because, confidence and support are empty, and probability is the
            share of all customers that have the product.

        Raises:
            NotFittedError: it has not been fitted.
            ConfigError: k is less than 1.
        """
        _check_k(k)
        question = self.question(history=history)
        query = question.query.last(self.max_history)
        scores = self._score(query)
        seen = question.query.histories.matrix(scores.shape[1]) if exclude_seen else None
        left = scores.shape[1] - (seen.nnz if seen is not None else 0)
        product = first_products(scores, k, seen)[0][:left]
        because, support = self._strongest(np.unique(query.histories.product), product)
        patterns, ids = self.patterns_found, self.fitted_products.ids
        known = because >= 0
        probability = patterns.share[product]
        x, y = because[known], product[known]
        probability[known] = patterns.shrunk(support[known], x, y, self.settings.prior)
        confidence = np.divide(support, patterns.came_back[because], where=known, out=np.zeros(len(product)))
        return frame_of(
            {
                "rank": np.arange(1, len(product) + 1),
                **self._catalogue.columns(product),
                "score": scores[0, product],
                "because": [ids[each] if each >= 0 else None for each in because],
                "probability": probability,
                "confidence": [
                    float(value) if each >= 0 else None for value, each in zip(confidence, because, strict=True)
                ],
                "support": [int(value) if each >= 0 else None for value, each in zip(support, because, strict=True)],
            },
            self._catalogue.as_pandas,
        )

    def _strongest(self, history: Ints, product: Ints) -> tuple[Ints, Ints]:
        """What in a history makes each product most probable by a pattern or a repeat, -1: nothing; its support."""
        patterns = self.patterns_found
        support = patterns.counts[history][:, product].toarray().astype(np.int64)  # (len(history), len(product))
        itself = history[:, None] == product
        support[itself] = np.broadcast_to(patterns.repeats[product], support.shape)[itself]
        support[support < patterns.min_support] = 0
        if not len(history):
            return np.full(len(product), -1), np.zeros(len(product), dtype=np.int64)
        probability = patterns.shrunk(support, history[:, None], product, self.settings.prior)
        best = np.where(support > 0, probability, -1).argmax(axis=0)
        found = support[best, np.arange(len(product))]
        return np.where(found > 0, history[best], -1), found

    # ---- reporting, keeping -----------------------------------------------------------------------------------------

    def sections(self, dataset: Dataset, progress: ProgressCallback | None = None) -> list[Section]:
        """Patterns by support, and next baskets of a split by time beside simple models; of training events only."""
        events, dated = dataset.training_events, self.parts.dated
        own = self.patterns_found.min_support
        counted = replace(count_patterns(events, dated, min(*LEVELS, own)), min_support=own)
        before, baskets = hold_out(events, dated, limit=self._validation_baskets(len(events.products)))
        models: dict[str, Scorer] = {}
        if len(baskets) and len(before):
            earlier = copy.copy(self)
            earlier.learn(before, dated, progress)
            popularity = {"linear": 0, "patterns": 0, "popularity": 1, "own": 0}
            models = {
                self.name: earlier,
                "own frequency, then popularity": earlier.with_settings(
                    **popularity | {"own": 10, "own_decay": 1, "trend": 0}
                ),
                "popularity": earlier.with_settings(**popularity),
                ChainCosine.name: ChainCosine(count_patterns(before, dated, 1), self.max_history),
            }
        return [pattern_section(counted), time_section(models, baskets)]

    def _arrays(self) -> Arrays:
        parts = self.parts
        arrays: Arrays = {
            **self.patterns_found.arrays(),
            "popular": parts.popular,
            "trend": parts.trend,
            "blend": self.choice.blend.array(),
            "flags": np.array([parts.dated, self.choice.baskets], dtype=np.int64),
        }
        return arrays if parts.linear is None else arrays | {"linear": parts.linear}

    def _restore(self, arrays: Arrays) -> None:
        dated, baskets = arrays["flags"].tolist()
        self.choice = Choice(Blend.of_array(arrays["blend"]), baskets)
        self.patterns_found = Patterns.of_arrays(arrays)
        lift = self.patterns_found.lift(self.settings.prior)
        self.parts = Parts(arrays.get("linear"), lift, arrays["popular"], arrays["trend"], bool(dated))


def _came_back(events: EventTable, dated: bool) -> bool:
    """Whether any user has events on two days."""
    step = steps_of(events.timestamp, dated)
    return bool(((events.user[1:] == events.user[:-1]) & (step[1:] != step[:-1])).any())


def _span(events: EventTable) -> int:
    """Seconds between the first and the last event."""
    return int(events.timestamp.max() - events.timestamp.min()) if len(events) else 0


def _check_k(k: int) -> None:
    if k < 1:
        raise ConfigError(f"k={k}: give the number of patterns, at least 1")
