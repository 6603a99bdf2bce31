"""The final test: the test reviews are read here, once, with the model that validation chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rec_sys.allocator import give_back_memory
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.table import ReviewTable
from rec_sys.evaluation.tuning import LeftOut, fit_baselines
from rec_sys.metrics.cold_start import chance_of_recall, evaluate_held_out_products
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.metrics.rating import RatingReport, rating_report
from rec_sys.metrics.scorer import Scorer
from rec_sys.recommenders.base import Recommender
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
    """Figures of the graph model and of baselines on the test reviews.

    Args:
        trained: the complete model.
        dataset: what it was trained on.
        baselines: names in the registry; each is fitted here.
        seed: of the baselines that are random.
    """
    figures = _of_baselines(dataset, baselines, seed)
    if trained.blend is not None:
        network = GraphScorer.of(trained.network_alone(), NETWORK_ALONE)
        _evaluate(NETWORK_ALONE, network, dataset.features, dataset, figures)
    scorer = GraphScorer.of(trained)
    _evaluate(scorer.name, scorer, dataset.features, dataset, figures)
    split, table = dataset.split, dataset.table
    if dataset.held_out_products is not None:
        targets = dataset.held_out_products.targets
        chance = {f"recall@{k}": chance_of_recall(table, targets, k, split.in_histories) for k in (10, 50)}
        figures.chance.update(chance)
    if _has_ratings_to_test(dataset):
        _evaluate_bias(dataset, figures)
        predicted = scorer.predict_ratings(dataset.features, split.test, split.in_histories)
        figures.ratings[scorer.name] = rating_report(predicted, table.rating[split.test])
    return figures


def recommender_figures(
    model: Recommender, name: str, dataset: Dataset, baselines: Sequence[str], seed: int, fit_seconds: float
) -> TestFigures:
    """Figures of any fitted recommender and of baselines on the test reviews.

    Args:
        model: fitted on the training reviews.
        name: of the model in the tables.
        dataset: what it was fitted on.
        baselines: names in the registry; each is fitted here, but for the model itself.
        seed: of the baselines that are random.
        fit_seconds: that the fit took.
    """
    figures = _of_baselines(dataset, [each for each in baselines if each != model.key], seed)
    _evaluate(name, model, model.table_of(dataset), dataset, figures, fit_seconds)
    if model.predicts_ratings and _has_ratings_to_test(dataset):
        test, table = dataset.split.test, dataset.table
        _evaluate_bias(dataset, figures)
        predicted = model.predict_ratings(table.user[test], table.product[test])
        figures.ratings[name] = rating_report(predicted, table.rating[test])
    return figures


def _of_baselines(dataset: Dataset, baselines: Sequence[str], seed: int) -> TestFigures:
    """Figures of models that are fitted here."""
    figures = TestFigures()
    for baseline in fit_baselines(dataset, baselines, seed):
        if isinstance(baseline, LeftOut):
            figures.notes.append(f"{baseline.name} left out: {baseline.reason}")
        else:
            table = baseline.model.table_of(dataset)
            _evaluate(baseline.name, baseline.model, table, dataset, figures, baseline.seconds)
            give_back_memory()
    return figures


def _has_ratings_to_test(dataset: Dataset) -> bool:
    rating, split = dataset.table.rating, dataset.split
    return not np.isnan(rating[split.test]).all() and not np.isnan(rating[split.train]).all()


def _evaluate_bias(dataset: Dataset, figures: TestFigures) -> None:
    """Add the ratings that user + product bias predicts."""
    table, test = dataset.table, dataset.split.test
    bias = RatingBias().fit(table, dataset.split.train)
    figures.ratings[bias.name] = rating_report(bias.predict(table.user[test], table.product[test]), table.rating[test])


def _evaluate(
    name: str,
    model: Scorer,
    table: ReviewTable,
    dataset: Dataset,
    figures: TestFigures,
    fit_seconds: float | None = None,
) -> None:
    """Add one model's figures; `table` holds what it reads of the reviews."""
    split = dataset.split
    report = evaluate(model, table, split.test, train=split.train, among=split.in_histories)
    figures.ranking[name] = replace(report, fit_seconds=fit_seconds)
    if len(split.held_out_users):
        figures.held_out_users[name] = evaluate(model, table, split.held_out_users, among=split.in_histories)
    if dataset.held_out_products is not None:
        targets = dataset.held_out_products.targets
        figures.held_out_products[name] = evaluate_held_out_products(model, table, split, targets)
