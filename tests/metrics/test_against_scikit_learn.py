"""The same figures from an independent library."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, top_k_accuracy_score

from rec_sys.arrays import Floats
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before, split_by_time
from rec_sys.metrics.protocol import evaluate
from tests.support.toy import checkerboard


class Drawn:
    """Different scores for everybody, so that no two are equal."""

    name, max_history = "drawn", 20

    def __init__(self, scores: Floats) -> None:
        self.scores, self.next = scores, 0

    def score(self, query: Query) -> Floats:
        self.next += len(query)
        return self.scores[self.next - len(query) : self.next]


def test_recall_ndcg_and_mrr_are_those_of_scikit_learn() -> None:
    table = checkerboard(num_users=300, num_products=80, likes=12)
    test = split_by_time(table).test
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((len(test), table.num_products), dtype=np.float32)
    target = table.product[test]
    scores[np.arange(len(test)), target] += 1  # somewhat better than chance
    report = evaluate(Drawn(scores), table, test, batch_size=64)
    owned = histories_before(table, test).matrix(table.num_products).toarray() > 0
    owned[np.arange(len(test)), target] = False
    relevant = np.eye(table.num_products)[target]
    for figures, left in ((report.unfiltered, scores), (report.filtered, np.where(owned, -100, scores))):
        for k in (5, 10, 20):
            recall = top_k_accuracy_score(target, left, k=k, labels=np.arange(table.num_products))
            assert figures[f"recall@{k}"] == pytest.approx(recall)
            assert figures[f"ndcg@{k}"] == pytest.approx(ndcg_score(relevant, left, k=k))
        assert figures["mrr"] == pytest.approx(label_ranking_average_precision_score(relevant, left))
    assert report.filtered["recall@10"] > report.unfiltered["recall@10"]
