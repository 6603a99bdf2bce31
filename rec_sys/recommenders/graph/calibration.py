"""After the memory: new products get a place among the known ones, as bold as is wanted.

Known products are asked for as if they were new, a twentieth of them at a time, each from its text and its neighbours
without itself; one that has no text of its own from its first reviews alone, since a new one has no more. The length of
such vectors is the largest that costs the other products no more than a given part of their ndcg@10 on validation: the
longer, the more often new products are recommended, and in the place of others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.dataset import Data
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.product_texts import with_texts_from
from rec_sys.dataset.splits import Split, first_reviews, histories_before
from rec_sys.metrics.ranking import values_of_ranks
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.cold_start import Calibration, ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.recommender import GraphRecommender

PARTS = 20  # a twentieth at a time
SCORES = 40_000_000  # numbers in memory at once
LIST = 50
HISTORY = 20
HALVINGS = 16


@dataclass(frozen=True)
class CalibrationReport:
    """What became of new products."""

    scale: float
    exposure: float | None  # how often such a product is among a person's first 50, beside an average one
    ndcg: float | None  # filtered ndcg@10 of the known products on validation
    ndcg_as_known: float | None  # the same with known products in the place of the new ones; None: nothing was chosen
    count: int  # products of the catalogue without a training review, now placed by their texts

    @property
    def note(self) -> str:
        """One line for a person."""
        placed = f"; {self.count:,} of the catalogue placed by their texts" if self.count else ""
        if self.ndcg is None:
            return f"new products have scale {self.scale:.3f}, and nothing to choose another by{placed}"
        return (
            f"new products of scale {self.scale:.3f} are recommended {self.exposure:.1f} times as often as an "
            f"average one (validation ndcg@10 of the others {self.ndcg:.4f}, without them "
            f"{self.ndcg_as_known:.4f}){placed}"
        )


def calibrate_cold_start(
    checkpoint: Path, data: Data, split: Split, valid: Ints, product_text: Vectors, cost: float
) -> CalibrationReport | None:
    """Set how boldly new products compete, and place those of the catalogue that have no training review.

    Args:
        checkpoint: of the trained network, its memory chosen; it is replaced in one step.
        data: what it was trained on.
        split: its parts; only `train` and what histories may hold are looked at.
        valid: the validation reviews to choose by.
        product_text: (num_products, text_dim) of all products, zero where there is none; those are what all of their
            training reviews say, and while they stand for new ones what the first of these say.
        cost: part of the known products' filtered ndcg@10 that may be lost.

    Returns:
        None where there are no texts to compare: the checkpoint stays as it is.
    """
    table, kept = data.table, load_checkpoint(checkpoint)
    if not kept.model.text_dim:
        return None
    count = torch.from_numpy(np.bincount(table.product[split.train], minlength=table.num_products))
    text = _unit(with_texts_from(table, split.train, data.review_text, product_text))
    bank = TextNeighbourBank(text.half(), count > 0, Calibration(scale=1.0))
    new = ColdItemEncoder(kept.model.product_tower, kept.states, bank).eval()
    if len(new.numbers) < 2:
        return None
    scale, exposure, ndcg, as_known = 1.0, None, None, None
    with torch.inference_mode():
        if new.blend:
            ours = GraphRecommender(kept.model, kept.states, table, data.review_text)
            some = _some(valid, SCORES // table.num_products)
            histories = histories_before(table, some, split.in_histories)
            vectors = ours.user_vectors(histories.last(HISTORY))
            as_new = _unit(cold_start_texts(data, split, product_text))
            trial = Trial(new, kept.states, vectors, histories, table.product[some], as_new)
            if trial.folds:
                scale = choose_scale(trial, cost)
                exposure, ndcg, as_known = trial.exposure(scale), trial.ndcg(scale), trial.as_known
            else:
                scale = (1 - new.blend.penalty) / 2  # of a known product's taste
        unseen = bank.cold_items
        cold_items = new.of_parts(*_parts(new, text[unseen]), scale)
        states = ProductStates(kept.states.history.clone(), kept.states.target.clone())
        states.history[unseen], states.target[unseen] = cold_items.history, cold_items.target
    bank = replace(bank, calibration=Calibration(scale=scale))
    save_checkpoint(checkpoint, kept.model, states, kept.products, kept.names, kept.info, bank)
    return CalibrationReport(scale, exposure, ndcg, as_known, len(unseen))


def cold_start_texts(data: Data, split: Split, product_text: Vectors) -> Vectors:
    """What every product would be described by if it were new: its own text, or its first training reviews."""
    return with_texts_from(data.table, first_reviews(data.table, split.train), data.review_text, product_text)


@dataclass(frozen=True)
class Fold:
    """Products that are asked for as if they were new, and the people who take another one next."""

    place: Tensor  # (num_new,) by their places among the examples
    others: Tensor  # (num_others,) numbers of these people
    above: Tensor  # (num_others,) products that stand above the one they take, these left out
    flat: Tensor  # (num_people, 1) score of a new product of length 0
    gain: Tensor  # (num_people, num_new) what the root of the length adds; -inf where owned
    known: Tensor  # (num_people, num_new) their scores as known products; -inf where owned


class Trial:
    """What known products lose when some of the catalogue is asked for as if it were new, a twentieth at a time.

    Parts that no text describes or that everybody takes next are left out; `folds` may be empty.

    Args:
        new: the known products as examples, with something beside the graph.
        states: of all products.
        people: (num_people, target_dim) vectors.
        histories: theirs.
        wanted: (num_people,) product numbers that they take next.
        text: (num_products, text_dim) unit vectors, what a new product would be described by.
    """

    def __init__(
        self,
        new: ColdItemEncoder,
        states: ProductStates,
        users: Floats,
        histories: Histories,
        wanted: Ints,
        text: Tensor,
    ) -> None:
        vectors, target = torch.from_numpy(users), torch.from_numpy(wanted)
        owned = torch.from_numpy(histories.matrix(len(states.target)).toarray() > 0)
        owned[torch.arange(len(target)), target] = False
        scores = (vectors @ states.target.T).masked_fill(owned, -torch.inf)
        self.own = scores.gather(1, target[:, None])
        above = (scores > self.own).sum(dim=1)
        self.last = scores.topk(min(LIST, scores.shape[1]), dim=1).values[:, -1:]
        order = torch.randperm(len(new.numbers), generator=torch.Generator().manual_seed(0))
        order = order[text[new.numbers[order]].any(dim=1)]
        self.folds: list[Fold] = []
        for place in order.chunk(PARTS) if len(order) else ():
            number = new.numbers[place]
            others = (~torch.isin(target, number)).nonzero()[:, 0]
            if not len(others):
                continue
            described = new.of_parts(*_parts(new, text[number], place), 1.0).target
            flat = vectors[:, :1] * described[:1, 0]  # one level for all, whatever the length
            gain = (vectors @ described.T - flat).masked_fill(owned[:, number], -torch.inf)
            known = scores[:, number]
            rest = above[others] - (known > self.own).sum(dim=1)[others]
            self.folds.append(Fold(place, others, rest, flat, gain, known))
        self.as_known = self._ndcg([fold.known for fold in self.folds])
        self.all = scores.shape[1]

    def _scores(self, scale: float) -> list[Tensor]:
        """(num_people, num_new) for each fold; -inf where owned."""
        no = -torch.inf  # also of no length
        return [fold.flat + (fold.gain * scale**0.5).nan_to_num(nan=no, neginf=no) for fold in self.folds]

    def _ndcg(self, scores: list[Tensor]) -> float:
        """Masked ndcg@10 of the known products, mean over the folds."""
        figures = []
        for fold, new in zip(self.folds, scores, strict=True):
            rank = 1 + fold.above + (new > self.own).sum(dim=1)[fold.others]
            figures.append(float(values_of_ranks(rank.double().numpy(), "ndcg@10").mean()))
        return sum(figures) / max(len(figures), 1)

    def ndcg(self, scale: float) -> float:
        """Masked ndcg@10 of the known products beside new ones of this length."""
        return self._ndcg(self._scores(scale))

    def exposure(self, scale: float) -> float:
        """How often a new product is among the first LIST, beside an average product."""
        shown = sum(int((new > self.last).sum()) for new in self._scores(scale))
        possible = sum(int((fold.known > -torch.inf).sum()) for fold in self.folds)  # all but what people own
        return shown / max(possible, 1) * self.all / min(LIST, self.all)


def _parts(
    new: ColdItemEncoder, text: Tensor, leave_out: Tensor | None = None
) -> tuple[ProductStates, Tensor, Tensor, Tensor]:
    """`NewProducts.parts`, so many texts at a time that their cosines fit into memory."""
    size = max(1, SCORES // max(1, len(new.numbers)))
    starts = range(0, max(1, len(text)), size)
    found = [
        new.parts(text[start : start + size], None if leave_out is None else leave_out[start : start + size])
        for start in starts
    ]
    own, *others = zip(*found, strict=True)
    states = ProductStates(torch.cat([each.history for each in own]), torch.cat([each.target for each in own]))
    preference, factors, history_factor_sum = (torch.cat(each) for each in others)
    return states, preference, factors, history_factor_sum


def choose_scale(trial: Trial, cost: float) -> float:
    """The largest length that costs at most `cost` of the figure with known products in the place of the new ones."""
    least = (1 - cost) * trial.as_known
    if trial.ndcg(1.0) >= least:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if trial.ndcg(middle) >= least else (low, middle)
    return low


def _unit(text: Vectors) -> Tensor:
    return functional.normalize(torch.from_numpy(np.array(text, dtype=np.float32)), dim=1)


def _some(numbers: Ints, count: int) -> Ints:
    """At most `count` of them, evenly spread."""
    return numbers[np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(np.int64)]
