"""The final test: the test reviews are read here, once, with the model that validation chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rec_sys.allocator import give_back_memory
from rec_sys.dataset.dataset import Dataset
from rec_sys.evaluation.tuning import LeftOut, fit_baselines
from rec_sys.metrics.cold_start import chance_of_recall, evaluate_held_out_products
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.metrics.rating import RatingReport, rating_report
from rec_sys.metrics.scorer import Scorer
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.scorer import NETWORK_ALONE, GraphScorer
from rec_sys.recommenders.rating_bias import RatingBias


@dataclass(frozen=True)
class TestFigures:
    """What the test reviews say; all by model."""

    __test__ = False  # no class of tests

    ranking: dict[str, RankingReport] = field(default_factory=dict)  # empty where the test reviews were not read
    held_out_users: dict[str, RankingReport] = field(default_factory=dict)  # empty where none are held out
    held_out_products: dict[str, RankingReport] = field(default_factory=dict)  # empty where none are held out
    ratings: dict[str, RatingReport] = field(default_factory=dict)  # empty where nothing is rated
    chance: dict[str, float] = field(default_factory=dict)  # recall@k of held-out products in random order
    notes: list[str] = field(default_factory=list)  # what a reader of the tables should know


def final_test(trained: TrainedGraph, dataset: Dataset, baselines: Sequence[str], seed: int) -> TestFigures:
    """Figures of the trained model and of baselines on the test reviews.

    Args:
        trained: the complete model.
        dataset: what it was trained on.
        baselines: names in the registry; each is fitted here.
        seed: of the baselines that are random.
    """
    figures = TestFigures()
    split, table = dataset.split, dataset.table
    for baseline in fit_baselines(dataset, baselines, seed):
        if isinstance(baseline, LeftOut):
            figures.notes.append(f"{baseline.name} left out: {baseline.reason}")
        else:
            _evaluate(baseline.name, baseline.model, dataset, figures, baseline.seconds)
            give_back_memory()
    if trained.blend is not None:
        _evaluate(NETWORK_ALONE, GraphScorer.of(trained.network_alone(), NETWORK_ALONE), dataset, figures)
    scorer = GraphScorer.of(trained)
    _evaluate(scorer.name, scorer, dataset, figures)
    if dataset.held_out_products is not None:
        targets = dataset.held_out_products.targets
        chance = {f"recall@{k}": chance_of_recall(table, targets, k, split.in_histories) for k in (10, 50)}
        figures.chance.update(chance)
    true = table.rating[split.test]
    if not np.isnan(true).all() and not np.isnan(table.rating[split.train]).all():
        bias = RatingBias().fit(table, split.train)
        predicted = bias.predict(table.user[split.test], table.product[split.test])
        figures.ratings[bias.name] = rating_report(predicted, true)
        predicted = scorer.predict_ratings(dataset.features, split.test, split.in_histories)
        figures.ratings[scorer.name] = rating_report(predicted, true)
    return figures


def _evaluate(
    name: str, model: Scorer, dataset: Dataset, figures: TestFigures, fit_seconds: float | None = None
) -> None:
    """Add one model's figures."""
    split = dataset.split
    table = dataset.features if isinstance(model, GraphScorer) else dataset.table
    report = evaluate(model, table, split.test, train=split.train, among=split.in_histories)
    figures.ranking[name] = replace(report, fit_seconds=fit_seconds)
    if len(split.held_out_users):
        figures.held_out_users[name] = evaluate(model, table, split.held_out_users, among=split.in_histories)
    if dataset.held_out_products is not None:
        targets = dataset.held_out_products.targets
        figures.held_out_products[name] = evaluate_held_out_products(model, table, split, targets)
