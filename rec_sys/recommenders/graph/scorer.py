"""The graph model as the ranking protocol asks it: vectors of users, inner products with all products, ratings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from rec_sys.arrays import Floats, Ints
from rec_sys.columns import MAX_RATING
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.history_batch import HistoryBatch, make_history_batch
from rec_sys.recommenders.graph.item_factors import blend_users
from rec_sys.recommenders.graph.network import GraphNetwork, predicted_ratings
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.settings import Blend, layout_of
from rec_sys.recommenders.graph.user_tower import UserStates
from rec_sys.recommenders.graph.vector_layout import VectorLayout

USERS_AT_ONCE = 1024
GRAPH_MODEL, NETWORK_ALONE = "graph model", "graph model without item factors"


def blended_vectors(
    users: UserStates, history: torch.Tensor, histories: HistoryBatch, blend: Blend | None
) -> torch.Tensor:
    """(num_users, vector_dim) vectors: rating bias, then the content that meets that of `ProductStates.target`.

    Args:
        users: what the user tower says.
        history: (num_products, history_dim) history states.
        histories: what the users have done.
        blend: what stands beside the network's vectors; None: nothing.
    """
    if blend is None:
        return users.vector
    layout = layout_of(users.preference.shape[1], blend)
    of_edge = history[histories.product][histories.edge_review]
    content = blend_users(
        users.preference,
        of_edge[:, layout.history_factors],
        of_edge[:, layout.history_codes],
        histories.age,
        histories.edge_user,
        blend,
    )
    return users.with_content(content)


@dataclass(frozen=True)
class GraphScorer:
    """Scores are inner products of unit vectors, so a vector base gives the same order."""

    network: GraphNetwork
    states: ProductStates
    blend: Blend | None = None
    name: str = GRAPH_MODEL

    @classmethod
    def of(cls, trained: TrainedGraph, name: str = GRAPH_MODEL) -> GraphScorer:
        """The scorer of a trained model."""
        return cls(trained.network, trained.states, trained.blend, name)

    @property
    def max_history(self) -> int:
        """Newest reviews of a user that are read."""
        return self.network.settings.max_history

    @property
    def layout(self) -> VectorLayout:
        """Of all vectors."""
        return layout_of(self.network.settings.dim, self.blend)

    def user_states(self, query: Query) -> tuple[UserStates, HistoryBatch]:
        """What the user tower says of each user; only the newest `max_history` reviews are read."""
        device = self.states.history.device
        network = self.network
        text_dim = network.text_dim if network.review_texts else 0
        histories = batch_of(query.last(self.max_history), text_dim).to(device)
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            users = self.network.user_tower(self.states.history, histories)
        self.network.train(training)
        return users, histories

    @torch.inference_mode()
    def user_vectors(self, query: Query, penalise_seen: bool = False) -> Floats:
        """(len(query), vector_dim) vectors.

        Args:
            query: users described by their histories.
            penalise_seen: unit vectors that point away from seen items, for a search that cannot filter these;
                otherwise the same ones with zeros for their exclusion codes, which makes them shorter.
        """
        users, histories = self.user_states(query)
        vectors: Floats = blended_vectors(users, self.states.history, histories, self.blend).cpu().numpy()
        if not penalise_seen:
            vectors[:, self.layout.codes] = 0
        return vectors

    def score(self, query: Query) -> Floats:
        """(len(query), num_products) inner products with vectors that point away from seen items."""
        return self.score_both_ways(query)[1]

    def score_both_ways(self, query: Query) -> tuple[Floats, Floats]:
        """Inner products without the exclusion codes, for lists whose seen items are filtered, and `score`'s."""
        vectors, target = self.user_vectors(query, penalise_seen=True), self.states.target.cpu().numpy()
        codes = self.layout.codes
        if not self.layout.num_codes:
            scores: Floats = vectors @ target.T
            return scores, scores
        without_codes: Floats = vectors[:, : codes.start] @ target[:, : codes.start].T
        return without_codes, without_codes + vectors[:, codes] @ target[:, codes].T

    def predict_ratings(self, table: ReviewTable, targets: Ints, among: Ints | None = None) -> Floats:
        """Predicted ratings of some reviews, (len(targets),) of 0 to 5, from what their authors wrote before them.

        Args:
            table: the reviews, with the vectors of their texts.
            targets: review numbers.
            among: ascending review numbers that may be looked at; None: all.
        """
        histories = histories_before(table, targets, among, self.max_history)
        cosine = np.zeros(len(targets), dtype=np.float32)
        for start in range(0, len(targets), USERS_AT_ONCE):
            part = slice(start, start + USERS_AT_ONCE)
            vectors = self.user_vectors(Query(histories.part(part.start, part.stop), table))
            cosine[part] = np.einsum(
                "nd,nd->n", vectors, self.states.target[table.product[targets[part]]].cpu().numpy()
            )
        item_bias = self.states.item_bias.cpu()[torch.from_numpy(table.product[targets])]
        ratings: Floats = predicted_ratings(torch.from_numpy(cosine), item_bias).clamp(0, MAX_RATING).numpy()
        return ratings


def batch_of(query: Query, text_dim: int) -> HistoryBatch:
    """The histories of a query as the user tower reads them.

    Args:
        query: entries without a review (number -1, or a query without reviews) are products of which the user says
            nothing.
        text_dim: of the model; 0 where it reads no texts of reviews.
    """
    histories, reviews = query.histories, query.reviews
    if reviews is not None and (not len(histories.review) or histories.review.min() >= 0):
        return make_history_batch(histories, reviews.text, reviews.rating, reviews.timestamp)
    count = len(histories.review)
    text = np.zeros((count, text_dim), dtype=np.float32)
    rating, timestamp = np.full(count, np.nan, dtype=np.float32), np.zeros(count, dtype=np.int64)
    if reviews is not None:
        known = histories.review >= 0
        chosen = histories.review[known]
        rating[known], timestamp[known] = reviews.rating[chosen], reviews.timestamp[chosen]
        if reviews.text.shape[1]:
            text[known] = reviews.text[chosen]
    return make_history_batch(replace(histories, review=np.arange(count)), text, rating, timestamp)
