"""From a raw file of reviews to a prepared folder: checked, without repetitions, in one form whatever the source.

What a source lacks stays empty: no rating is null, no text is "", and without a time the timestamp is the place of the
row in the file, or the place of a product in its person's list.

The folder's name is the fingerprint of everything that went into it, so the same input is read once. A repetition is
the same person, product and timestamp (or text) a second time; places in a list or file never repeat.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews, find_prepared
from rec_sys.dataset.readers.format_choice import choose_format, given_columns
from rec_sys.dataset.readers.formats import LISTS, ColumnNames, Review, ReviewFormat
from rec_sys.dataset.readers.metadata import read_products
from rec_sys.dataset.readers.real_ids import read_real_ids
from rec_sys.dataset.readers.rejects import Reason, Rejects
from rec_sys.dataset.readers.rows import RawFile, Row, peek
from rec_sys.dataset.readers.sequences import find_sequences
from rec_sys.errors import DataError
from rec_sys.files import atomic_folder, sha256_of, write_json
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.settings import Settings

VERSION = 1  # to be raised when the same raw file would give another folder
BATCH = 50_000  # rows of a row group
BATCH_CHARACTERS = 100_000_000  # a row group ends early when its texts are longer than this
STEP = 2_000  # rows between two updates of the progress bar

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


class ReadSettings(Settings):
    """How a raw file is read."""

    columns: ColumnNames = Field(default_factory=ColumnNames, description="columns of files of no known format")
    format: Literal["auto", "interactions"] = Field("auto", description="interactions: user and product are enough")
    metadata: Path | None = Field(None, description="file with names and texts of the products")
    user_ids: Path | None = Field(None, description="file with the ids of numbered people")
    product_ids: Path | None = Field(None, description="file with the ids of numbered products")


def prepare_reviews(
    path: Path,
    out: Path,
    settings: ReadSettings | None = None,
    metadata: Path | None = None,
    progress: ProgressCallback | None = None,
) -> PreparedReviews:
    """Read a raw file into `out/<fingerprint>`, or find it read already.

    The folder appears whole or not at all. Memory holds one row group, all ids and names, and two 16-byte hashes per
    kept review (about 200 bytes as Python objects: 200 MB per million reviews); a file of lists is held whole.

    Args:
        path: reviews as JSON lines, CSV or Parquet, or lists of products (see `sequences`), plain or gzip-packed.
        out: the folder in which prepared folders are kept.
        settings: how to read.
        metadata: file with names and texts of the products; goes before `settings.metadata`.
        progress: told how much of the file is read.

    Raises:
        DataError: a file cannot be read, the reviews are of no known format, or no row is usable.
    """
    settings = settings or ReadSettings()
    metadata = metadata or settings.metadata
    user_ids = read_real_ids(settings.user_ids) if settings.user_ids else None
    product_ids = read_real_ids(settings.product_ids) if settings.product_ids else None
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; expected a folder for prepared reviews: give another place")
    file = RawFile(path)
    if metadata is not None:
        RawFile(metadata)  # a wrong path is better told now than after the reviews
    fingerprint = _fingerprint(path, metadata, settings)
    folder = out / fingerprint[:16]
    found = find_prepared(folder, fingerprint)
    if found is not None:
        return found
    format_, unread, rows = _open(file, settings)
    with atomic_folder(folder) as temporary:
        with (
            Rejects(temporary / columns.REJECTS_FILE) as rejects,
            _ReviewWriter(temporary / columns.REVIEWS_FILE) as writer,
        ):
            stage = Stage(f"read {path.name}", file.size, "bytes", progress)
            read = 0
            for read, (line, row, _) in enumerate(rows, 1):
                if isinstance(row, str):
                    rejects.add(line, Reason.BROKEN, row)
                else:
                    review = format_.read(row, read)
                    if isinstance(review, Review) and (user_ids or product_ids):
                        review = _with_real_ids(review, user_ids, product_ids)
                    reason = review if isinstance(review, Reason) else writer.add(review, line)
                    if reason is not None:
                        rejects.add(line, reason, format_.shown(row))
                if read % STEP == 0:
                    stage.reach(file.position)
            stage.reach(file.size)
            _check_kept(path, format_, read, writer.kept, rejects)
        counts: Counter[str] = Counter()
        named = _write_products(temporary / columns.PRODUCTS_FILE, writer.names, metadata, counts)
        prepared = PreparedReviews(
            folder=folder,
            fingerprint=fingerprint,
            source=path.name,
            format=format_.name,
            read=read,
            unread=unread,
            kept=writer.kept,
            order=format_.ordered_by,
            order_column=next(iter(format_.timestamp or format_.order), ""),
            rated=writer.rated,
            rejected={str(reason): count for reason, count in rejects.counts.most_common()},
            without_text=writer.without_text,
            first=writer.first,
            last=writer.last,
            users=len(writer.people),
            products=len(writer.names),
            products_named=named,
            metadata=dict(counts),
        )
        summary = {name: value for name, value in asdict(prepared).items() if name != "folder"}
        write_json(temporary / columns.SUMMARY_FILE, summary)
    return prepared


def _open(file: RawFile, settings: ReadSettings) -> tuple[ReviewFormat, list[str], Iterator[Row]]:
    """The format of a file, the columns that it leaves out, and all rows."""
    header, rows = peek(file)
    lists = find_sequences(file.kind, header, settings.columns.user, settings.columns.product)
    if lists is not None:
        given_columns(header, settings.columns, file.path)
        unread = [name for name in header if name not in (lists.user, lists.products, lists.last)]
        name = "JSON lists" if file.kind == "JSON object" else "RecBole lists"
        return replace(LISTS, name=name), unread, lists.unrolled(rows)
    format_ = choose_format(header, settings.columns, file.path, settings.format == "interactions")
    return format_, format_.unread(header), rows


def _with_real_ids(
    review: Review, user_ids: dict[str, str] | None, product_ids: dict[str, str] | None
) -> Review | Reason:
    """The review with the ids its numbers stand for."""
    user_id = review.user_id if user_ids is None else user_ids.get(review.user_id)
    product_id = review.product_id if product_ids is None else product_ids.get(review.product_id)
    if user_id is None or product_id is None:
        return Reason.NO_ID
    return review._replace(user_id=user_id, product_id=product_id)


def _fingerprint(path: Path, metadata: Path | None, settings: ReadSettings) -> str:
    """Hex digest of all that decides what the folder holds."""
    parts = {
        "version": VERSION,
        "reviews": sha256_of(path),
        "metadata": None if metadata is None else sha256_of(metadata),
        "settings": {"columns": settings.columns.model_dump(mode="json", exclude={"order"})},
    }
    # Settings that came later count only where they are given: checkpoints know their data by this digest.
    if settings.columns.order is not None:
        parts["order"] = settings.columns.order
    if settings.format != "auto":
        parts["format"] = settings.format
    if settings.user_ids is not None:
        parts["user_ids"] = sha256_of(settings.user_ids)
    if settings.product_ids is not None:
        parts["product_ids"] = sha256_of(settings.product_ids)
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _check_kept(path: Path, format_: ReviewFormat, read: int, kept: int, rejects: Rejects) -> None:
    if kept:
        return
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in rejects.counts.most_common())
    advice = "check the columns and their values"
    if Reason.RATING_OUT_OF_RANGE in rejects.counts:
        advice += "; ratings go from 1 to 5, and data.columns.rating=none reads none"
    if Reason.NO_ID in rejects.counts:
        advice += "; data.user_ids and data.product_ids are files of lines ID<TAB>NUMBER"
    raise DataError(
        f"{path} ({format_.name}) holds no usable review: {read:,} rows read, all left out ({reasons or 'none'}); "
        f"{rejects.first or 'its lists are empty'}: {advice}"
    )


class _ReviewWriter:
    """Writes reviews that are no repetitions, one row group a batch, and keeps count."""

    def __init__(self, path: Path) -> None:
        self.kept = 0
        self.rated = 0
        self.without_text = 0
        self.people: set[str] = set()
        self.first, self.last = 2**62, -1
        self.names: dict[str, str] = {}  # of all kept products, in order of appearance; empty where none is known
        self._parquet = pq.ParquetWriter(path, REVIEWS_SCHEMA, compression="zstd")
        self._seen: set[bytes] = set()
        self._rows: list[tuple[Any, ...]] = []
        self._characters = 0

    def __enter__(self) -> _ReviewWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._parquet.close()

    def add(self, review: Review, line: int) -> Reason | None:
        """Write a review, or say why not."""
        keys = _keys(review)
        if not self._seen.isdisjoint(keys):
            return Reason.REPEATED
        self._seen.update(keys)
        self.kept += 1
        self.people.add(review.user_id)
        self.rated += review.rating is not None
        self.without_text += not review.text
        self.first, self.last = min(self.first, review.timestamp), max(self.last, review.timestamp)
        if not self.names.get(review.product_id):
            self.names[review.product_id] = review.product_name
        self._rows.append((review.user_id, review.product_id, review.rating, review.timestamp, review.text, line))
        self._characters += len(review.text)
        if len(self._rows) >= BATCH or self._characters >= BATCH_CHARACTERS:
            self._flush()
        return None

    def _flush(self) -> None:
        _write(self._parquet, self._rows, REVIEWS_SCHEMA)
        self._rows, self._characters = [], 0


def _keys(review: Review) -> list[bytes]:
    """Hashes that two reviews share when one repeats the other: same person, product, and date or (not empty) text."""
    pair = f"{len(review.user_id)}:{review.user_id}{len(review.product_id)}:{review.product_id}"
    keys = [f"{pair}@{review.timestamp}"]
    if review.text:
        keys.append(f"{pair}={review.text}")
    return [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys]


def _write(writer: pq.ParquetWriter, rows: list[tuple[Any, ...]], schema: pa.Schema) -> int:
    """Write one row group; returns the number of rows."""
    if rows:
        arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return len(rows)


def _write_products(path: Path, names: dict[str, str], metadata: Path | None, counts: Counter[str]) -> int:
    """Write what is known about the reviewed products; the metadata's name goes before the one in the reviews.

    Returns:
        How many products were written.
    """
    left = dict(names)
    written = 0
    rows: list[tuple[Any, ...]] = []
    with pq.ParquetWriter(path, PRODUCTS_SCHEMA, compression="zstd") as writer:
        for product_id, name, text in read_products(metadata, counts) if metadata is not None else ():
            own = left.pop(product_id, None)
            if own is None:  # nobody has reviewed it
                continue
            rows.append((product_id, name or own, text if name or not own else f"{own}. {text}"))
            if len(rows) >= BATCH:
                written += _write(writer, rows, PRODUCTS_SCHEMA)
                rows = []
        rows += [(product_id, own, own) for product_id, own in left.items() if own]
        written += _write(writer, rows, PRODUCTS_SCHEMA)
    return written
