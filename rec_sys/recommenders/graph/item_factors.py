"""Item factors: a closed-form item-item model, cut to two short vectors per product.

Attention over learned vectors finds what is alike; that these two of ten thousand products go together, a full item-
item matrix says better. So such a matrix W (num_products, num_products) is approximated by W_ij ~ history_i . target_j,
and the two factors stand beside the vectors of the network: a user stays one vector and the answer one inner product.

What a product says of itself (the diagonal) is never asked, so it is left free: each round fills it with what the
factors say. Rows weigh by how often they are read, as in weighted low-rank approximation (Srebro and Jaakkola 2003);
the factors come from subspace iteration (Halko, Martinsson and Tropp 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rec_sys.recommenders.graph.settings import Blend

ROUNDS = 6
SPARE = 32  # dimensions more while iterating, so that the last ones kept are accurate too


@dataclass(frozen=True)
class ItemFactors:
    """Two vectors per product; their inner products are the item-item matrix, up to one factor."""

    history: Tensor  # (num_products, rank)
    target: Tensor  # (num_products, rank), the longest row has length 1


def low_rank_factors(weights: Tensor, reads: Tensor, rank: int, seed: int = 0) -> ItemFactors:
    """Cut an item-item matrix to vectors.

    Args:
        weights: (num_products, num_products); row i says what follows from having product i. Its diagonal is replaced.
            The matrix is overwritten.
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
    scaled = weights.mul_(row)
    for _ in range(ROUNDS):
        scaled.diagonal().copy_(diagonal * row[:, 0])
        basis = torch.linalg.qr(scaled @ (scaled.T @ basis))[0]
        left, size, right = torch.linalg.svd(basis.T @ scaled, full_matrices=False)
        left, size, right = (basis @ left)[:, :rank], size[:rank].sqrt(), right[:rank].T
        history, target = left * size / row, right * size
        diagonal = (history * target).sum(dim=1)
    return ItemFactors(history, target / target.norm(dim=1).max().clamp(min=1e-12))


def blend_products(preference: Tensor, factors: Tensor, code: Tensor, penalty: float) -> Tensor:
    """Products to recommend, (num_products, dim + rank + 1 + num_codes) unit vectors.

    Preference, item factors, what is left of the length (it meets a zero), exclusion code.

    Args:
        preference: (num_products, dim) unit vectors.
        factors: (num_products, rank) `ItemFactors.target`; zeros for a cold item.
        code: (num_products, num_codes) one-hot; zeros for a cold item.
        penalty: `Blend.penalty`.
    """
    known = torch.cat([preference, factors], dim=1) * ((1 - penalty) / 2) ** 0.5
    mark = code * penalty**0.5
    remainder = (1 - known.square().sum(dim=1, keepdim=True) - mark.square().sum(dim=1, keepdim=True)).clamp(min=0)
    return torch.cat([known, remainder.sqrt(), mark], dim=1)


def blend_users(preference: Tensor, factors: Tensor, code: Tensor, age: Tensor, user: Tensor, blend: Blend) -> Tensor:
    """Users, (num_users, dim + rank + 1 + num_codes) unit vectors that meet those of `blend_products`.

    Args:
        preference: (num_users, dim) unit vectors.
        factors: (num_edges, rank) `ItemFactors.history` of the product of each review.
        code: (num_edges, num_codes) of the product of each review.
        age: (num_edges,) 0 for the newest review of a history.
        user: (num_edges,) the row of the user of each review.
        blend: the weights.
    """
    total = factor_sums(factors, age, user, len(preference), blend.decay)
    seen = seen_codes(code, user, len(preference))
    weight = blend.weight * total.square().sum(dim=1, keepdim=True)  # 0 without factors: then all is preference
    rest = (1 - blend.penalty * seen.square().sum(dim=1, keepdim=True)).sqrt()
    content = torch.cat([preference * (1 - weight).sqrt(), total * blend.weight**0.5, torch.zeros_like(weight)], dim=1)
    return torch.cat([content * rest, -seen * blend.penalty**0.5], dim=1)


def factor_sums(factors: Tensor, age: Tensor, user: Tensor, num_users: int, decay: float) -> Tensor:
    """(num_users, rank) unit vectors: the decayed sum of the factors of each user's products; zero without any."""
    decayed = factors * (decay ** age.to(factors.dtype))[:, None]
    return functional.normalize(factors.new_zeros(num_users, factors.shape[1]).index_add(0, user, decayed), dim=1)


def seen_codes(code: Tensor, user: Tensor, num_users: int) -> Tensor:
    """(num_users, num_codes) unit vectors: how often each code is among a user's products; zero without any."""
    return functional.normalize(code.new_zeros(num_users, code.shape[1]).index_add(0, user, code), dim=1)
