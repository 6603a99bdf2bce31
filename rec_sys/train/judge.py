"""The test reviews are read here, once, with the checkpoint that validation chose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rec_sys.dataset.data import Data
from rec_sys.dataset.splits import Split
from rec_sys.evaluation.baselines import LeftOut, fit_baselines
from rec_sys.evaluation.protocol import evaluate
from rec_sys.evaluation.rating import rating_report
from rec_sys.modules.checkpoint import load_checkpoint
from rec_sys.recommenders.graph import GraphRecommender
from rec_sys.recommenders.rating_bias import RatingBias
from rec_sys.train.callbacks import PublishBest
from rec_sys.train.report import TrainReport


def judge(
    name: str, data: Data, split: Split, checkpoint: Path, best: PublishBest, facts: dict[str, Any]
) -> TrainReport:
    """Figures of the checkpoint and of the baselines on the test reviews and, where there are any, on new people."""
    kept, table = load_checkpoint(checkpoint), data.table
    ours = GraphRecommender(kept.model, kept.states, table, data.review_text)
    ranking, new_people, ratings, notes = {}, {}, {}, []
    for baseline in (*fit_baselines(table, split), ours):
        if isinstance(baseline, LeftOut):
            notes.append(f"{baseline.name} left out: {baseline.reason}")
            continue
        model = baseline if isinstance(baseline, GraphRecommender) else baseline.model
        ranking[baseline.name] = evaluate(model, table, split.test)
        if len(split.new):
            new_people[baseline.name] = evaluate(model, table, split.new)
    true = table.rating[split.test]
    if not np.isnan(true).all() and not np.isnan(table.rating[split.train]).all():
        bias = RatingBias().fit(table, split.train)
        ratings[bias.name] = rating_report(bias.predict(table.user[split.test], table.product[split.test]), true)
        ratings[ours.name] = rating_report(ours.predict_stars(split.test), true)
    return TrainReport(name, ranking, ratings, new_people, best.history, best.best_epoch, facts, notes)
