"""Settings of NeuMF, apart from its network: no torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from rec_sys.settings import Settings

STEPS = 20  # of an epoch, at least
MAX_BATCH = 100_000
MAX_CANDIDATES = 4_000
LEARNING_RATE = 0.005


class NeuMFSettings(Settings):
    """Settings of NeuMF."""

    factors: int = Field(16, ge=1, description="length of the GMF vectors and width of the last layer of the MLP")
    depth: int = Field(2, ge=1, le=6, description="layers of the MLP; each is half as wide as the one before it")
    loss: Literal["softmax", "bce"] = Field("softmax", description="bce: the paper's, with drawn negatives")
    candidates: int = Field(0, ge=0, description="products a softmax is taken over; 0: all, or drawn where very many")
    negatives: int = Field(4, ge=1, description="drawn anew each epoch for each positive of bce")
    batch_size: int = Field(0, ge=0, description="pairs scored in a step; 0: by the size of the data")
    learning_rate: float = Field(0.0, ge=0, description="of Adam; 0: by the size of the data")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    dropout: float = Field(0.0, ge=0, lt=1, description="part of the numbers set to 0 while training")
    pretrain: int = Field(0, ge=0, description="epochs of each branch alone before both are trained together")
    epochs: int = Field(30, ge=1, description="at most; exactly so many without validation")
    patience: int = Field(3, ge=1, description="epochs without a better one before training stops")
    max_history: int = Field(200, ge=1, description="newest products of a new user's history that are folded in")
    fold_in_steps: int = Field(10, ge=0, description="gradient steps on the vector of a new user; 0: the typical one")
    fold_in_rate: float = Field(0.1, gt=0, description="of Adam when a new user is folded in")
    seed: int = Field(0, ge=0, description="draws the first weights, the batches and the negatives")


@dataclass(frozen=True)
class TrainingPlan:
    """The settings, with what follows from the size of the data."""

    settings: NeuMFSettings
    batch_size: int  # pairs scored in a step
    learning_rate: float
    candidates: int  # products a softmax is taken over

    @classmethod
    def of(cls, settings: NeuMFSettings, num_users: int, num_products: int, num_pairs: int) -> TrainingPlan:
        """At least `STEPS` steps an epoch, and no more pairs in a step than memory should hold."""
        s = settings
        candidates = min(s.candidates or MAX_CANDIDATES, num_products)
        scored = num_users * candidates if s.loss == "softmax" else num_pairs * (1 + s.negatives)
        batch_size = s.batch_size or min(max(scored // STEPS, 1), MAX_BATCH)
        return cls(s, batch_size, s.learning_rate or LEARNING_RATE, candidates)
