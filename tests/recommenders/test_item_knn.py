from __future__ import annotations

import numpy as np
import pytest

from rec_sys.errors import ConfigError
from rec_sys.recommenders.item_knn import ItemKNN, ItemKNNSettings
from tests.support.toy import dataset_of, query_of, table_of

# x: a, b, c; y: a, b (twice); z: c, d; w: nobody in training
TABLE = table_of(
    [
        ("a", "x", 5, 1),
        ("a", "y", 5, 2),
        ("b", "x", 5, 1),
        ("b", "y", 5, 2),
        ("b", "y", 5, 3),
        ("c", "x", 5, 1),
        ("c", "z", 5, 2),
        ("d", "z", 5, 1),
        ("d", "w", 5, 2),
    ]
)
TRAIN = np.arange(8)
XY, XZ = 2 / np.sqrt(3 * 2), 1 / np.sqrt(3 * 2)  # shared people / sqrt(people * people)


def test_similarity_is_the_cosine_of_who_reviewed_with_an_empty_diagonal() -> None:
    similarity = ItemKNN().fit(dataset_of(TABLE, TRAIN)).similarity.toarray()
    expected = [[0, XY, XZ, 0], [XY, 0, 0, 0], [XZ, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(similarity, expected, rtol=1e-6)


def test_shrinkage_is_added_to_the_denominator() -> None:
    similarity = ItemKNN(ItemKNNSettings(shrink=3)).fit(dataset_of(TABLE, TRAIN)).similarity.toarray()
    assert similarity[0, 1] == pytest.approx(2 / (np.sqrt(6) + 3))
    assert similarity[0, 2] == pytest.approx(1 / (np.sqrt(6) + 3))


def test_only_the_nearest_neighbours_of_each_product_are_kept() -> None:
    similarity = ItemKNN(ItemKNNSettings(neighbours=1)).fit(dataset_of(TABLE, TRAIN)).similarity.toarray()
    expected = [[0, XY, 0, 0], [XY, 0, 0, 0], [XZ, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(similarity, expected, rtol=1e-6)


def test_scores_are_summed_over_the_history_with_its_decay() -> None:
    model = ItemKNN(ItemKNNSettings(decay=0.5)).fit(dataset_of(TABLE, TRAIN))
    scores = model.score(query_of([[2, 1]]))  # z, then y
    np.testing.assert_allclose(scores, [[0.5 * XZ + XY, 0, 0, 0]], rtol=1e-6)


def test_settings_have_limits() -> None:
    with pytest.raises(ConfigError, match=r"knn\.shrink=-1"):
        ItemKNNSettings.read({"shrink": -1}, "knn")
