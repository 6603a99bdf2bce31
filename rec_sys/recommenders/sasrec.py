"""SASRec: self-attention over the products of a history, in their order (Kang & McAuley, ICDM 2018).

The loss is the softmax over all products at every place of a history. With it, and not with the paper's single drawn
negative, SASRec is as good as its successors (Klenitskiy & Vasilev, "Turning Dross Into Gold Loss", RecSys 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.base import Recommender
from rec_sys.settings import Settings

MAX_LOGITS = 25_000_000  # of one batch: 100 MB as float32


class SASRecSettings(Settings):
    """Settings of SASRec."""

    dim: int = Field(64, ge=1, description="length of the vectors")
    blocks: int = Field(2, ge=1, description="attention blocks, one on top of the other")
    heads: int = Field(2, ge=1, description="attention heads of a block; divides dim")
    max_history: int = Field(20, ge=1, description="newest products of a history that are looked at")
    dropout: float = Field(0.3, ge=0, lt=1, description="part of the numbers set to 0 while training")
    learning_rate: float = Field(3e-3, gt=0, description="of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    batch_size: int = Field(1024, ge=1, description="reviews predicted at once, in whole histories; about")
    epochs: int = Field(40, ge=1, description="at most; exactly, where nothing judges them")
    patience: int = Field(4, ge=1, description="epochs without a better one before training stops")
    seed: int = Field(0, ge=0, description="draws the first weights, the batches and the dropout")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim={self.dim} cannot be shared by heads={self.heads}; give a multiple")
        return self


class Block(nn.Module):
    """Attention to what came before and a small network, each behind a norm and beside a shortcut."""

    def __init__(self, settings: SASRecSettings) -> None:
        super().__init__()
        self.heads, self.dropout = settings.heads, settings.dropout
        dim = settings.dim
        self.norm_attention, self.norm_network = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query_key_value, self.mix = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.network = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(settings.dropout), nn.Linear(4 * dim, dim)
        )
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, dim) to the same shape."""
        n, length, dim = x.shape
        heads = self.query_key_value(self.norm_attention(x)).view(n, length, 3, self.heads, dim // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (n, heads, length, dim / heads)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        x = x + self.drop(self.mix(seen.transpose(1, 2).reshape(n, length, dim)))
        result: Tensor = x + self.drop(self.network(self.norm_network(x)))
        return result


class SASRecNetwork(nn.Module):
    """What stands before each place of a history, as a vector that the products are compared with."""

    def __init__(self, num_products: int, settings: SASRecSettings) -> None:
        super().__init__()
        self.product = nn.Embedding(num_products + 1, settings.dim)  # the last one is the start of every history
        self.place = nn.Embedding(settings.max_history + 1, settings.dim)
        self.drop = nn.Dropout(settings.dropout)
        self.blocks = nn.Sequential(*(Block(settings) for _ in range(settings.blocks)))
        self.norm = nn.LayerNorm(settings.dim)
        for embedding in (self.product, self.place):
            nn.init.normal_(embedding.weight, std=0.05)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, length) product numbers, the start first, to (n, length, dim)."""
        x = self.product(inputs) + self.place.weight[: inputs.shape[1]]
        vectors: Tensor = self.norm(self.blocks(self.drop(x)))
        return vectors

    def logits(self, vectors: Tensor) -> Tensor:
        """(n, dim) to (n, num_products)."""
        return vectors @ self.product.weight[:-1].T


class SASRec(Recommender):
    """A causal transformer: after each product of a history, which one is next?

    Every history begins with a start token, so the first product is predicted too and an empty history is answered.
    """

    name = "SASRec"

    def __init__(self, settings: SASRecSettings | None = None) -> None:
        self.settings = settings or SASRecSettings()

    def fit(self, table: ReviewTable, train: Ints, validate: Callable[[SASRec], float] | None = None) -> Self:
        """See the base class.

        Args:
            table: the reviews.
            train: review numbers, ascending.
            judge: asked after each epoch how good the model is (higher is better): the best epoch is kept, and training
                stops after `patience` epochs without a better one. Without it the last of all epochs is kept.
        """
        s = self.settings
        pieces = _pieces(table, train, s.max_history + 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            self.network = SASRecNetwork(table.num_products, s)
            optimizer = torch.optim.AdamW(self.network.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
            random = np.random.default_rng(s.seed)
            best, self.best_epoch, kept = -np.inf, s.epochs, self.network.state_dict()
            for epoch in (bar := tqdm(range(1, s.epochs + 1), desc=self.name, unit="epoch", disable=None)):
                self._epoch(pieces, table.num_products, optimizer, random)
                if validate is None:
                    continue
                value = validate(self)
                bar.set_postfix(value=f"{value:.4f}")
                if value > best:
                    best, self.best_epoch = value, epoch
                    kept = {name: weight.clone() for name, weight in self.network.state_dict().items()}
                elif epoch >= self.best_epoch + s.patience:
                    break
        self.network.load_state_dict(kept)
        return self

    def _epoch(
        self, pieces: Histories, num_products: int, optimizer: torch.optim.Optimizer, random: np.random.Generator
    ) -> None:
        """Every review of the pieces predicted once."""
        self.network.train()
        for batch in _batches(pieces, min(self.settings.batch_size, MAX_LOGITS // num_products), random):
            products, is_product = _padded(batch)
            # The padding at the end is looked at by nobody: each place sees only those before it.
            vectors = self.network(_after_the_start(products, num_products)[:, :-1])
            loss = F.cross_entropy(self.network.logits(vectors[is_product]), products[is_product])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    @torch.inference_mode()
    def score(self, histories: Histories) -> Floats:
        self.network.eval()
        recent = histories.last(self.settings.max_history)
        products, _ = _padded(recent)
        vectors = self.network(_after_the_start(products, self.network.product.num_embeddings - 1))
        last = vectors[torch.arange(len(recent)), torch.from_numpy(recent.lengths)]
        scores: Floats = self.network.logits(last).numpy()
        return scores


def _pieces(table: ReviewTable, train: Ints, length: int) -> Histories:
    """The training reviews of each person, cut from the end into pieces of at most `length`."""
    everything = Histories(
        np.searchsorted(table.user[train], np.arange(table.num_users + 1)).astype(np.int64), train, table.product[train]
    )
    user, piece = everything.row, everything.age // length
    begins = np.ones(len(train), dtype=bool)
    begins[1:] = (user[1:] != user[:-1]) | (piece[1:] != piece[:-1])
    return Histories(np.append(np.flatnonzero(begins), len(train)), everything.review, everything.product)


def _batches(pieces: Histories, size: int, random: np.random.Generator) -> Iterator[Histories]:
    """All pieces in random order, in batches of about `size` reviews, at least one piece each."""
    order = random.permutation(len(pieces))
    lengths = pieces.lengths[order]
    batch_of = np.cumsum(lengths) // max(size, 1)
    for chosen in np.split(order, np.flatnonzero(np.diff(batch_of)) + 1):
        indptr = np.concatenate([[0], np.cumsum(pieces.lengths[chosen])]).astype(np.int64)
        entry = np.arange(indptr[-1]) + np.repeat(pieces.indptr[chosen] - indptr[:-1], np.diff(indptr))
        yield Histories(indptr, pieces.review[entry], pieces.product[entry])


def _padded(histories: Histories) -> tuple[Tensor, Tensor]:
    """(n, longest) product numbers with 0 behind the end of each history, and where they are products."""
    is_product = np.arange(histories.lengths.max(initial=0)) < histories.lengths[:, None]
    products = np.zeros(is_product.shape, dtype=np.int64)
    products[is_product] = histories.product
    return torch.from_numpy(products), torch.from_numpy(is_product)


def _after_the_start(products: Tensor, num_products: int) -> Tensor:
    """(n, longest + 1): the start token, then the products."""
    return F.pad(products, (1, 0), value=num_products)
