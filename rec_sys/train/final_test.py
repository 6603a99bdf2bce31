"""The test reviews are read here, once, with the checkpoint that validation chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rec_sys.dataset.dataset import Data
from rec_sys.dataset.product_texts import ProductDescriptions, with_texts_from
from rec_sys.dataset.splits import Split
from rec_sys.evaluation.tuning import Fitted, LeftOut, fit_baselines
from rec_sys.metrics.cold_start import chance_of_recall, evaluate_held_out_products
from rec_sys.metrics.protocol import evaluate
from rec_sys.metrics.rating import rating_report
from rec_sys.recommenders.graph.callbacks import PublishBest
from rec_sys.recommenders.graph.checkpoint import load_checkpoint
from rec_sys.recommenders.graph.recommender import GraphRecommender
from rec_sys.recommenders.rating_bias import RatingBias
from rec_sys.train.report import TrainReport


def final_test(
    name: str,
    data: Data,
    split: Split,
    described: ProductDescriptions | None,
    checkpoint: Path,
    best: PublishBest,
    facts: dict[str, Any],
    baselines: Sequence[str],
) -> TrainReport:
    """Figures of the checkpoint and the baselines on test reviews and, where there are any, new people and products."""
    kept, table = load_checkpoint(checkpoint), data.table
    ours = GraphRecommender(kept.model, kept.states, table, data.review_text)
    ranking, held_out_users, held_out_products, ratings, notes = {}, {}, {}, {}, []
    product_text = described.product_text if described else data.product_text
    text = with_texts_from(table, split.train, data.review_text, product_text)
    alone = ours.alone(kept.graph_alone())
    graph = [ours] if alone is None else [alone, ours]
    for baseline in (*fit_baselines(table, split, baselines, facts["seed"], text), *graph):
        if isinstance(baseline, LeftOut):
            notes.append(f"{baseline.name} left out: {baseline.reason}")
            continue
        model = baseline if isinstance(baseline, GraphRecommender) else baseline.model
        figures = evaluate(model, table, split.test, train=split.train, among=split.in_histories)
        if isinstance(baseline, Fitted):
            figures = replace(figures, fit_seconds=baseline.seconds)
        ranking[baseline.name] = figures
        if len(split.held_out_users):
            held_out_users[baseline.name] = evaluate(model, table, split.held_out_users, among=split.in_histories)
        if described:
            held_out_products[baseline.name] = evaluate_held_out_products(model, table, split, described.targets)
    if described:
        facts["held_out_products_chance"] = {
            f"recall@{k}": chance_of_recall(table, described.targets, k, split.in_histories) for k in (10, 50)
        }
    true = table.rating[split.test]
    if not np.isnan(true).all() and not np.isnan(table.rating[split.train]).all():
        bias = RatingBias().fit(table, split.train)
        ratings[bias.name] = rating_report(bias.predict(table.user[split.test], table.product[split.test]), true)
        ratings[ours.name] = rating_report(ours.predict_ratings(split.test, split.in_histories), true)
    return TrainReport(
        name,
        ranking,
        ratings,
        held_out_users,
        best.history,
        best.best_epoch,
        facts,
        notes,
        held_out_products=held_out_products,
    )
