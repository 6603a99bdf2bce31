"""Counts of the events of a product before any time: features of a product that never see what comes later."""

from __future__ import annotations

import numpy as np

from rec_sys.arrays import Ints

NEVER = -1


class ProductClock:
    """Events per product in time order.

    Args:
        product: (num_events,) product numbers.
        timestamp: (num_events,) seconds since 1970 UTC.
        num_products: size of the catalogue.
    """

    def __init__(self, product: Ints, timestamp: Ints, num_products: int) -> None:
        self._start = int(timestamp.min()) if len(timestamp) else 0
        self._width = int(timestamp.max()) - self._start + 2 if len(timestamp) else 1
        self._keys = np.sort(product.astype(np.int64) * self._width + (timestamp - self._start))
        self._first = np.searchsorted(self._keys, np.arange(num_products + 1, dtype=np.int64) * self._width)

    def before(self, product: Ints, time: Ints) -> Ints:
        """(m,) events of each product before each time."""
        return self._place(product, time) - self._first[product]

    def between(self, product: Ints, start: Ints, stop: Ints) -> Ints:
        """(m,) events of each product from `start` to before `stop`."""
        return self._place(product, stop) - self._place(product, start)

    def newest(self, product: Ints, time: Ints) -> Ints:
        """(m,) time of the newest event of each product before each time; -1: there is none."""
        place = self._place(product, time)
        return self._time_at(place - 1, place > self._first[product])

    def oldest(self, product: Ints, time: Ints) -> Ints:
        """(m,) time of the first event of each product, if before each time; -1: there is none."""
        return self._time_at(self._first[product], self._place(product, time) > self._first[product])

    def _place(self, product: Ints, time: Ints) -> Ints:
        since = (time - self._start).clip(0, self._width - 1)
        place: Ints = np.searchsorted(self._keys, product * self._width + since)
        return place

    def _time_at(self, place: Ints, exists: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Ints:
        if not len(self._keys):
            return np.full(len(place), NEVER, dtype=np.int64)
        found = self._keys[place.clip(0, len(self._keys) - 1)] % self._width + self._start
        return np.where(exists, found, NEVER)
