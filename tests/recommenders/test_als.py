from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rec_sys.errors import ConfigError
from rec_sys.recommenders.als import ALS, ALSSettings
from rec_sys.recommenders.training_matrix import training_matrix
from tests.support.parity import part_of_own_parity_first
from tests.support.toy import all_of, checkerboard, dataset_of, query_of, table_of

SMALL = ALSSettings(factors=8, regularisation=1, alpha=10, iterations=8)


def test_two_groups_that_share_nothing_by_hand() -> None:
    """Everybody of a group took both of its products, so both have one vector y, and users of the group 1 / y.

    Who took both: 5 * 2y / (2y^2 + 4 * 2y^2) = 1 / y; who took one of them: 5y / (2y^2 + 4y^2), which scores 5/6.
    """
    rows = [(f"{group}{n}", product, 5.0, 1) for group in ("xy", "zw") for n in range(6) for product in group]
    table = table_of(rows, ["x", "y", "z", "w"])
    settings = ALSSettings(factors=2, regularisation=1e-4, alpha=5, iterations=300, decay=1)
    scores = ALS(settings).fit(all_of(table)).score(query_of([[0, 1], [3], []]))
    expected = np.array([[1, 1, 0, 0], [0, 0, 5 / 6, 5 / 6], [0, 0, 0, 0]])
    np.testing.assert_allclose(scores, expected, atol=5e-3)


def test_a_history_is_folded_in_by_the_weighted_least_squares_of_the_paper() -> None:
    """Equation 4: x = (Y'Y + Y'(C - I)Y + lambda I)^-1 Y'C p, with C = alpha * decay ** age where p is 1, else 1."""
    table = checkerboard(num_users=30, num_products=12, likes=4)
    settings = SMALL.model_copy(update={"decay": 0.5})
    model = ALS(settings).fit(all_of(table))
    y = model.vectors.astype(np.float64)
    taken, confidence = np.zeros(12), np.ones(12)
    taken[[3, 8]], confidence[[3, 8]] = 1, [10 * 0.5, 10]
    left = y.T @ (confidence[:, None] * y) + settings.regularisation * np.eye(8)
    x = np.linalg.solve(left, y.T @ (confidence * taken))
    np.testing.assert_allclose(model.score(query_of([[3, 8]]))[0], y @ x, atol=1e-5)


def test_folding_in_is_that_of_the_library() -> None:
    """Histories of all lengths, none and more than there are factors among them."""
    from implicit.cpu.als import AlternatingLeastSquares

    table = checkerboard()
    model = ALS(SMALL.model_copy(update={"decay": 0.7})).fit(all_of(table))
    other = AlternatingLeastSquares(8, regularization=1, alpha=10)
    other.item_factors = model.vectors
    generator = np.random.default_rng(0)
    query = query_of([generator.permutation(40)[:length].tolist() for length in (0, 1, 3, 20, 40)])
    expected = other.recalculate_user(np.arange(5), query.histories.matrix(40, 0.7))
    np.testing.assert_allclose(model.fold_in(query.histories), expected, atol=1e-4)


def test_a_saved_model_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ALS(SMALL).fit(all_of(checkerboard()))
    query = query_of([[1, 3]])
    before = model.score(query)
    folder = model.save(tmp_path / "als")
    monkeypatch.setitem(sys.modules, "implicit", None)
    np.testing.assert_array_equal(ALS.load(folder).score(query), before)


def test_ranks_the_own_parity_first() -> None:
    assert part_of_own_parity_first(ALS(SMALL.model_copy(update={"factors": 2}))) > 0.99


def test_the_number_of_threads_does_not_matter() -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    table = checkerboard()
    seen = training_matrix(table, np.arange(len(table)))
    one, two = (AlternatingLeastSquares(8, iterations=5, random_state=1, num_threads=n) for n in (1, 2))
    one.fit(seen, show_progress=False)
    two.fit(seen, show_progress=False)
    np.testing.assert_array_equal(one.item_factors, two.item_factors)


def test_another_seed_gives_other_scores() -> None:
    table = checkerboard()
    histories = query_of([[1, 3]])
    first, second = (
        ALS(SMALL.model_copy(update={"seed": seed})).fit(dataset_of(table, np.arange(300))).score(histories)
        for seed in (0, 1)
    )
    assert not np.allclose(first, second, atol=1e-6)


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)  # what Python itself does for a module it cannot find
    with pytest.raises(ConfigError, match=r"^ALS needs implicit\.cpu\.als; install the extra rec-sys\[baselines\]$"):
        ALS().fit(all_of(checkerboard()))
