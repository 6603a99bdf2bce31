"""The review table: ids become numbers, all but the texts is in memory, each person's reviews in time order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rec_sys import columns
from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.errors import DataError
from rec_sys.ids import IdMap


@dataclass(frozen=True)
class ReviewTable:
    """Reviews sorted by person, then time, then order of the raw file.

    A *review number* is a row of this table. Texts stay in the Parquet file and are read in batches.
    """

    users: IdMap
    products: IdMap
    user: Ints  # (num_reviews,) user numbers, ascending
    product: Ints  # (num_reviews,) product numbers
    rating: Floats  # (num_reviews,) 1 to 5; nan where the source has none
    timestamp: Ints  # (num_reviews,) seconds since 1970 UTC; places in an order where the source has no time
    row: Ints  # (num_reviews,) row of reviews.parquet
    folder: Path | None = None  # holds reviews.parquet and products.parquet
    fingerprint: str = ""  # of the raw data and of what was left out
    newest_first: bool = False  # the file runs back in time, so of two reviews of one time the lower is the earlier
    text_vectors: Vectors | None = field(default=None, compare=False, repr=False)  # see `text`
    weights: Floats | None = None  # see `weight`; of events with all that is known, also what came later
    # What may be learned from in place of `weights`, computed when it is first asked for.
    read_weights: Callable[[], Floats] | None = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def num_users(self) -> int:
        return len(self.users)

    @property
    def num_products(self) -> int:
        return len(self.products)

    @property
    def text(self) -> Vectors:
        """(num_reviews, text_dim) vectors of the texts; (num_reviews, 0) where they are not at hand."""
        return np.zeros((len(self), 0), dtype=np.float16) if self.text_vectors is None else self.text_vectors

    @property
    def weight(self) -> Floats:
        """(num_reviews,) how much each says of its user's interest: of events the strongest kind; of reviews 1."""
        if self.read_weights is not None:
            return self.read_weights()
        return np.ones(len(self), dtype=np.float32) if self.weights is None else self.weights

    def with_text(self, vectors: Vectors) -> ReviewTable:
        """The same table with the vectors of its texts, (num_reviews, text_dim)."""
        return replace(self, text_vectors=vectors)

    @property
    def place(self) -> Ints:
        """(num_reviews,) grows with time where the file runs in time, also among reviews of one time."""
        return -self.row if self.newest_first else self.row

    def indptr(self) -> Ints:
        """(num_users + 1,): the reviews of user u are the rows indptr[u] to indptr[u + 1]."""
        return np.searchsorted(self.user, np.arange(self.num_users + 1)).astype(np.int64)

    def texts(self, batch_size: int = 16_384) -> Iterator[tuple[Ints, list[str]]]:
        """Review numbers and texts, batch by batch in the order of the Parquet file; never all in memory."""
        if self.folder is None:
            return
        import pyarrow.parquet as pq  # only here: serving reads no tables and does without it

        number_of_row = np.full(int(self.row.max(initial=-1)) + 1, -1, dtype=np.int64)
        number_of_row[self.row] = np.arange(len(self))
        start = 0
        file = pq.ParquetFile(self.folder / columns.REVIEWS_FILE)
        for batch in file.iter_batches(batch_size, columns=[columns.TEXT]):
            numbers = number_of_row[start : start + len(batch)]
            start += len(batch)
            kept = np.flatnonzero(numbers >= 0)
            texts = batch.column(0).take(kept).to_pylist()
            if texts:
                yield numbers[kept], texts

    def has_texts(self) -> bool:
        """Whether any review has a text; reads up to the first."""
        return any(any(texts) for _, texts in self.texts())

    def text_of(self, reviews: Ints) -> list[str]:
        """Texts of a few reviews, for showing them to a person; only the row groups that hold them are read."""
        if self.folder is None or not len(reviews):
            return [""] * len(reviews)
        import pyarrow.parquet as pq

        rows = self.row[reviews]
        file = pq.ParquetFile(self.folder / columns.REVIEWS_FILE)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        first = np.concatenate([[0], np.cumsum(sizes)])
        group_of = np.searchsorted(first, rows, side="right") - 1
        found = [""] * len(reviews)
        for group in np.unique(group_of).tolist():
            texts = file.read_row_group(group, columns=[columns.TEXT]).column(0)
            places = np.flatnonzero(group_of == group)
            taken = texts.take(rows[places] - first[group]).to_pylist()
            for place, text in zip(places.tolist(), taken, strict=True):
                found[place] = text
        return found


def load_table(folder: Path, fingerprint: str, min_reviews: int = 1, newest_first: bool = False) -> ReviewTable:
    """Build the table from a prepared folder.

    Args:
        folder: holds reviews.parquet.
        fingerprint: of the prepared data.
        min_reviews: keep only users and products with at least this many reviews (k-core; 1 keeps all).
        newest_first: the file runs back in time; ties follow.

    Raises:
        DataError: the k-core filter leaves nothing.
    """
    import polars as pl  # only where a table is read

    keys = [columns.USER_ID, columns.PRODUCT_ID, columns.RATING, columns.TIMESTAMP]
    schema = pl.read_parquet_schema(folder / columns.REVIEWS_FILE)
    keys += [columns.WEIGHT] if columns.WEIGHT in schema else []
    frame = pl.read_parquet(folder / columns.REVIEWS_FILE, columns=keys).with_row_index("row")
    total = len(frame)
    while min_reviews > 1:
        before = len(frame)
        for key in (columns.USER_ID, columns.PRODUCT_ID):
            frame = frame.filter(pl.len().over(key) >= min_reviews)
        if len(frame) == before:
            break
    if frame.is_empty():
        raise DataError(
            f"no review is left of {total:,}: no people and products with at least {min_reviews} reviews each; "
            f"lower data.k_core"
        )
    # Numbers follow first appearance in the file, so adding rows at its end keeps the old numbers.
    users = frame[columns.USER_ID].unique(maintain_order=True)
    products = frame[columns.PRODUCT_ID].unique(maintain_order=True)
    frame = frame.with_columns(
        pl.col(columns.USER_ID).replace_strict(users, np.arange(len(users)), return_dtype=pl.Int64).alias("user"),
        pl.col(columns.PRODUCT_ID)
        .replace_strict(products, np.arange(len(products)), return_dtype=pl.Int64)
        .alias("product"),
    ).sort("user", columns.TIMESTAMP, "row", descending=[False, False, newest_first])
    return ReviewTable(
        users=IdMap(users.to_list(), "user"),
        products=IdMap(products.to_list(), "product"),
        user=frame["user"].to_numpy(),
        product=frame["product"].to_numpy(),
        rating=frame[columns.RATING].fill_null(float("nan")).to_numpy().astype(np.float32),
        timestamp=frame[columns.TIMESTAMP].to_numpy(),
        row=frame["row"].cast(pl.Int64).to_numpy(),
        folder=folder,
        fingerprint=with_core(fingerprint, min_reviews),
        newest_first=newest_first,
        weights=frame[columns.WEIGHT].to_numpy().astype(np.float32) if columns.WEIGHT in keys else None,
    )


def with_core(fingerprint: str, min_reviews: int) -> str:
    """The fingerprint of a table of which the k-core was kept."""
    return fingerprint if min_reviews <= 1 else f"{fingerprint}-core{min_reviews}"
