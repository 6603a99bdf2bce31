"""After the memory: new products get a place among the known ones, as bold as is wanted.

A known product is asked for as if it were new, from its text and its neighbours without itself, and the length of such
vectors is set so that they enter people's first LIST products `exposure` times as often as an average known product
does. Nothing but the histories of people is looked at, no review to be predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rec_sys.dataset.data import Data
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import Split, histories_before
from rec_sys.dataset.table import Floats, Ints, Vectors
from rec_sys.modules.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.modules.new_products import NewProducts, Readable, Welcome
from rec_sys.modules.product_tower import ProductStates
from rec_sys.recommenders.graph import GraphRecommender

LIST = 50
PEOPLE, EXAMPLES = 1000, 500  # that are looked at, at most
HISTORY = 20
HALVINGS = 20


@dataclass(frozen=True)
class Welcomed:
    """What became of new products."""

    length: float
    exposure: float  # reached
    count: int  # products of the catalogue without a training review, now placed by their texts

    @property
    def note(self) -> str:
        """One line for a person."""
        placed = f"; {self.count:,} of the catalogue placed by their texts" if self.count else ""
        return f"new products compete with length {self.length:.3f}, exposure {self.exposure:.2f}{placed}"


def welcome(
    checkpoint: Path, data: Data, split: Split, valid: Ints, product_text: Vectors, exposure: float
) -> Welcomed | None:
    """Set how boldly new products compete, and place those of the catalogue that have no training review.

    Args:
        checkpoint: of the trained network, its memory chosen; it is replaced in one step.
        data: what it was trained on.
        split: its parts; only `train` and the histories before `valid` are looked at.
        valid: validation reviews; their authors' histories are the people looked at.
        product_text: (num_products, text_dim) of all products, zero where there is none.
        exposure: wanted, beside an average known product.

    Returns:
        None where there are no texts to compare: the checkpoint stays as it is.
    """
    table, kept = data.table, load_checkpoint(checkpoint)
    count = torch.from_numpy(np.bincount(table.product[split.train], minlength=table.num_products))
    text = torch.from_numpy(np.array(product_text, dtype=np.float32))
    text = torch.nn.functional.normalize(text, dim=1)
    readable = Readable((text * (count > 0)[:, None]).half(), Welcome(length=1.0))
    new = NewProducts(kept.model.product_tower, kept.states, readable).eval()
    if not kept.model.text_dim or len(new.numbers) < 2:
        return None
    length, reached = 1.0, float("nan")
    with torch.inference_mode():
        if new.rank:
            ours = GraphRecommender(kept.model, kept.states, table, data.review_text)
            histories = histories_before(table, _some(valid, PEOPLE), split.in_histories, HISTORY)
            length, reached = _length(new, kept.states, ours.user_vectors(histories), histories, text, exposure)
        unseen = ((count == 0) & text.any(dim=1)).nonzero()[:, 0]
        placed = new.of_parts(*new.parts(text[unseen]), length)
        states = ProductStates(kept.states.history.clone(), kept.states.target.clone())
        states.history[unseen], states.target[unseen] = placed.history, placed.target
    readable = Readable(readable.text, Welcome(length=length))
    save_checkpoint(checkpoint, kept.model, states, kept.products, kept.names, kept.info, readable)
    return Welcomed(length, reached, len(unseen))


def _length(
    new: NewProducts, states: ProductStates, people: Floats, histories: Histories, text: Tensor, exposure: float
) -> tuple[float, float]:
    """The length that gives the exposure wanted, and the exposure it gives."""
    place = torch.from_numpy(_some(np.arange(len(new.numbers)), EXAMPLES))
    example = new.numbers[place]
    own, taste, memory, recalled = new.parts(text[example], leave_out=place)
    vectors = torch.from_numpy(people)
    owned = torch.from_numpy(histories.matrix(len(states.target)).toarray() > 0)
    scores = (vectors @ states.target.T).masked_fill(owned, -torch.inf)
    last = scores.topk(min(LIST, scores.shape[1]), dim=1).values[:, -1:]  # (num_people, 1) what it takes to be listed

    def exposed(length: float) -> float:
        target = new.of_parts(own, taste, memory, recalled, length).target
        listed = (vectors @ target.T > last) & ~owned[:, example]
        return listed.sum().item() / (~owned[:, example]).sum().item() * scores.shape[1] / LIST

    low, high = 0.0, 1.0
    if exposed(high) <= exposure:
        return high, exposed(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if exposed(middle) <= exposure else (low, middle)
    return low, exposed(low)


def _some(numbers: Ints, count: int) -> Ints:
    """At most `count` of them, evenly spread."""
    return numbers[np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(np.int64)]
