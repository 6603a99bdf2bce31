"""How well products are found that training never saw.

A held-out product is ranked among all products, given what its user had reviewed before of products not held out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.dataset.splits import Split, histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.metrics.groups import one_vote_each
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.metrics.scorer import Scorer
from rec_sys.progress import ProgressCallback

CUTOFFS = (10, 50)


def evaluate_held_out_products(
    model: Scorer,
    table: ReviewTable,
    split: Split,
    targets: Ints,
    cutoffs: Sequence[int] = CUTOFFS,
    progress: ProgressCallback | None = None,
) -> RankingReport:
    """`evaluate` on reviews of held-out products (`Dataset.targets`), with histories without such products."""
    return evaluate(
        model, table, targets, progress=progress, cutoffs=cutoffs, train=split.train, among=split.in_histories
    )


def chance_of_recall(table: ReviewTable, targets: Ints, k: int, among: Ints | None = None) -> float:
    """Recall@k, seen items filtered, of a random order: k / (products that are ranked), mean over users."""
    histories = histories_before(table, targets, among)
    owned = histories.matrix(table.num_products)
    repeated = np.asarray(owned[np.arange(len(targets)), table.product[targets]]).reshape(-1) > 0  # seen, yet ranked
    ranked = table.num_products - np.diff(owned.indptr) + repeated
    return float(np.average(np.minimum(1, k / ranked), weights=one_vote_each(table.user[targets])))
