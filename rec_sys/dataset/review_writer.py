"""The files of a prepared folder: reviews that are no repetitions, and what is known about their products."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rec_sys import columns
from rec_sys.dataset.readers.formats import Review
from rec_sys.dataset.readers.metadata import Product
from rec_sys.dataset.readers.metadata_join import LOOKED_AT
from rec_sys.dataset.readers.rejects import Reason

BATCH = 50_000  # rows of a row group
BATCH_CHARACTERS = 100_000_000  # a row group ends early when its texts are longer than this

MARK = " #"  # between a name that stands for many users and the line of one of them

REVIEWS_SCHEMA = pa.schema(
    [
        (columns.USER_ID, pa.string()),
        (columns.PRODUCT_ID, pa.string()),
        (columns.RATING, pa.float32()),
        (columns.TIMESTAMP, pa.int64()),
        (columns.TEXT, pa.string()),
        (columns.LINE, pa.int64()),
    ]
)
PRODUCTS_SCHEMA = pa.schema(
    [(columns.PRODUCT_ID, pa.string()), (columns.PRODUCT_NAME, pa.string()), (columns.PRODUCT_TEXT, pa.string())]
)


class ReviewWriter:
    """Writes reviews that are no repetitions, one row group a batch, and keeps count.

    Args:
        path: of the Parquet file; a context manager closes it.
        collective: names that stand for many users; each of their reviews is of a user of its own.
    """

    def __init__(self, path: Path, collective: Mapping[str, int] | None = None) -> None:
        self.collective = collective or {}
        self.kept = 0
        self.rated = 0
        self.without_text = 0
        self.of_nobody = 0  # reviews of collective names
        self.users: set[str] = set()
        self.first, self.last = 2**62, -1
        self.rises = self.falls = 0  # steps in time from one review to the next one of the file
        self.names: dict[str, str] = {}  # of all kept products, in order of appearance; empty where none is known
        self._parquet = pq.ParquetWriter(path, REVIEWS_SCHEMA, compression="zstd")
        self._seen: set[bytes] = set()
        self._before = 0
        self._columns: tuple[list[Any], ...] = tuple([] for _ in REVIEWS_SCHEMA)
        self._characters = 0

    def __enter__(self) -> ReviewWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._parquet.close()

    @property
    def newest_first(self) -> bool:
        """Whether the file runs back in time, so that the lower of two rows of one moment is the earlier."""
        return self.falls > 3 * self.rises

    def add(self, review: Review, line: int) -> Reason | None:
        """Write a review, or say why not."""
        user_id, product_id, rating, timestamp, text, name = review
        collective = user_id in self.collective
        keys = _keys(review, whole=collective)
        if not self._seen.isdisjoint(keys):
            return Reason.REPEATED
        self._seen.update(keys)
        self.kept += 1
        if collective:
            self.of_nobody += 1
            user_id = f"{user_id}{MARK}{line}"
        else:
            self.users.add(user_id)
        self.rated += rating is not None
        self.without_text += not text
        if timestamp < self.first:
            self.first = timestamp
        if timestamp > self.last:
            self.last = timestamp
        self.rises += timestamp > self._before
        self.falls += timestamp < self._before
        self._before = timestamp
        if not self.names.get(product_id):
            self.names[product_id] = name
        for column, value in zip(self._columns, (user_id, product_id, rating, timestamp, text, line), strict=True):
            column.append(value)
        self._characters += len(text)
        if len(self._columns[0]) >= BATCH or self._characters >= BATCH_CHARACTERS:
            self._flush()
        return None

    def _flush(self) -> None:
        _write(self._parquet, self._columns, REVIEWS_SCHEMA)
        self._columns = tuple([] for _ in REVIEWS_SCHEMA)
        self._characters = 0


def _keys(review: Review, whole: bool) -> list[bytes]:
    """Hashes that two reviews share when one repeats the other.

    That is the same person and product, and the same date or (not empty) text. Of names that stand for many users a
    repetition has all the same.
    """
    pair = f"{len(review.user_id)}:{review.user_id}{len(review.product_id)}:{review.product_id}"
    if whole:
        return [_hash(f"{pair}@{review.timestamp}={review.text}")]
    keys = [_hash(f"{pair}@{review.timestamp}")]
    if review.text:
        keys.append(_hash(f"{pair}={review.text}"))
    return keys


def _hash(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).digest()


def _write(writer: pq.ParquetWriter, values: Iterable[list[Any]], schema: pa.Schema) -> int:
    """Write one row group; returns the number of rows."""
    values = list(values)
    if not values or not values[0]:
        return 0
    arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
    writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return len(arrays[0])


def write_products(
    path: Path,
    names: Mapping[str, str],
    products: Iterable[Product],
    counts: Counter[str],
    unmatched: list[str] | None = None,
) -> int:
    """Write what is known about the reviewed products; the metadata's name goes before the one in the reviews.

    Args:
        path: of the Parquet file.
        names: of the reviewed products, as the reviews call them; may be empty.
        products: of the metadata.
        counts: where products of the metadata are counted as "reviewed".
        unmatched: gets the first ids of the metadata that nobody reviewed.

    Returns:
        How many products were written.
    """
    left = dict(names)
    written = 0
    rows: list[tuple[str, str, str]] = []
    with pq.ParquetWriter(path, PRODUCTS_SCHEMA, compression="zstd") as writer:
        for product_id, name, text in products:
            own = left.pop(product_id, None)
            if own is None:  # nobody has reviewed it
                if unmatched is not None and len(unmatched) < LOOKED_AT:
                    unmatched.append(product_id)
                continue
            counts["reviewed"] += 1
            rows.append((product_id, name or own, text if name or not own else f"{own}. {text}"))
            if len(rows) >= BATCH:
                written += _write(writer, map(list, zip(*rows, strict=True)), PRODUCTS_SCHEMA)
                rows = []
        rows += [(product_id, own, own) for product_id, own in left.items() if own]
        written += _write(writer, map(list, zip(*rows, strict=True)), PRODUCTS_SCHEMA)
    return written
