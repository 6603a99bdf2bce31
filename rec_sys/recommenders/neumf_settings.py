"""Settings of NeuMF, apart from its network: no torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from rec_sys.settings import Settings

STEPS = 25  # of an epoch, at least
MAX_BATCH = 100_000  # pairs of a softmax, which share what is computed once per user and once per product
MAX_POINTWISE_BATCH = 20_000


class NeuMFSettings(Settings):
    """Settings of NeuMF."""

    factors: int = Field(32, ge=1, description="length of the GMF vectors and width of the last layer of the MLP")
    depth: int = Field(1, ge=1, le=6, description="layers of the MLP; each is half as wide as the one before it")
    loss: Literal["softmax", "bce"] = Field("softmax", description="sampled softmax; bce: the paper's, pair by pair")
    candidates: int = Field(500, ge=1, description="products drawn anew for each batch of softmax; all where fewer")
    negatives: int = Field(4, ge=1, description="products drawn anew each epoch for each positive of bce")
    batch_size: int = Field(0, ge=0, description="pairs scored in a step; 0: by the size of the data")
    learning_rate: float = Field(0.01, gt=0, description="of AdamW")
    weight_decay: float = Field(0.3, ge=0, description="of AdamW, times the learning rate at each step")
    dropout: float = Field(0.0, ge=0, lt=1, description="part of the numbers set to 0 while training")
    pretrain: int = Field(0, ge=0, description="epochs of each branch alone before both are trained together")
    epochs: int = Field(20, ge=1, description="at most; exactly so many without validation")
    patience: int = Field(5, ge=1, description="epochs without a better one before training stops")
    own: float = Field(0.1, ge=0, le=1, description="share of a known user's own vector, at scoring only")
    decay: float = Field(0.8, gt=0, le=1, description="weight of a history entry is decay ** age, at scoring only")
    stretch: float = Field(
        1.5, gt=0, description="distance of alike users' mean from the mean user, times this; at scoring only"
    )
    max_history: int = Field(50, ge=1, description="newest products of a history that are folded in")
    seed: int = Field(0, ge=0, description="draws the first weights, the batches and the negatives")


@dataclass(frozen=True)
class TrainingPlan:
    """The settings, with what follows from the size of the data."""

    settings: NeuMFSettings
    batch_size: int  # pairs scored in a step
    candidates: int  # products a softmax is taken over

    @classmethod
    def of(cls, settings: NeuMFSettings, num_users: int, num_products: int, num_pairs: int) -> TrainingPlan:
        """At least `STEPS` steps an epoch, and no more pairs in a step than memory should hold."""
        s = settings
        candidates = min(s.candidates, num_products)
        scored = num_users * candidates if s.loss == "softmax" else num_pairs * (1 + s.negatives)
        most = MAX_BATCH if s.loss == "softmax" else MAX_POINTWISE_BATCH
        return cls(s, s.batch_size or min(max(scored // STEPS, 1), most), candidates)
