"""The last step of a training: the memory is learned, and validation says how much it counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rec_sys.dataset.data import Data
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import Ints
from rec_sys.errors import ConfigError
from rec_sys.evaluation.protocol import evaluate
from rec_sys.modules.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.modules.memory import MemoryMix, make_memory
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.graph import GraphRecommender

REGULARISATION = 100.0
SHARES = (0.0, 0.2, 0.5, 0.8, 0.94)  # 0, 1/2, 1, 2, 4 times the weight of the taste


@dataclass(frozen=True)
class Remembered:
    """What became of the memory."""

    mix: MemoryMix | None  # None: there is none, or validation wanted none
    ndcg: dict[float, float]  # masked ndcg@10 on validation by share
    note: str  # one line for a person


def remember(checkpoint: Path, data: Data, split: Split, valid: Ints, rank: int) -> Remembered:
    """Put the memory of the training reviews beside the graph of a checkpoint and choose its share on validation.

    The checkpoint is replaced in one step, or left as it is where the memory does not help.

    Args:
        checkpoint: of the trained network.
        data: what it was trained on.
        split: its parts; only `train` and `valid` are looked at.
        valid: the validation reviews to choose by.
        rank: dimensions of the memory.
    """
    try:
        ease = EASE.for_catalogue(data.table.num_products, EASESettings(regularisation=REGULARISATION))
    except ConfigError as error:
        return Remembered(None, {}, f"no memory: {error}")
    weights = ease.fit(data.table, split.train).weights
    reads = torch.from_numpy(np.bincount(data.table.product[split.train], minlength=data.table.num_products))
    memory = make_memory(torch.from_numpy(weights), reads, rank)
    kept = load_checkpoint(checkpoint)
    plain = kept.states  # a run that went on and found no better epoch has a memory already
    if kept.model.memory:
        plain = plain.without_memory(kept.model.memory.rank)
    with_memory = plain.with_memory(memory)
    ndcg: dict[float, float] = {}
    for share in SHARES:
        kept.model.memory = MemoryMix(rank=memory.target.shape[1], share=share) if share else None
        states = with_memory if share else plain
        recommender = GraphRecommender(kept.model, states, data.table, data.review_text)
        ndcg[share] = evaluate(recommender, data.table, valid, among=split.in_histories).masked["ndcg@10"]
    best = max(SHARES, key=lambda share: (ndcg[share], -share))
    figures = ", ".join(f"{share:g}: {value:.4f}" for share, value in ndcg.items())
    note = f"memory of {memory.target.shape[1]} dimensions, share {best:g} (validation ndcg@10 by share: {figures})"
    if not best:
        return Remembered(None, ndcg, f"no memory: {note}")
    kept.model.memory = MemoryMix(rank=memory.target.shape[1], share=best)
    info = kept.info | {"memory": {"share": best, "ndcg@10": {f"{share:g}": value for share, value in ndcg.items()}}}
    save_checkpoint(checkpoint, kept.model, with_memory, kept.products, kept.names, info)
    return Remembered(kept.model.memory, ndcg, note)
