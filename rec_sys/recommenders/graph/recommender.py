"""The graph model as a recommender: a trained network and the states of all products, asked with histories."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.columns import MAX_RATING
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.graph.history_batch import make_history_batch
from rec_sys.recommenders.graph.network import GraphModel, predicted_ratings
from rec_sys.recommenders.graph.product_tower import ProductStates

GRAPH_MODEL, GRAPH_ALONE = "graph model", "graph model, no item factors"


@dataclass(frozen=True)
class GraphRecommender:
    """Scores are inner products of unit vectors, so a vector base gives the same order."""

    model: GraphModel
    states: ProductStates
    table: ReviewTable
    review_text: Vectors  # (num_reviews, text_dim), indexed by review number
    name: str = GRAPH_MODEL

    def alone(self, states: ProductStates) -> GraphRecommender | None:
        """The network with its own `states` (`Checkpoint.graph_alone`); None where nothing stands beside it."""
        if self.model.blend is None:
            return None
        alone = copy.deepcopy(self.model)
        alone.blend = None
        return replace(self, model=alone, states=states, name=GRAPH_ALONE)

    @torch.inference_mode()
    def user_vectors(self, histories: Histories, penalise_seen: bool = False) -> Floats:
        """(len(histories), dim) vectors; only the newest `max_history` reviews are looked at.

        Args:
            histories: what people have.
            away: unit vectors that point away from it, for a search that cannot leave it out by number; otherwise the
                same ones with zeros for their colours, which makes them shorter.
        """
        training = self.model.training
        self.model.eval()
        recent = histories.last(self.model.settings.max_history)
        batch = make_history_batch(recent, self.review_text, self.table.rating, self.table.timestamp)
        device = self.states.history.device
        vectors: Floats = self.model.user_tower(self.states.history, batch.to(device)).vector.cpu().numpy()
        self.model.train(training)
        if self.num_codes and not penalise_seen:
            vectors[:, -self.num_codes :] = 0
        return vectors

    @property
    def num_codes(self) -> int:
        """Last coordinates of every vector that are colours."""
        return self.model.blend.num_codes if self.model.blend else 0

    def score(self, histories: Histories) -> Floats:
        """(len(histories), num_products) inner products with vectors that point away from what people have."""
        return self.score_both_ways(histories)[1]

    def score_both_ways(self, histories: Histories) -> tuple[Floats, Floats]:
        """Inner products without the colours, for where what people have is left out by number, and `score`'s."""
        vectors, target = self.user_vectors(histories, penalise_seen=True), self.states.target.cpu().numpy()
        if not self.num_codes:
            scores: Floats = vectors @ target.T
            return scores, scores
        alike: Floats = vectors[:, : -self.num_codes] @ target[:, : -self.num_codes].T
        return alike, alike + vectors[:, -self.num_codes :] @ target[:, -self.num_codes :].T

    def predict_ratings(self, targets: Ints, among: Ints | None = None) -> Floats:
        """Predicted rating of some reviews, (len(targets),) of 0 to 5, from what their authors wrote before them.

        Args:
            targets: review numbers.
            among: ascending review numbers that may be looked at; None: all.
        """
        limit = self.model.settings.max_history
        vectors = self.user_vectors(histories_before(self.table, targets, among, limit))
        cosine = np.einsum("nd,nd->n", vectors, self.states.target.cpu().numpy()[self.table.product[targets]])
        item_bias = self.states.item_bias.cpu()[torch.from_numpy(self.table.product[targets])]
        ratings: Floats = predicted_ratings(torch.from_numpy(cosine), item_bias).clamp(0, MAX_RATING).numpy()
        return ratings
