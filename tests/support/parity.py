"""Even users like even products: how well a model finds that."""

from __future__ import annotations

import numpy as np

from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.recommenders.base import Recommender
from tests.support.toy import checkerboard, dataset_of


def part_of_own_parity_first(model: Recommender) -> float:
    """Fit to a checkerboard: part of the users to whom every product of the own parity goes before all others."""
    data = dataset_of(checkerboard(num_users=200))
    table, test = data.table, data.split.test
    scores = model.fit(data).score(Query(histories_before(table, test)))
    own = table.user[test][:, None] % 2 == np.arange(table.num_products) % 2
    return float((np.where(own, scores, np.inf).min(axis=1) > np.where(own, -np.inf, scores).max(axis=1)).mean())
