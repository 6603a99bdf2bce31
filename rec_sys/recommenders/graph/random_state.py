"""Training seeds every generator there is; whoever trains from Python gets back what was drawn from before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def restored_random_state() -> Iterator[None]:
    """Leave the global generators of Python, NumPy and torch as they were."""
    of_python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  the global state itself
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)  # noqa: NPY002
