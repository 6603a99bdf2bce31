"""The network of SASRec and its training; the only file of SASRec that imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.table import ReviewTable
from rec_sys.progress import Progress, ProgressCallback
from rec_sys.recommenders.sasrec_settings import SASRecSettings

MAX_LOGITS = 25_000_000  # of one batch: 100 MB as float32


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

    @property
    def num_products(self) -> int:
        """Size of the catalogue."""
        return self.product.num_embeddings - 1

    @torch.inference_mode()
    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products) of histories no longer than the network reads."""
        self.eval()
        products, _ = padded(histories)
        vectors = self(_after_the_start(products, self.num_products))
        last = vectors[torch.arange(len(histories)), torch.from_numpy(histories.lengths)]
        scores: Floats = self.logits(last).numpy()
        return scores


def train_network(
    network: SASRecNetwork,
    table: ReviewTable,
    train: Ints,
    settings: SASRecSettings,
    validate: Callable[[], float] | None,
    progress: ProgressCallback | None,
) -> int:
    """Train in epochs; the network has the weights of the best one in the end.

    Args:
        network: untrained.
        table: the reviews.
        train: review numbers, ascending.
        settings: of the training.
        validate: asked after each epoch how good the network is (higher is better): the best epoch is kept, and
            training stops after `patience` epochs without a better one. None: the last of all epochs is kept.
        progress: told after each epoch.

    Returns:
        The number of the epoch that is kept.
    """
    pieces = training_pieces(table, train, settings.max_history + 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    random = np.random.default_rng(settings.seed)
    best, best_epoch, kept = -np.inf, settings.epochs, network.state_dict()
    for epoch in range(1, settings.epochs + 1):
        _train_epoch(network, pieces, settings.batch_size, optimizer, random)
        figures = {}
        if validate is not None:
            value = validate()
            figures["validation"] = value
            if value > best:
                best, best_epoch = value, epoch
                kept = {name: weight.clone() for name, weight in network.state_dict().items()}
        stop = validate is not None and epoch >= best_epoch + settings.patience
        if progress is not None:
            progress(Progress("train SASRec", epoch, epoch if stop else settings.epochs, "epochs", figures))
        if stop:
            break
    network.load_state_dict(kept)
    return best_epoch


def _train_epoch(
    network: SASRecNetwork,
    pieces: Histories,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    random: np.random.Generator,
) -> None:
    """Every review of the pieces predicted once."""
    network.train()
    for batch in piece_batches(pieces, min(batch_size, MAX_LOGITS // network.num_products), random):
        products, is_product = padded(batch)
        # The padding at the end is looked at by nobody: each place sees only those before it.
        vectors = network(_after_the_start(products, network.num_products)[:, :-1])
        loss = F.cross_entropy(network.logits(vectors[is_product]), products[is_product])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def training_pieces(table: ReviewTable, train: Ints, length: int) -> Histories:
    """The training reviews of each user, cut from the end into pieces of at most `length`."""
    everything = Histories(
        np.searchsorted(table.user[train], np.arange(table.num_users + 1)).astype(np.int64), train, table.product[train]
    )
    user, piece = everything.row, everything.age // length
    begins = np.ones(len(train), dtype=bool)
    begins[1:] = (user[1:] != user[:-1]) | (piece[1:] != piece[:-1])
    return Histories(np.append(np.flatnonzero(begins), len(train)), everything.review, everything.product)


def piece_batches(pieces: Histories, size: int, random: np.random.Generator) -> Iterator[Histories]:
    """All pieces in random order, in batches of about `size` reviews, at least one piece each."""
    order = random.permutation(len(pieces))
    lengths = pieces.lengths[order]
    batch_of = np.cumsum(lengths) // max(size, 1)
    for chosen in np.split(order, np.flatnonzero(np.diff(batch_of)) + 1):
        indptr = np.concatenate([[0], np.cumsum(pieces.lengths[chosen])]).astype(np.int64)
        entry = np.arange(indptr[-1]) + np.repeat(pieces.indptr[chosen] - indptr[:-1], np.diff(indptr))
        yield Histories(indptr, pieces.review[entry], pieces.product[entry])


def padded(histories: Histories) -> tuple[Tensor, Tensor]:
    """(n, longest) product numbers with 0 behind the end of each history, and where they are products."""
    is_product = np.arange(histories.lengths.max(initial=0)) < histories.lengths[:, None]
    products = np.zeros(is_product.shape, dtype=np.int64)
    products[is_product] = histories.product
    return torch.from_numpy(products), torch.from_numpy(is_product)


def _after_the_start(products: Tensor, num_products: int) -> Tensor:
    """(n, longest + 1): the start token, then the products."""
    return F.pad(products, (1, 0), value=num_products)
