# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["implicit==0.7.3", "numpy", "scipy", "threadpoolctl"]
#
# [tool.uv]
# exclude-newer = "2026-11-21T00:00:00Z"
# ///
"""Models of implicit."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from threadpoolctl import threadpool_limits

from benchmarks.peer_scripts.exchange import Ints, Model, Question, Rank, Settings, Task, run


def pairs(user: Ints, item: Ints, shape: tuple[int, int]) -> sp.csr_matrix:
    """Ones; a pair that is there twice counts once, as in our own models."""
    found = sp.csr_matrix((np.ones(len(item), np.float32), (user, item)), shape)
    found.data[:] = 1
    return found


def training(task: Task) -> sp.csr_matrix:
    """(num_users, num_items)"""
    return pairs(task.user, task.item, (task.num_users, task.num_items))


def asked(model: Any, question: Question, num_items: int, **options: Any) -> Ints:
    """The library's own recommendations."""
    known = question.history
    history = pairs(known.row, known.item, (len(known), num_items))
    items, scores = model.recommend(
        question.user, history, N=question.depth, filter_already_liked_items=False, **options
    )
    # neighbours fill up places of which they know nothing with -1
    return np.where(np.isfinite(scores), items, -1).astype(np.int64)


def als(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(random_state=0, **settings)
        model.fit(training(task), show_progress=False)
        yield settings, lambda question: asked(model, question, task.num_items, recalculate_user=True)


def bpr(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    model = BayesianPersonalizedRanking(random_state=0, num_threads=1, **settings)
    model.fit(training(task), show_progress=False)
    yield settings, lambda question: asked(model, question, task.num_items)


def bpr_again(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    """Chosen on validation as `bpr`, then fitted again on the histories of the test, whose users it thereby knows."""

    def rank(question: Question) -> Ints:
        model = BayesianPersonalizedRanking(random_state=0, num_threads=1, **settings)
        known = question.history
        user = np.append(task.user, question.user[known.row])
        whole = pairs(user, np.append(task.item, known.item), (task.num_users, task.num_items))
        model.fit(whole, show_progress=False)
        return asked(model, question, task.num_items)

    yield settings, rank


def neighbours(kind: Any) -> Any:
    def fit(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
        model = kind(**settings)
        model.fit(training(task), show_progress=False)
        yield settings, lambda question: asked(model, question, task.num_items, recalculate_user=True)

    return fit


FACTORS = {"factors": (64, 128), "regularization": (1.0, 20.0, 100.0), "alpha": (5.0, 20.0, 50.0)}
STEPS = {"factors": (64, 128), "learning_rate": (0.02, 0.05), "regularization": (0.01, 0.05), "iterations": (100, 400)}
NEIGHBOURS = {"K": (10, 20, 50, 100, 200, 1000, 5000)}
MODELS = {
    "als": Model(als, {}, FACTORS),
    "bpr": Model(bpr, {}, STEPS, note="no folding in: users as training knows them, without the validation item"),
    "bpr_again": Model(bpr_again, {}, STEPS, note="fitted again on the full histories, for the products' vectors too"),
    "cosine": Model(neighbours(CosineRecommender), {}, NEIGHBOURS),
    "tfidf": Model(neighbours(TFIDFRecommender), {}, NEIGHBOURS),
    "bm25": Model(neighbours(BM25Recommender), {}, {"K": (20, 200, 5000), "K1": (0.5, 1.2, 5.0), "B": (0.2, 0.75)}),
}

if __name__ == "__main__":
    run(MODELS, lambda: version("implicit"))
