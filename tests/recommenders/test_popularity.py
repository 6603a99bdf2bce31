from __future__ import annotations

import numpy as np

from rec_sys.recommenders.popularity import Popularity
from tests.support.toy import dataset_of, query_of, table_of


def test_counts_training_reviews_only_and_is_the_same_for_everybody() -> None:
    table = table_of([("a", "x", 5, 1), ("a", "y", 5, 2), ("b", "x", 1, 1), ("b", "z", 5, 2), ("b", "z", 5, 3)])
    train = np.array([0, 1, 2, 4])  # without one of the two reviews of z
    scores = Popularity().fit(dataset_of(table, train)).score(query_of([[0], [2, 1]]))
    np.testing.assert_array_equal(scores, [[2, 1, 1], [2, 1, 1]])
