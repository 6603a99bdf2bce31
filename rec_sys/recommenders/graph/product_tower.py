"""The product tower: a vector of every product from its texts, its reviews and the graph around it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from rec_sys import columns
from rec_sys.recommenders.graph.item_factors import ItemFactors, blend_products
from rec_sys.recommenders.graph.review_graph import edges_of
from rec_sys.recommenders.graph.settings import GraphModelSettings
from rec_sys.recommenders.graph.vector_layout import CONTENT, ITEM_BIAS, RATING_BIAS, VectorLayout

NARROW_STD = 0.01  # start of layers that read a few numbers, which must not drown the vectors beside them


@dataclass(frozen=True)
class ProductStates:
    """Every product twice, laid out as `VectorLayout` says."""

    history: Tensor  # (num_products, history_dim) the product as something that a user has reviewed
    target: Tensor  # (num_products, vector_dim) the product as something to recommend; unit vectors

    @property
    def item_bias(self) -> Tensor:
        """(num_products,) rating points more or less than the user alone would lead to expect."""
        return self.history[:, ITEM_BIAS]

    @property
    def preference(self) -> Tensor:
        """(num_products, dim) unit vectors: `target` without the rating bias; of states without item factors."""
        return self.target[:, CONTENT] / (1 - self.target[:, RATING_BIAS].square()).sqrt()

    def with_item_factors(
        self, factors: ItemFactors, code: Tensor | None = None, penalty: float = 0.0
    ) -> ProductStates:
        """The same products with item factors and exclusion codes beside their preference.

        Args:
            factors: of all products.
            code: (num_products, num_codes) one-hot; None: no codes.
            penalty: `Blend.penalty`.
        """
        rating_bias = self.target[:, RATING_BIAS]
        code = rating_bias.new_zeros(len(rating_bias), 0) if code is None else code
        target = blend_products(self.preference, factors.target, code, penalty) * (1 - rating_bias.square()).sqrt()
        history = torch.cat([self.history, factors.history, code], dim=1)
        return ProductStates(history, torch.cat([rating_bias, target], dim=1))

    def network_alone(self, layout: VectorLayout) -> ProductStates:
        """The same products without item factors and exclusion codes."""
        rating_bias = self.target[:, RATING_BIAS]
        preference = functional.normalize(self.target[:, layout.preference], dim=1) * (1 - rating_bias.square()).sqrt()
        return ProductStates(self.history[:, : layout.history_state.stop], torch.cat([rating_bias, preference], dim=1))


@dataclass(frozen=True)
class ProductFeatures:
    """What the product tower reads of every product; nothing here is learned."""

    text: Tensor  # (num_products, text_dim) the metadata's text, or the mean of its reviews; unit length or zero
    review_text: Tensor  # (num_products, text_dim) mean of its reviews' texts; (num_products, 0) where none has one
    opinion: Tensor  # (num_products, 2) mean rating less 3, log(1 + reviews)
    count: Tensor  # (num_products, 1) reviews


class _SparseProduct(torch.autograd.Function):
    """matrix @ dense for a fixed sparse matrix; its transpose, made once, serves the gradient."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:
        ctx.transpose = transpose
        result: Tensor = matrix @ dense
        return result

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[None, None, Tensor]:
        return None, None, ctx.transpose @ grad[0].contiguous()


def _csr(row: Tensor, column: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
    order = torch.argsort(row, stable=True)
    start = torch.searchsorted(row[order], torch.arange(size[0] + 1, device=row.device))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(start, column[order], value[order], size, check_invariants=False)


class GraphSums:
    """Sums over the edges of a review graph that product vectors need, and the same without some users.

    In training the users of the batch are taken out of the graph whole, so that no product vector has seen the
    review being predicted, neither its text, nor its rating, nor that it exists.
    """

    def __init__(self, graph: HeteroData) -> None:
        edges = graph[columns.REVIEWS]
        self.user, self.product = edges.edge_index
        self.num_users, self.num_products = graph[columns.USER].num_nodes, graph[columns.PRODUCT].num_nodes
        self.text: Tensor = edges.text
        product_text: Tensor = graph[columns.PRODUCT].x
        if not product_text.shape[1]:
            product_text = product_text.new_zeros(self.num_products, self.text.shape[1])
        self.product_text = product_text
        self.has_text = product_text.any(dim=1, keepdim=True)
        self.has_rating = (~edges.rating.isnan()).float()
        self.rating = edges.rating.nan_to_num()
        self.sums = self._sum(torch.arange(len(self.user), device=self.user.device))
        degree = torch.bincount(self.user, minlength=self.num_users).clamp(min=1)
        weight = 1.0 / degree[self.user].float()
        ones = torch.ones_like(weight)
        # Each user's mean, then the sum over users: the normalisation by the product's own degree comes later,
        # because it depends on who is left out.
        self.mean_of_user = _csr(self.user, self.product, weight, (self.num_users, self.num_products))
        self.mean_of_user_t = _csr(self.product, self.user, weight, (self.num_products, self.num_users))
        self.sum_of_user = _csr(self.user, self.product, ones, (self.num_users, self.num_products))
        self.sum_of_user_t = _csr(self.product, self.user, ones, (self.num_products, self.num_users))

    def _sum(self, edges: Tensor) -> Tensor:
        """(num_products, text_dim + 4): review texts, texts, ratings, rated, reviews."""
        text = self.text[edges]
        values = torch.cat(
            [
                text,
                text.any(dim=1, keepdim=True).float(),
                self.rating[edges, None],
                self.has_rating[edges, None],
                torch.ones_like(self.rating[edges, None]),
            ],
            dim=1,
        )
        return values.new_zeros(self.num_products, values.shape[1]).index_add_(0, self.product[edges], values)

    def without(self, users: Tensor | None) -> Tensor:
        """The sums, (num_products, text_dim + 4), over the reviews of everybody but `users` (user numbers)."""
        return self.sums if users is None else self.sums - self._sum(edges_of(self.user, users))

    @torch.no_grad()
    def features(self, users: Tensor | None) -> ProductFeatures:
        """What is known of every product from the reviews of everybody but `users` (user numbers)."""
        sums = self.without(users)
        text_sum, texts, rating_sum, rated, count = torch.split(sums, [sums.shape[1] - 4, 1, 1, 1, 1], dim=1)
        count = count.round()
        # Rounding leaves traces where everything was taken off again: the counts say what is really there.
        review_text = text_sum * (1 / texts.clamp(min=1)) * (texts > 0.5)
        rating = (rating_sum / rated.clamp(min=1) - 3.0) * (rated > 0.5)
        text = self.product_text
        if review_text.shape[1]:
            text = torch.where(self.has_text, text, review_text)
        text = functional.normalize(text, dim=1)
        return ProductFeatures(text, review_text, torch.cat([rating, torch.log1p(count)], dim=1), count)

    def two_hops(self, x: Tensor, count: Tensor, users: Tensor | None) -> Tensor:
        """Product, user, product: (num_products, dim), symmetrically normalised, without the users given.

        Args:
            x: (num_products, dim).
            count: (num_products, 1) reviews that are left.
            users: user numbers to leave out.
        """
        scale = count.clamp(min=1).rsqrt()
        with torch.autocast(x.device.type, enabled=False):  # sparse products know no bfloat16
            seen = _SparseProduct.apply(self.mean_of_user, self.mean_of_user_t, x.float() * scale)
            if users is not None:
                keep = torch.ones(self.num_users, 1, device=x.device)
                keep[users] = 0
                seen = seen * keep
            result: Tensor = _SparseProduct.apply(self.sum_of_user_t, self.sum_of_user, seen) * scale
        return result


def start_as_identity(layer: Any) -> None:
    """Let a square linear layer, torch's or PyG's, begin as the identity, with a little noise."""
    nn.init.normal_(layer.weight, std=0.01)
    with torch.no_grad():
        layer.weight.diagonal().add_(1.0)
    nn.init.zeros_(layer.bias)


class ProductTower(nn.Module):
    """Text, reviews, a learned vector where there are enough reviews, then two-hop passes over the graph.

    The learned vector and the two-hop signal are what a new product lacks; both are left out at random in training
    (`new_product_rate`), so that text alone keeps its meaning.

    Args:
        settings: hyperparameters.
        num_products: rows of the learned vectors.
        text_dim: dimension of the text embeddings; 0 where nothing has a text.
        review_texts: whether reviews have texts.
    """

    def __init__(self, settings: GraphModelSettings, num_products: int, text_dim: int, review_texts: bool) -> None:
        super().__init__()
        dim = settings.dim
        self.min_reviews, self.new_product_rate = settings.min_reviews, settings.new_product_rate
        self.rating_bias = settings.rating_bias  # first coordinate of every target vector
        self.text = nn.Linear(text_dim, dim) if text_dim else None
        self.reviews = nn.Linear(text_dim, dim, bias=False) if review_texts else None
        self.opinion = nn.Linear(2, dim, bias=False)
        nn.init.normal_(self.opinion.weight, std=NARROW_STD)
        self.learned = nn.Embedding(num_products, dim)
        nn.init.normal_(self.learned.weight, std=dim**-0.5)
        self.hop_weight = nn.Parameter(torch.full((settings.hops,), 0.5))
        self.history = nn.Linear(dim, dim)
        self.target = nn.Linear(dim, dim)
        start_as_identity(self.history)
        start_as_identity(self.target)
        if not text_dim:  # of a product without reviews nothing is left, and zero has no direction to learn from
            nn.init.constant_(self.target.bias, NARROW_STD)
        self.item_bias = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1, bias=False))
        nn.init.zeros_(self.item_bias[2].weight)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, graph: GraphSums, users: Tensor | None = None) -> ProductStates:
        """States of all products.

        Args:
            graph: the review graph.
            users: (num_users,) user numbers whose reviews must not be seen.
        """
        features = graph.features(users)
        known = self._known(features.count)
        x = known * self.opinion(features.opinion)
        if self.text is not None:
            x = x + self.text(features.text)
        if self.reviews is not None:
            x = x + known * self.reviews(features.review_text)
        x = x + known * (features.count >= self.min_reviews) * self.learned.weight
        x = self.dropout(x)
        states = x
        for weight in self.hop_weight:
            states = x + weight * known * graph.two_hops(states, features.count, users)
        return self._states(states, known * self.item_bias(features.opinion))

    def of_text(self, text: Tensor) -> ProductStates:
        """States of products that nobody has reviewed, from their texts alone, (n, text_dim)."""
        unknown = text.new_zeros(len(text), 1)
        if self.text is None:
            return self._states(text.new_zeros(len(text), self.learned.embedding_dim), unknown)
        return self._states(self.text(functional.normalize(text, dim=1)), unknown)

    def _states(self, states: Tensor, item_bias: Tensor) -> ProductStates:
        preference = functional.normalize(self.target(states), dim=1) * (1 - self.rating_bias**2) ** 0.5
        history = torch.cat([item_bias, self.history(states)], dim=1)
        return ProductStates(history, functional.pad(preference, (1, 0), value=self.rating_bias))

    def _known(self, count: Tensor) -> Tensor:
        """(num_products, 1): 1 where the product has reviews and is not treated as new in this step."""
        known = (count > 0.5).float()
        if self.training and self.new_product_rate:
            known = known * (torch.rand_like(known) >= self.new_product_rate)
        return known
