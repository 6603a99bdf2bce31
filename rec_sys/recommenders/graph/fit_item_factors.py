"""After the network: memory and colours are made, and validation says how much they count."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.dataset import Data
from rec_sys.dataset.splits import Split
from rec_sys.errors import ConfigError
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.exclusion_codes import assign_codes
from rec_sys.recommenders.graph.item_factors import Blend, ItemFactors, low_rank_factors
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.recommender import GraphRecommender
from rec_sys.recommenders.text_ease import TextEASE, TextEASESettings

REGULARISATION = 100.0
PAIRS = 1.0  # people that a product and the next one of its person count as besides
TEXT_WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0)
BLEND_WEIGHTS = (0.2, 0.5, 0.8, 0.9, 0.94, 0.98, 0.995)
FACTORS_NEARLY_ALONE = 0.999  # a share that is looked at, and not chosen: what the memory is without the graph
DECAYS = (0.9, 0.8)
PER_PRODUCT = 8  # a dimension of the memory for so many products, from `rank` to twice as many
PENALTIES = (0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)


@dataclass(frozen=True)
class FittedItemFactors:
    """What stands beside the graph now."""

    blend: Blend | None  # None: nothing
    text_weight: float  # of the texts in the memory
    ndcg: dict[float, float]  # filtered ndcg@10 on validation by weight of the memory, best decay; empty: no memory
    unfiltered: dict[float, float]  # unfiltered ndcg@10 on validation by penalty of the colours
    note: str  # a line for a person

    @property
    def facts(self) -> dict[str, Any]:
        """For a report."""
        return {
            "text_weight": self.text_weight if self.blend and self.blend.rank else 0.0,
            "rank": self.blend.rank if self.blend else 0,
            "weight": self.blend.weight if self.blend else 0.0,
            "decay": self.blend.decay if self.blend else 1.0,
            "penalty": self.blend.penalty if self.blend else 0.0,
            "ndcg@10": _texts(self.ndcg),
            "unfiltered_ndcg@10": _texts(self.unfiltered),
        }


def fit_item_factors(
    checkpoint: Path,
    data: Data,
    split: Split,
    valid: Ints,
    rank: int,
    num_codes: int,
    product_text: Vectors | None = None,
) -> FittedItemFactors:
    """Put memory and colours of the training reviews beside the graph of a checkpoint; validation says how much.

    The memory's share and decay are those with the best filtered ndcg@10, which colours do not touch: who takes out by
    number what people have asks without them. Their push is the one with the best unfiltered ndcg@10. The checkpoint is
    replaced in one step, or left as it is where neither helps.

    Args:
        checkpoint: of the trained network.
        data: what it was trained on.
        split: its parts; only `train` and `valid` are looked at.
        valid: the validation reviews to choose by.
        rank: dimensions of the memory, up to twice as many where there are many products; 0: none.
        colours: how many; 0: none.
        product_text: (num_products, text_dim) that the memory reads too, zero where there is none; None: it does not.
    """
    table, train = data.table, split.train
    kept = load_checkpoint(checkpoint)
    plain, before = kept.graph_alone(), kept.model.blend  # a run that went on may have a memory already

    def validate(blend: Blend | None, states: ProductStates) -> RankingReport:
        kept.model.blend = blend
        recommender = GraphRecommender(kept.model, states, table, data.review_text)
        return evaluate(recommender, table, valid, among=split.in_histories)

    nothing = plain.target.new_zeros(table.num_products, 0)
    factors, text_weight = ItemFactors(nothing, nothing), 0.0
    blend: Blend | None = None
    ndcg: dict[float, float] = {}
    notes: list[str] = []
    if rank:
        try:
            full, text_weight = _factors(data, split, valid, rank, product_text)
        except ConfigError as error:
            notes.append(f"no item factors: {error}")
        else:
            with_item_factors, dim = plain.with_item_factors(full), full.target.shape[1]
            best = ndcg[0.0] = validate(None, plain).filtered["ndcg@10"]
            for blend_weight, decay in product((*BLEND_WEIGHTS, FACTORS_NEARLY_ALONE), DECAYS):
                each = Blend(rank=dim, weight=blend_weight, decay=decay)
                figure = validate(each, with_item_factors).filtered["ndcg@10"]
                ndcg[blend_weight] = max(figure, ndcg.get(blend_weight, 0.0))
                if figure > best and blend_weight != FACTORS_NEARLY_ALONE:
                    best, blend, factors = figure, each, full
            figures = ", ".join(f"{each:g}: {value:.4f}" for each, value in ndcg.items())
            notes.append(
                ("" if blend else "no item factors: ")
                + f"item factors of {dim} dimensions, texts {text_weight:g}, weight {blend.weight if blend else 0:g}, decay "
                f"{blend.decay if blend else 1:g} (validation ndcg@10 by weight: {figures})"
            )
    states = plain.with_item_factors(factors) if blend else plain
    unfiltered: dict[float, float] = {}
    if num_codes:
        number = assign_codes(table.user[train], table.product[train], table.num_products, num_codes)
        code = functional.one_hot(torch.from_numpy(number), num_codes).float()
        unfiltered[0.0] = validate(blend, states).unfiltered["ndcg@10"]
        before_penalty = blend or Blend(rank=0, weight=0.0)
        for penalty in PENALTIES:
            penalised = before_penalty.model_copy(update={"num_codes": num_codes, "penalty": penalty})
            with_codes = plain.with_item_factors(factors, code, penalty)
            figure = validate(penalised, with_codes).unfiltered["ndcg@10"]
            if figure > max(unfiltered.values()):
                blend, states = penalised, with_codes
            unfiltered[penalty] = figure
        figures = ", ".join(f"{each:g}: {value:.4f}" for each, value in unfiltered.items())
        penalty = blend.penalty if blend else 0.0
        notes.append(
            f"{num_codes} exclusion codes, penalty {penalty:g} (unfiltered validation ndcg@10 by penalty: {figures})"
        )
    note = "\n".join(notes)
    if blend is None and before is None:
        return FittedItemFactors(None, text_weight, ndcg, unfiltered, note)
    kept.model.blend = blend
    found = FittedItemFactors(blend, text_weight, ndcg, unfiltered, note)
    info = kept.info | {"item_factors": found.facts}
    save_checkpoint(checkpoint, kept.model, states, kept.products, kept.names, info)
    return found


def _factors(
    data: Data, split: Split, valid: Ints, rank: int, product_text: Vectors | None
) -> tuple[ItemFactors, float]:
    """The matrix of EASE cut to vectors, and the weight of the texts in it, chosen on validation by the whole."""
    table, train = data.table, split.train
    settings = EASESettings(regularisation=REGULARISATION, pairs=PAIRS)
    chosen, text_weight = EASE(settings).fit(table, train), 0.0
    if product_text is not None and np.any(product_text):

        def validate(model: EASE) -> float:
            return evaluate(model, table, valid, among=split.in_histories).filtered["ndcg@10"]

        best = validate(chosen)
        for each in TEXT_WEIGHTS:
            reader = TextEASE(product_text, TextEASESettings(**settings.model_dump(), text_weight=each))
            try:
                reader.fit(table, train)
            except ConfigError:  # too much for float32
                break
            if (figure := validate(reader)) > best:
                best, chosen, text_weight = figure, reader, each
    reads = torch.from_numpy(np.bincount(table.product[train], minlength=table.num_products))
    rank = min(max(rank, table.num_products // PER_PRODUCT), 2 * rank)
    return low_rank_factors(torch.from_numpy(chosen.weights), reads, rank), text_weight


def _texts(figures: dict[float, float]) -> dict[str, float]:
    return {f"{key:g}": value for key, value in figures.items()}
