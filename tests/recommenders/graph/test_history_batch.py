from __future__ import annotations

import numpy as np

from rec_sys.dataset.histories import Histories
from rec_sys.recommenders.graph.history_batch import SECONDS_PER_DAY, make_history_batch


def test_ego_graphs_by_hand() -> None:
    """Two histories of one user at different times share reviews; each is held once."""
    histories = Histories(np.array([0, 2, 5, 5]), np.array([3, 4, 3, 4, 7]), np.array([30, 40, 30, 40, 70]))
    text = np.arange(16, dtype=np.float16).reshape(8, 2)
    rating = np.array([0, 0, 0, 5, np.nan, 0, 0, 1], dtype=np.float32)
    timestamp = np.array([0, 0, 0, 0, 2, 0, 0, 12]) * int(SECONDS_PER_DAY)
    batch = make_history_batch(histories, text, rating, timestamp)
    assert batch.num_users == 3
    assert batch.product.tolist() == [30, 40, 70]
    assert batch.text.tolist() == [[6, 7], [8, 9], [14, 15]]
    assert batch.rating.nan_to_num(-1).tolist() == [5, -1, 1]
    assert batch.edge_review.tolist() == [0, 1, 0, 1, 2]
    assert batch.edge_user.tolist() == [0, 0, 1, 1, 1]
    assert batch.age.tolist() == [1, 0, 2, 1, 0]
    assert batch.days.tolist() == [2, 0, 12, 10, 0]


def test_days_are_counted_from_the_last_of_a_history_whichever_way() -> None:
    histories = Histories(np.array([0, 3]), np.array([2, 0, 1]), np.array([20, 0, 10]))  # the last one is the middle
    timestamp = np.array([0, 3, 10]) * int(SECONDS_PER_DAY)
    batch = make_history_batch(histories, np.zeros((3, 0), dtype=np.float16), np.ones(3, dtype=np.float32), timestamp)
    assert batch.product[batch.edge_review].tolist() == [20, 0, 10]
    assert batch.days.tolist() == [7, 3, 0]
    assert batch.age.tolist() == [2, 1, 0]


def test_no_reviews_at_all() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    batch = make_history_batch(
        Histories(np.zeros(3, dtype=np.int64), nothing, nothing),
        np.zeros((0, 4), dtype=np.float32),
        np.zeros(0, dtype=np.float32),
        nothing,
    )
    assert batch.num_users == 2
    assert batch.text.shape == (0, 4)
    assert len(batch.edge_user) == 0
