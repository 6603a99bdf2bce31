from __future__ import annotations

import numpy as np

from rec_sys.recommenders.training_matrix import training_matrix
from tests.support.toy import table_of


def test_holds_one_for_each_pair_of_the_training_reviews() -> None:
    table = table_of([("a", "x", 5, 1), ("a", "x", 4, 2), ("a", "y", 5, 3), ("b", "z", 1, 1), ("c", "x", 2, 1)])
    matrix = training_matrix(table, np.array([4, 0, 1, 3]))
    np.testing.assert_array_equal(matrix.toarray(), [[1, 0, 0], [0, 0, 1], [1, 0, 0]])
    assert matrix.dtype == np.float32
