"""Cold-start calibration: choose the scale of cold items' vectors on validation.

Known products are asked for as if they were cold, a fold of the catalogue at a time, each from its text and its text
neighbours without itself; one that has no text of its own from its first reviews alone, since a new one has no more.
The scale is the largest that costs the other products no more than a given part of their ndcg@10 on validation: the
larger, the more often cold items are recommended, and in the place of others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.product_texts import with_texts_from
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import first_reviews, histories_before
from rec_sys.metrics.ranking import values_of_ranks
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.cold_start import ColdItemEncoder, ColdItemParts, TextNeighbourBank
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Calibration
from rec_sys.recommenders.graph.vector_layout import RATING_BIAS

logger = logging.getLogger(__name__)

SCORES = 40_000_000  # numbers in memory at once
LIST = 50  # length of the list in which exposure is counted
HALVINGS = 16


@dataclass(frozen=True)
class CalibrationReport:
    """What validation said of cold items."""

    scale: float
    exposure: float | None  # how often a cold item is among a user's first 50, beside an average one
    ndcg: float | None  # ndcg@10 of the known products on validation, seen items filtered
    ndcg_as_known: (
        float | None
    )  # the same with known products in the place of the cold ones; None: nothing to choose by
    count: int  # products of the catalogue without a training review, which now have a vector from their texts

    @property
    def facts(self) -> dict[str, Any]:
        """Plain JSON for a report."""
        return asdict(self)


def calibrate_cold_start(
    trained: TrainedGraph, dataset: Dataset, valid: Ints
) -> tuple[TrainedGraph, CalibrationReport | None]:
    """Choose the scale of cold items, and give vectors to products of the catalogue without a training review.

    Args:
        trained: the network with its item factors.
        dataset: only training reviews, texts, and what histories may hold are looked at.
        valid: the validation reviews to choose by.

    Returns:
        The model with its bank of texts, and what validation said; without texts to compare, the model as it was and
        None.
    """
    settings = trained.network.settings
    if not trained.network.text_dim:
        return trained, None
    table, train = dataset.table, dataset.split.train
    count = torch.from_numpy(np.bincount(table.product[train], minlength=table.num_products))
    text = _unit(dataset.item_text)
    bank = TextNeighbourBank(text.half(), count > 0, Calibration.of(settings.cold_start))
    encoder = ColdItemEncoder(trained.network.product_tower, trained.states, bank, trained.blend).eval()
    if len(encoder.numbers) < 2:
        return trained, None
    report = CalibrationReport(1.0, None, None, None, len(bank.cold_items))
    with torch.inference_mode():
        if trained.blend is not None:
            trial = _trial(trained, dataset, valid, encoder)
            if trial.folds:
                scale = choose_scale(trial, settings.new_product_cost)
                report = replace(
                    report,
                    scale=scale,
                    exposure=trial.exposure(scale),
                    ndcg=trial.ndcg(scale),
                    ndcg_as_known=trial.ndcg_as_known,
                )
            else:
                report = replace(report, scale=(1 - trained.blend.penalty) / 2)  # of a known product's preference
        states = _with_cold_items(trained.states, encoder, bank, text, report.scale)
    bank = replace(bank, calibration=Calibration.of(settings.cold_start, report.scale))
    _log(report)
    return replace(trained, states=states, bank=bank), report


def cold_start_texts(dataset: Dataset) -> Vectors:
    """What every product would be described by if it were new: its own text, or its first training reviews."""
    reviews = first_reviews(dataset.table, dataset.split.train)
    return with_texts_from(dataset.table, reviews, dataset.review_text, dataset.product_text)


def _trial(trained: TrainedGraph, dataset: Dataset, valid: Ints, encoder: ColdItemEncoder) -> ColdStartTrial:
    """Some of the validation reviews, asked with known products in the place of cold ones."""
    table, scorer = dataset.table, GraphScorer.of(trained)
    some = _some(valid, SCORES // table.num_products)
    histories = histories_before(table, some, dataset.split.in_histories)
    vectors = scorer.user_vectors(Query(histories, dataset.features))
    return ColdStartTrial(
        encoder,
        trained.states,
        vectors,
        histories,
        table.product[some],
        _unit(cold_start_texts(dataset)),
        trained.network.settings.cold_start.folds,
    )


def _with_cold_items(
    states: ProductStates, encoder: ColdItemEncoder, bank: TextNeighbourBank, text: Tensor, scale: float
) -> ProductStates:
    """The states with those of the catalogue's products that have nothing but a text."""
    cold = bank.cold_items
    described = encoder.of_parts(_parts(encoder, text[cold]), scale)
    whole = ProductStates(states.history.clone(), states.target.clone())
    whole.history[cold], whole.target[cold] = described.history, described.target
    return whole


@dataclass(frozen=True)
class Fold:
    """Products that are asked for as if they were cold, and the users who take another one next."""

    others: Tensor  # (num_others,) rows of these users
    above: Tensor  # (num_others,) products that stand above the one they take, the fold's left out
    least: Tensor  # (num_users, 1) what `gain` times the root of the scale must exceed to stand above the one taken
    least_in_list: Tensor  # (num_users, 1) the same to stand in the list
    gain: Tensor  # (num_users, num_cold) what the root of the scale adds; -inf where seen
    num_possible: int  # pairs that are not seen

    def count_above(self, least: Tensor, scale: float) -> Tensor:
        """(num_users,) cold items of this scale that exceed `least`."""
        if scale > 0:
            above: Tensor = self.gain > least / scale**0.5
        else:
            above = (self.gain > -torch.inf) & (least < 0)
        return above.sum(dim=1)


class ColdStartTrial:
    """What known products lose when some of the catalogue is asked for as if it were cold, a fold at a time.

    Folds that no text describes or that everybody takes next are left out; `folds` may be empty.

    Args:
        encoder: the known products as examples, with item factors or exclusion codes beside the preference.
        states: of all products.
        users: (num_users, vector_dim) vectors.
        histories: theirs.
        target: (num_users,) product numbers that they take next.
        text: (num_products, text_dim) unit vectors, what a cold item would be described by.
        num_folds: parts of the catalogue.
    """

    def __init__(
        self,
        encoder: ColdItemEncoder,
        states: ProductStates,
        users: Floats,
        histories: Histories,
        target: Ints,
        text: Tensor,
        num_folds: int = 20,
    ) -> None:
        self.num_products = len(states.target)
        vectors, taken = torch.from_numpy(users), torch.from_numpy(target)
        scores = vectors @ states.target.T  # (num_users, num_products)
        own = scores.gather(1, taken[:, None])
        seen = histories.matrix(self.num_products).tocoo()
        filtered = seen.col != target[seen.row]
        scores[torch.from_numpy(seen.row[filtered]), torch.from_numpy(seen.col[filtered])] = -torch.inf
        above = (scores > own).sum(dim=1)
        last = scores.topk(min(LIST, self.num_products), dim=1).values[:, -1:]
        self.folds: list[Fold] = []
        ndcg_as_known: list[float] = []
        for place in self._places(encoder, text, num_folds):
            number = encoder.numbers[place]
            others = (~torch.isin(taken, number)).nonzero()[:, 0]
            if not len(others):
                continue
            described = encoder.of_parts(_parts(encoder, text[number], place), 1.0).target
            flat = vectors[:, RATING_BIAS] * described[:1, RATING_BIAS]  # the same for all, whatever the scale
            known = scores[:, number]
            gain = (vectors @ described.T).sub_(flat).masked_fill_(known == -torch.inf, -torch.inf)
            num_possible = int((known > -torch.inf).sum())
            rest = above[others] - (known > own).sum(dim=1)[others]
            self.folds.append(Fold(others, rest, own - flat, last - flat, gain, num_possible))
            ndcg_as_known.append(_ndcg(1 + above[others]))
        self.ndcg_as_known = sum(ndcg_as_known) / max(len(ndcg_as_known), 1)

    @staticmethod
    def _places(encoder: ColdItemEncoder, text: Tensor, num_folds: int) -> Iterator[Tensor]:
        """Examples by fold, in random order, those that a text describes."""
        order = torch.randperm(len(encoder.numbers), generator=torch.Generator().manual_seed(0))
        order = order[text[encoder.numbers[order]].any(dim=1)]
        yield from order.chunk(num_folds) if len(order) else ()

    def ndcg(self, scale: float) -> float:
        """ndcg@10 of the known products beside cold items of this scale, seen items filtered, mean over the folds."""
        figures = [_ndcg(1 + fold.above + fold.count_above(fold.least, scale)[fold.others]) for fold in self.folds]
        return sum(figures) / max(len(figures), 1)

    def exposure(self, scale: float) -> float:
        """How often a cold item is among the first LIST, beside an average product."""
        shown = sum(int(fold.count_above(fold.least_in_list, scale).sum()) for fold in self.folds)
        possible = sum(fold.num_possible for fold in self.folds)
        return shown / max(possible, 1) * self.num_products / min(LIST, self.num_products)


def choose_scale(trial: ColdStartTrial, cost: float) -> float:
    """The largest scale that costs at most `cost` of the figure with known products in the place of the cold ones."""
    least = (1 - cost) * trial.ndcg_as_known
    if trial.ndcg(1.0) >= least:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if trial.ndcg(middle) >= least else (low, middle)
    return low


def _ndcg(rank: Tensor) -> float:
    return float(values_of_ranks(rank.double().numpy(), "ndcg@10").mean())


def _parts(encoder: ColdItemEncoder, text: Tensor, leave_out: Tensor | None = None) -> ColdItemParts:
    """`ColdItemEncoder.parts`, so many texts at a time that their cosines fit into memory."""
    size = max(1, SCORES // max(1, len(encoder.numbers)))
    found = [
        encoder.parts(text[start : start + size], None if leave_out is None else leave_out[start : start + size])
        for start in range(0, max(1, len(text)), size)
    ]
    return ColdItemParts(
        ProductStates(torch.cat([each.own.history for each in found]), torch.cat([each.own.target for each in found])),
        torch.cat([each.preference for each in found]),
        torch.cat([each.target_factors for each in found]),
        torch.cat([each.history_factors for each in found]),
    )


def _unit(text: Vectors) -> Tensor:
    return functional.normalize(torch.from_numpy(np.array(text, dtype=np.float32)), dim=1)


def _some(numbers: Ints, count: int) -> Ints:
    """At most `count` of them, evenly spread."""
    return numbers[np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(np.int64)]


def _log(report: CalibrationReport) -> None:
    placed = f"; {report.count:,} of the catalogue have vectors from their texts" if report.count else ""
    if report.ndcg is None:
        logger.info("cold items have scale %.3f, and nothing to choose another by%s", report.scale, placed)
        return
    logger.info(
        "cold items of scale %.3f are recommended %.1f times as often as an average one (validation ndcg@10 of the "
        "others %.4f, without them %.4f)%s",
        report.scale,
        report.exposure,
        report.ndcg,
        report.ndcg_as_known,
        placed,
    )
