"""Products that training never saw: what describes them, and how well they are found.

A person is asked for the place of a product kept out of training among all products, given what the same person had
reviewed before of products not kept out.
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

CUTOFFS = (10, 50)


def evaluate_held_out_products(
    model: Scorer,
    table: ReviewTable,
    split: Split,
    targets: Ints,
    cutoffs: Sequence[int] = CUTOFFS,
    history_limit: int = 20,
    progress: bool = False,
) -> RankingReport:
    """`evaluate` on reviews of new products (`NewProducts.targets`), with histories that hold no new product."""
    return evaluate(
        model,
        table,
        targets,
        history_limit=history_limit,
        progress=progress,
        cutoffs=cutoffs,
        train=split.train,
        among=split.in_histories,
    )


def chance_of_recall(table: ReviewTable, targets: Ints, k: int, among: Ints | None = None) -> float:
    """Masked recall@k of an order by chance: k / (products that are not taken out), mean over people."""
    histories = histories_before(table, targets, among)
    owned = histories.matrix(table.num_products)
    repeated = np.asarray(owned[np.arange(len(targets)), table.product[targets]]).reshape(-1) > 0  # these stay in
    ranked = table.num_products - np.diff(owned.indptr) + repeated
    return float(np.average(np.minimum(1, k / ranked), weights=one_vote_each(table.user[targets])))
