"""Tokenized texts in batches: those of like length together, padded to the longest; no torch in here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def token_batches(lengths: npt.NDArray[np.int64], budget: int) -> list[npt.NDArray[np.int64]]:
    """Put texts of like length together, at most `budget` tokens at once with padding counted (one text at least).

    The batches come in a mixed order, the same every time, so that the time left can be told from the time so far.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or int(lengths[order[end]]) * (end + 1 - start) > budget:
            batches.append(order[start:end])
            start = end
    return [batches[place] for place in np.random.default_rng(0).permutation(len(batches))]


def tight_batches(lengths: npt.NDArray[np.int64], budget: int, padding: int = 8) -> list[npt.NDArray[np.int64]]:
    """Put texts of nearly equal length together, the most work first.

    For a few texts, where padding costs more than another batch: at most `padding` tokens of it by each further text,
    and at most `budget` tokens at once (one text at least).
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            length, count = int(lengths[order[end]]), end - start
            wasted = (length - int(lengths[order[end - 1]])) * count
            if wasted <= padding and length * (count + 1) <= budget:
                continue
        batches.append(order[start:end])
        start = end
    return sorted(batches, key=lambda batch: -int(lengths[batch].sum()))


def padded(sequences: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Token numbers and mask of a batch, both (len(sequences), longest); padding is 0 in both."""
    lengths = np.array([len(sequence) for sequence in sequences])
    mask = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.zeros(mask.shape, dtype=np.int64)
    tokens[mask] = np.concatenate(sequences)
    return tokens, mask.astype(np.int64)
