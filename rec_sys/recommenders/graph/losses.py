"""What training makes small: a ranking loss over the catalogue and a loss of the predicted rating."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def rating_loss(predicted: Tensor, rating: Tensor, kind: str = "mae") -> Tensor:
    """Mean absolute ("mae") or squared ("mse") error of the predicted stars; 0 where no rating is known.

    Args:
        predicted: (n,) ratings.
        rating: (n,) true stars, nan where unknown.
        kind: "mae" or "mse".
    """
    known = ~rating.isnan()
    if not known.any():
        return predicted.sum() * 0.0
    error = predicted[known] - rating[known]
    return error.abs().mean() if kind == "mae" else error.square().mean()


def ranking_loss(
    users: Tensor,
    products: Tensor,
    target: Tensor,
    temperature: Tensor,
    max_products: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Cross entropy of the target among all products, or among a sample beyond `max_products`.

    A sample is drawn evenly and shared by the batch; the target's own column is always there once, and the sum over the
    sample is scaled to the catalogue, so that the loss estimates the full one (Jean et al. 2015).

    Args:
        users: (n, dim) unit vectors: tastes.
        products: (num_products, dim) unit vectors: tastes.
        target: (n,) product numbers.
        temperature: the inner products are divided by it.
        max_products: most products in the softmax.
        generator: draws the sample.
    """
    num_products = len(products)
    users = users / temperature  # before the product, where it is small
    if num_products <= max_products:
        return functional.cross_entropy(users @ products.T, target)
    sample = torch.randint(num_products, (max_products,), generator=generator).to(products.device)
    positive = (users * products[target]).sum(dim=1, keepdim=True)
    negative = users @ products[sample].T
    negative = negative + torch.log(torch.tensor(num_products / max_products, device=users.device))
    negative = negative.masked_fill(sample[None, :] == target[:, None], float("-inf"))
    return (torch.logsumexp(torch.cat([positive, negative], dim=1), dim=1) - positive[:, 0]).mean()
