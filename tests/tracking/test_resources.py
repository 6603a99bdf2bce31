from __future__ import annotations

import time

import numpy as np
import pytest

from rec_sys.tracking.resources import measured

MIB = 2**20


def test_memory_that_was_given_back_within_the_block_counts_each_time() -> None:
    for _ in range(2):  # the second time it is no new record of the process
        with measured() as used:
            held = np.ones(96 * MIB // 8)
            time.sleep(0.1)
            del held
        assert 90 < used.peak_mib < 140
        assert used.seconds > 0.1


def test_what_was_held_before_does_not_count() -> None:
    held = np.ones(96 * MIB // 8)
    with measured() as used:
        time.sleep(0.05)
    assert used.peak_mib < 40
    assert held.sum() == 96 * MIB // 8


def test_a_block_that_fails_is_measured_too() -> None:
    with pytest.raises(KeyError), measured() as used:
        raise KeyError
    assert used.seconds >= 0
    assert used.peak_mib >= 0
