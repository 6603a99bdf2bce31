"""Fit item factors and exclusion codes to a trained network; validation says how much they weigh.

The item-item model is EASE, to which consecutive products of a user and the product texts count as further users
(collective EASE: Jeunen, Van Balen and Goethals 2020). All candidates are scored in one pass over the validation users:
a score is a weighted sum of two inner products, so each is computed once and the weights are tried on it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import torch

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.dataset import Dataset
from rec_sys.errors import ConfigError
from rec_sys.metrics.grid_search import grid_search
from rec_sys.metrics.ranking import Ranks, rank_targets
from rec_sys.metrics.validation import Block, blocks_of, mean_value, validation_score
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.exclusion_codes import assign_codes
from rec_sys.recommenders.graph.item_factors import ItemFactors, factor_sums, low_rank_factors, seen_codes
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Blend, GraphModelSettings
from rec_sys.recommenders.text_ease import TextEASE, TextEASESettings

logger = logging.getLogger(__name__)

FACTORS_NEARLY_ALONE = 0.999  # a weight that is tried and never chosen: what the factors are without the network


@dataclass(frozen=True)
class ItemFactorReport:
    """What validation said."""

    blend: Blend | None = None  # None: neither item factors nor exclusion codes help
    text_weight: float = 0.0  # of the texts in the item factors
    ndcg: dict[float, float] = field(default_factory=dict)  # by blend weight, the best decay, seen items filtered
    unfiltered_ndcg: dict[float, float] = field(default_factory=dict)  # by penalty, seen items not filtered
    left_out: str = ""  # why there are no item factors

    @property
    def facts(self) -> dict[str, Any]:
        """Plain JSON for a report."""
        blend = self.blend or Blend(rank=0, weight=0.0, decay=1.0)
        return {
            "text_weight": self.text_weight if blend.rank else 0.0,
            "rank": blend.rank,
            "weight": blend.weight,
            "decay": blend.decay,
            "penalty": blend.penalty,
            "ndcg@10": _as_text(self.ndcg),
            "unfiltered_ndcg@10": _as_text(self.unfiltered_ndcg),
            "left_out": self.left_out,
        }


def fit_item_factors(trained: TrainedGraph, dataset: Dataset, valid: Ints) -> tuple[TrainedGraph, ItemFactorReport]:
    """Put item factors and exclusion codes of the training reviews beside a network; the network stays as it is.

    Weight and decay of the item factors are those with the best ndcg@10 with seen items filtered, which exclusion codes
    do not touch: whoever filters seen items by number asks without them. The penalty of the codes is the one with the
    best ndcg@10 with seen items not filtered.

    Args:
        trained: the network alone.
        dataset: only training and validation reviews are looked at.
        valid: the validation reviews to choose by.

    Returns:
        The model with what helps, and what validation said.
    """
    settings = trained.network.settings
    plain = trained.states
    nothing = plain.target.new_zeros(dataset.table.num_products, 0)
    factors, text_weight, left_out = ItemFactors(nothing, nothing), 0.0, ""
    if settings.item_factors:
        try:
            factors, text_weight = _item_factors(settings, dataset, valid, _text(trained, dataset))
        except ConfigError as error:
            left_out = str(error)
    search = BlendSearch(trained, dataset, valid, factors)
    blend, ndcg = search.weights() if factors.history.shape[1] else (None, {})
    if blend is None:
        factors = ItemFactors(nothing, nothing)
    code: torch.Tensor | None = None
    unfiltered: dict[float, float] = {}
    if settings.exclusion_codes:
        train, table = dataset.split.train, dataset.table
        numbers = assign_codes(table.user[train], table.product[train], table.num_products, settings.exclusion_codes)
        penalty, unfiltered = search.penalties(blend, numbers)
        if penalty:
            blend = (blend or Blend(rank=0, weight=0.0)).model_copy(
                update={"num_codes": settings.exclusion_codes, "penalty": penalty}
            )
            code = torch.nn.functional.one_hot(torch.from_numpy(numbers), settings.exclusion_codes).float()
    report = ItemFactorReport(blend, text_weight, ndcg, unfiltered, left_out)
    _log(report)
    if blend is None:
        return trained, report
    states: ProductStates = plain.with_item_factors(factors, code, blend.penalty)
    return replace(trained, states=states, blend=blend), report


def _text(trained: TrainedGraph, dataset: Dataset) -> Vectors | None:
    """(num_products, text_dim) that the item factors read; None: none."""
    network = trained.network
    if not network.text_dim or not network.settings.item_factor_texts or not dataset.item_text.any():
        return None
    return dataset.item_text


def _item_factors(
    settings: GraphModelSettings, dataset: Dataset, valid: Ints, text: Vectors | None
) -> tuple[ItemFactors, float]:
    """The matrix of EASE cut to vectors, and the weight of the texts in it, chosen on validation.

    Raises:
        ConfigError: the catalogue is too large for the matrix.
    """
    own = settings.factors
    table, train = dataset.table, dataset.split.train
    plain = {"regularisation": own.regularisation, "pairs": own.pairs}

    def candidates() -> Iterator[EASE]:
        yield EASE(EASESettings(**plain)).fit(dataset)
        for weight in own.text_weights if text is not None else ():
            try:
                yield TextEASE(TextEASESettings(**plain, text_weight=weight)).fit(dataset)
            except ConfigError:  # too much for float32
                return

    def text_weight(model: EASE) -> float:
        return getattr(model.settings, "text_weight", 0.0)

    def ndcg(model: EASE) -> float:
        return validation_score(model, table, valid, dataset.split.in_histories)

    best = grid_search(candidates(), ndcg, text_weight).best  # of the matrices only the best one stays in memory
    reads = torch.from_numpy(np.bincount(table.product[train], minlength=table.num_products))
    rank = min(max(settings.item_factors, table.num_products // own.products_per_dimension), 2 * settings.item_factors)
    return low_rank_factors(torch.from_numpy(best.weights), reads, rank), text_weight(best)


class BlendSearch:
    """Tries the weights of item factors and exclusion codes on the validation reviews.

    Args:
        trained: the network alone.
        dataset: what it was trained on.
        valid: the validation reviews to choose by.
        factors: of all products; of no dimension where there are none.
    """

    def __init__(self, trained: TrainedGraph, dataset: Dataset, valid: Ints, factors: ItemFactors) -> None:
        self.scorer, self.settings = GraphScorer.of(trained), trained.network.settings.factors
        self.dataset, self.valid, self.factors = dataset, valid, factors
        self.preference = trained.states.preference.numpy()  # (num_products, dim)

    def weights(self) -> tuple[Blend | None, dict[float, float]]:
        """The weight and decay with the best ndcg@10, seen items filtered, and the figure of each weight."""
        decays = self.settings.decays
        pairs = [(0.0, 1.0), *product((*self.settings.weights, FACTORS_NEARLY_ALONE), decays)]
        ranks: dict[tuple[float, float], list[Ranks]] = {pair: [] for pair in pairs}
        for block in self._blocks():
            scored = _ScoredBlock(self.scorer, block, self.preference, self.factors, decays)
            for weight, decay in pairs:
                ranks[weight, decay].append(rank_targets(scored.content(weight, decay), block.target, block.seen))
        values = {pair: mean_value(np.concatenate(found)) for pair, found in ranks.items()}
        chosen = grid_search(
            [pair for pair in pairs if pair[0] != FACTORS_NEARLY_ALONE], lambda pair: values[pair]
        ).best
        by_weight = {weight: max(values[pair] for pair in pairs if pair[0] == weight) for weight, _ in pairs}
        if not chosen[0]:
            return None, by_weight
        return Blend(rank=self.factors.history.shape[1], weight=chosen[0], decay=chosen[1]), by_weight

    def penalties(self, blend: Blend | None, code: Ints) -> tuple[float, dict[float, float]]:
        """The penalty with the best ndcg@10, seen items not filtered, and the figure of each; 0: none helps.

        Args:
            blend: weight and decay of the item factors; None: there are none.
            code: (num_products,) exclusion code of each product.
        """
        tried = [0.0, *self.settings.penalties]
        ranks: dict[float, list[Ranks]] = {penalty: [] for penalty in tried}
        weight, decay = (blend.weight, blend.decay) if blend else (0.0, 1.0)
        for block in self._blocks():
            scored = _ScoredBlock(self.scorer, block, self.preference, self.factors, [decay])
            content = scored.content(weight, decay).copy()
            seen = scored.seen_codes(code, int(code.max()) + 1)
            for penalty in tried:
                ranks[penalty].append(rank_targets(scored.penalised(content, seen, code, penalty), block.target))
        values = {penalty: mean_value(np.concatenate(found)) for penalty, found in ranks.items()}
        return grid_search(tried, lambda penalty: values[penalty]).best, values

    def _blocks(self) -> Iterator[Block]:
        return blocks_of(self.dataset.features, self.valid, self.scorer.max_history, self.dataset.split.in_histories)


class _ScoredBlock:
    """The inner products of which every candidate's scores are weighted sums."""

    def __init__(
        self, scorer: GraphScorer, block: Block, preference: Floats, factors: ItemFactors, decays: Sequence[float]
    ) -> None:
        users, self.histories = scorer.user_states(block.query)
        self.user_preference = users.preference.numpy()
        self.by_preference: Floats = self.user_preference @ preference.T  # (n, num_products)
        self.by_factors: dict[float, Floats] = {}
        self.has_factors: dict[float, Floats] = {}  # (n, 1) squared length of the sum: 1, or 0 without any
        self.buffer, self.second = np.empty_like(self.by_preference), np.empty_like(self.by_preference)
        if not factors.history.shape[1]:
            return
        of_edge = factors.history[self.histories.product][self.histories.edge_review]
        target = factors.target.numpy()
        for decay in decays:
            total = factor_sums(of_edge, self.histories.age, self.histories.edge_user, len(block.query), decay).numpy()
            self.by_factors[decay] = total @ target.T
            self.has_factors[decay] = np.square(total).sum(axis=1, keepdims=True)

    def content(self, weight: float, decay: float) -> Floats:
        """(n, num_products) scores of preference and item factors; valid until the next call."""
        if not weight:
            np.copyto(self.buffer, self.by_preference)
            return self.buffer
        np.multiply(self.by_preference, np.sqrt(1 - weight * self.has_factors[decay]), out=self.buffer)
        np.multiply(self.by_factors[decay], np.float32(weight**0.5), out=self.second)
        self.buffer += self.second
        return self.buffer

    def seen_codes(self, code: Ints, num_codes: int) -> Floats:
        """(n, num_codes) how often each code is among a user's products, unit vectors."""
        one_hot = torch.nn.functional.one_hot(torch.from_numpy(code), num_codes).float()
        of_edge = one_hot[self.histories.product][self.histories.edge_review]
        found: Floats = seen_codes(of_edge, self.histories.edge_user, self.histories.num_users).numpy()
        return found

    def penalised(self, content: Floats, seen: Floats, code: Ints, penalty: float) -> Floats:
        """(n, num_products) scores with exclusion codes: as `blend_users` and `blend_products` would give."""
        left = np.sqrt(1 - penalty * np.square(seen).sum(axis=1, keepdims=True))
        np.multiply(content, left * np.float32(((1 - penalty) / 2) ** 0.5), out=self.buffer)
        if penalty:
            np.take(seen * np.float32(penalty), code, axis=1, out=self.second)
            self.buffer -= self.second
        return self.buffer


def _log(report: ItemFactorReport) -> None:
    blend = report.blend or Blend(rank=0, weight=0.0, decay=1.0)
    if report.left_out:
        logger.info("no item factors: %s", report.left_out)
    elif report.ndcg:
        what = f"item factors of {blend.rank} dimensions" if blend.rank else "no item factors"
        logger.info(
            "%s, texts %g, weight %g, decay %g (validation ndcg@10 by weight: %s)",
            what,
            report.text_weight,
            blend.weight,
            blend.decay,
            _listed(report.ndcg),
        )
    if report.unfiltered_ndcg:
        logger.info(
            "%d exclusion codes, penalty %g (validation ndcg@10 with seen items not filtered, by penalty: %s)",
            blend.num_codes,
            blend.penalty,
            _listed(report.unfiltered_ndcg),
        )


def _listed(figures: dict[float, float]) -> str:
    return ", ".join(f"{key:g}: {value:.4f}" for key, value in figures.items())


def _as_text(figures: dict[float, float]) -> dict[str, float]:
    return {f"{key:g}": value for key, value in figures.items()}
