from __future__ import annotations

import sys

import numpy as np
import pytest

from rec_sys.errors import ConfigError
from rec_sys.recommenders.bpr import BPR, BPRSettings
from tests.support.parity import part_of_own_parity_first
from tests.support.toy import all_of, checkerboard, query_of

SMALL = BPRSettings(factors=8, iterations=20)


def fitted(settings: BPRSettings) -> BPR:
    return BPR(settings).fit(all_of(checkerboard()))


def test_scores_by_hand_from_the_vectors_of_the_products() -> None:
    model = fitted(SMALL.model_copy(update={"bias": 0.5, "decay": 0.5}))
    v, b = model.vectors, model.biases
    newest_last = (0.25 * v[7] + 0.5 * v[2] + v[5]) / 1.75
    scores = model.score(query_of([[7, 2, 5], []]))
    np.testing.assert_allclose(scores[0], v @ newest_last + 0.5 * b, atol=1e-6)
    np.testing.assert_allclose(scores[1], b, atol=1e-7)  # nothing is known: the biases alone


def test_ranks_the_own_parity_first() -> None:
    assert part_of_own_parity_first(BPR(SMALL.model_copy(update={"iterations": 50}))) > 0.99


def test_the_seed_decides() -> None:
    histories = query_of([[1, 3], [2]])
    first, again = (fitted(SMALL).score(histories) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, fitted(SMALL.model_copy(update={"seed": 1})).score(histories))


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.bpr", None)  # what Python itself does for a module it cannot find
    with pytest.raises(ConfigError, match=r"^BPR needs implicit\.cpu\.bpr; install the extra rec-sys\[baselines\]$"):
        fitted(SMALL)
