"""The memory: which products are taken together, learned in closed form and cut to vectors.

Attention over learned vectors finds what is alike; it is poor at remembering that these two of ten thousand products go
together, which a full item-item matrix does well. So such a matrix W (num_products, num_products) is written as the
inner products of two short vectors per product, W_ij ~ history_i . target_j, which stand beside those of the graph: a
person's vector stays one vector and the answer one inner product.

What a product says of itself (the diagonal) is never asked, so it is left free: each round fills it with what the
factors say. Rows weigh by how often they are read, as in weighted low-rank approximation (Srebro and Jaakkola 2003);
the factors come from subspace iteration (Halko, Martinsson and Tropp 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from rec_sys.settings import Settings

ROUNDS = 6
SPARE = 32  # dimensions more while iterating, so that the last ones kept are accurate too


class Blend(Settings):
    """What stands beside the graph's vectors, and how much of it."""

    rank: int = Field(ge=0, description="dimensions of the memory; 0: none")
    weight: float = Field(ge=0, lt=1, description="part of a person's vector that is memory, in squared length")
    decay: float = Field(0.9, gt=0, le=1, description="a review weighs decay ** age")
    num_codes: int = Field(0, ge=0, description="dimensions of the colours; 0: none")
    penalty: float = Field(0.0, ge=0, lt=1, description="part of all vectors that is colour, in squared length")


@dataclass(frozen=True)
class ItemFactors:
    """Two vectors per product; their inner products are the item-item matrix, up to one factor."""

    history: Tensor  # (num_products, rank)
    target: Tensor  # (num_products, rank), the longest row has length 1


def low_rank_factors(weights: Tensor, reads: Tensor, rank: int, seed: int = 0) -> ItemFactors:
    """Cut an item-item matrix to vectors.

    Args:
        weights: (num_products, num_products); row i says what follows from having product i. Its diagonal is replaced.
        reads: (num_products,) how often each row is read: reviews of each product.
        rank: dimensions, at most num_products.
        seed: of the start.
    """
    num_products = len(weights)
    rank = min(rank, num_products)
    generator = torch.Generator().manual_seed(seed)
    row = reads.clamp(min=1).float().sqrt()[:, None]
    basis = torch.randn(num_products, min(rank + SPARE, num_products), generator=generator)
    diagonal = weights.new_zeros(num_products)
    scaled = weights * row
    for _ in range(ROUNDS):
        scaled.diagonal().copy_(diagonal * row[:, 0])
        basis = torch.linalg.qr(scaled @ (scaled.T @ basis))[0]
        left, size, right = torch.linalg.svd(basis.T @ scaled, full_matrices=False)
        left, size, right = (basis @ left)[:, :rank], size[:rank].sqrt(), right[:rank].T
        history, target = left * size / row, right * size
        diagonal = (history * target).sum(dim=1)
    return ItemFactors(history, target / target.norm(dim=1).max().clamp(min=1e-12))


def blend_products(preference: Tensor, factors: Tensor, code: Tensor, penalty: float) -> Tensor:
    """Products to recommend, (num_products, dim + rank + 1 + colours) unit vectors: taste, memory, the rest, colour.

    The rest is what is left of the length; it meets a zero.

    Args:
        taste: (num_products, dim) unit vectors.
        memory: (num_products, rank) `Memory.target`; zeros for a new product.
        colour: (num_products, colours) one-hot; zeros for a new product.
        push: `MemoryMix.push`.
    """
    known = torch.cat([preference, factors], dim=1) * ((1 - penalty) / 2) ** 0.5
    mark = code * penalty**0.5
    rest = (1 - known.square().sum(dim=1, keepdim=True) - mark.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt()
    return torch.cat([known, rest, mark], dim=1)


def blend_users(preference: Tensor, factors: Tensor, code: Tensor, age: Tensor, user: Tensor, blend: Blend) -> Tensor:
    """People, (num_users, dim + rank + 1 + colours) unit vectors that meet those of `blend_products`.

    Args:
        taste: (num_users, dim) unit vectors.
        memory: (num_edges, rank) `Memory.history` of the product of each review.
        colour: (num_edges, colours) of the product of each review.
        age: (num_edges,) 0 for the newest review of a history.
        user: (num_edges,) the user of each review.
        mix: how much of it.
    """
    age_weight = blend.decay ** age.to(factors.dtype)
    history_factor_sum = factors.new_zeros(len(preference), factors.shape[1]).index_add(
        0, user, factors * age_weight[:, None]
    )
    history_factor_sum = functional.normalize(history_factor_sum, dim=1)
    owned = code.new_zeros(len(preference), code.shape[1]).index_add(0, user, code)
    owned = functional.normalize(owned, dim=1)
    blend_weight = blend.weight * history_factor_sum.square().sum(
        dim=1, keepdim=True
    )  # nothing to recall: all is taste
    left = (1 - blend.penalty * owned.square().sum(dim=1, keepdim=True)).sqrt()
    wanted = (
        torch.cat(
            [
                preference * (1 - blend_weight).sqrt(),
                history_factor_sum * blend.weight**0.5,
                torch.zeros_like(blend_weight),
            ],
            dim=1,
        )
        * left
    )
    return torch.cat([wanted, -owned * blend.penalty**0.5], dim=1)
