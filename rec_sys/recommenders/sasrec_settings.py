"""Settings of SASRec, apart from its network: no torch in here."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from rec_sys.settings import Settings


class SASRecSettings(Settings):
    """Settings of SASRec."""

    dim: int = Field(64, ge=1, description="length of the vectors")
    blocks: int = Field(2, ge=1, description="attention blocks, one on top of the other")
    heads: int = Field(2, ge=1, description="attention heads of a block; divides dim")
    max_history: int = Field(20, ge=1, description="newest products of a history that are read")
    dropout: float = Field(0.3, ge=0, lt=1, description="part of the numbers set to 0 while training")
    learning_rate: float = Field(3e-3, gt=0, description="of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    batch_size: int = Field(1024, ge=1, description="reviews predicted at once, in whole histories; about")
    epochs: int = Field(40, ge=1, description="at most; exactly so many without validation")
    patience: int = Field(4, ge=1, description="epochs without a better one before training stops")
    seed: int = Field(0, ge=0, description="draws the first weights, the batches and the dropout")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim={self.dim} cannot be shared by heads={self.heads}; give a multiple")
        return self
