"""Products that the same user touched near each other, weighted by kind of event and by the time between."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from rec_sys.dataset.events import EventTable
from rec_sys.recommenders.two_stage.settings import TwoStageSettings

DAY, HOUR = 86_400, 3_600  # seconds
WIDE_STEP = 0.8  # of the wide co-visitation, as `step_decay`


def co_visits(events: EventTable, settings: TwoStageSettings) -> sp.csr_matrix:
    """(num_products, num_products) float32: how strongly the row's product leads to the column's.

    Two events of a user that are s <= `span` events and t hours apart count, in both directions,

        step_decay ** (s - 1) * (floor + (1 - floor) * exp(-t / covisit_hours)) * w ** covisit_kinds

    with the weight w of the kind of event led to; rows are divided by the fourth root of the events of their product.
    What stands close together counts by far the most, and since each event meets `span` others at most, somebody with
    thousands of events counts by these and not by their square. Of each user the newest `max_covisited` events count,
    of each product the `neighbours` strongest are kept.
    """
    return _summed(events, settings, settings.span, settings.covisit_hours, settings.covisit_floor, settings.step_decay)


def wide_co_visits(events: EventTable, settings: TwoStageSettings) -> sp.csr_matrix:
    """(num_products, num_products) float32: the same, of events up to twice as many events and a day apart."""
    return _summed(events, settings, 2 * settings.span, 24.0, max(0.3, settings.covisit_floor), WIDE_STEP)


def _summed(
    events: EventTable, settings: TwoStageSettings, span: int, decay_hours: float, floor: float, step: float
) -> sp.csr_matrix:
    num_products = len(events.products)
    if settings.max_covisited:
        from_end = events.indptr()[events.user + 1] - 1 - np.arange(len(events))
        events = events.part(np.flatnonzero(from_end < settings.max_covisited))
    user, product, time = events.user, events.product, events.timestamp
    weight = (events.weight.astype(np.float64) ** settings.covisit_kinds).astype(np.float32)
    shape = (num_products, num_products)
    nothing = np.zeros(0, dtype=np.int64)
    total = sp.csr_matrix((np.zeros(0, dtype=np.float32), (nothing, nothing)), shape=shape)
    for apart in range(1, span + 1):
        first = np.flatnonzero(user[apart:] == user[:-apart])
        first = first[product[first] != product[first + apart]]
        second = first + apart
        near = floor + (1 - floor) * np.exp(-(time[second] - time[first]) / HOUR / decay_hours)
        near *= step ** (apart - 1)
        row = np.concatenate([product[first], product[second]])
        col = np.concatenate([product[second], product[first]])
        value = np.concatenate([near * weight[second], near * weight[first]]).astype(np.float32)
        total = total + sp.csr_matrix((value, (row, col)), shape=shape)
    size = np.bincount(product, minlength=num_products).clip(1) ** 0.25
    return strongest_per_row(sp.csr_matrix(sp.diags_array((1 / size).astype(np.float32)) @ total), settings.neighbours)


def strongest_per_row(matrix: sp.csr_matrix, count: int) -> sp.csr_matrix:
    """The highest `count` entries of each row; of equal ones the lower column."""
    length = np.diff(matrix.indptr)
    row = np.repeat(np.arange(matrix.shape[0]), length)
    keep = np.ones(len(row), dtype=bool)
    crowded = np.flatnonzero(length[row] > count)
    order = crowded[np.lexsort((matrix.indices[crowded], -matrix.data[crowded], row[crowded]))]
    first = np.searchsorted(row[order], row[order])
    keep[order[np.arange(len(order)) - first >= count]] = False
    kept = sp.csr_matrix((matrix.data[keep], (row[keep], matrix.indices[keep])), shape=matrix.shape)
    kept.sort_indices()
    return kept
