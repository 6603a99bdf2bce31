"""From a raw file of reviews to a prepared folder: checked, without repetitions, in one form whatever the source.

The folder's name is the fingerprint of everything that went into it, so the same input is read once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field
from tqdm import tqdm

from rec_sys import columns
from rec_sys.dataset.formats import ColumnNames, Review, ReviewFormat, choose_format
from rec_sys.dataset.metadata import read_products
from rec_sys.dataset.rejects import Reason, Rejects
from rec_sys.dataset.rows import RawFile, peek
from rec_sys.errors import DataError
from rec_sys.files import atomic_folder, sha256_of, write_json
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
    metadata: Path | None = Field(None, description="file with names and texts of the products")


@dataclass(frozen=True)
class PreparedReviews:
    """A prepared folder and what became of the raw rows; `read == kept + sum(rejected.values())`."""

    folder: Path  # holds reviews.parquet, products.parquet, rejects.jsonl and summary.json
    fingerprint: str  # hex, of the raw files, the settings and VERSION
    source: str  # the raw file
    format: str
    read: int  # rows that are not blank
    kept: int
    rejected: dict[str, int]  # by reason, the most frequent first
    without_text: int  # of the kept
    first: int  # timestamp of the oldest kept review
    last: int  # timestamp of the newest
    products: int  # distinct products of the kept reviews
    products_named: int  # of these, with a name or text
    metadata: dict[str, int]  # rows of the metadata file by what became of them; empty without one

    def describe(self) -> str:
        """A short block for a person."""
        left_out = sum(self.rejected.values())
        dates = " to ".join(f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}" for when in (self.first, self.last))
        lines: list[tuple[str, str]] = [
            ("read", f"{self.read:>12,}  {self.source} ({self.format})"),
            ("kept", f"{self.kept:>12,}  {dates}"),
        ]
        if self.without_text:
            lines.append(("  without text", f"{self.without_text:>12,}"))
        lines.append(("left out", f"{left_out:>12,}" + (f"  {self.folder / columns.REJECTS_FILE}" if left_out else "")))
        lines += [(f"  {reason}", f"{count:>12,}") for reason, count in self.rejected.items()]
        lines += [
            ("products", f"{self.products:>12,}"),
            ("  with a name or text", f"{self.products_named:>12,}"),
        ]
        if self.metadata.get("broken"):
            lines.append(("  broken metadata rows", f"{self.metadata['broken']:>12,}"))
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}} {value}" for name, value in lines)


def prepare_reviews(
    path: Path, out: Path, settings: ReadSettings | None = None, metadata: Path | None = None, progress: bool = True
) -> PreparedReviews:
    """Read a raw file into `out/<fingerprint>`, or find it read already.

    The folder appears whole or not at all. Memory holds one row group, the product ids and names, and two 16-byte
    hashes per kept review (about 200 bytes as Python objects: 200 MB per million reviews).

    Args:
        path: reviews as JSON lines, CSV or Parquet, plain or gzip-packed.
        out: the folder in which prepared folders are kept.
        settings: how to read.
        metadata: file with names and texts of the products; goes before `settings.metadata`.
        progress: whether to show a bar, at a terminal.

    Raises:
        DataError: the file cannot be read, is of no known format, or holds no usable row.
    """
    settings = settings or ReadSettings()
    metadata = metadata or settings.metadata
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; expected a folder for prepared reviews: give another place")
    file = RawFile(path)
    if metadata is not None:
        RawFile(metadata)  # a wrong path is better told now than after the reviews
    fingerprint = _fingerprint(path, metadata, settings)
    folder = out / fingerprint[:16]
    found = _find(folder, fingerprint)
    if found is not None:
        return found
    header, rows = peek(file)
    format_ = choose_format(header, settings.columns, path)
    with atomic_folder(folder) as temporary:
        with (
            Rejects(temporary / columns.REJECTS_FILE) as rejects,
            _ReviewWriter(temporary / columns.REVIEWS_FILE) as writer,
            tqdm(total=file.size, unit="B", unit_scale=True, desc=path.name, disable=None if progress else True) as bar,
        ):
            read = 0
            for read, (line, row) in enumerate(rows, 1):
                if isinstance(row, str):
                    rejects.add(line, Reason.BROKEN, row)
                else:
                    review = format_.read(row)
                    reason = review if isinstance(review, Reason) else writer.add(review, line)
                    if reason is not None:
                        rejects.add(line, reason, format_.shown(row))
                if read % STEP == 0:
                    bar.update(file.position - bar.n)
            bar.update(file.size - bar.n)
            _check_kept(path, format_, read, writer.kept, rejects)
        counts: Counter[str] = Counter()
        named = _write_products(temporary / columns.PRODUCTS_FILE, writer.names, metadata, counts)
        prepared = PreparedReviews(
            folder=folder,
            fingerprint=fingerprint,
            source=path.name,
            format=format_.name,
            read=read,
            kept=writer.kept,
            rejected={str(reason): count for reason, count in rejects.counts.most_common()},
            without_text=writer.without_text,
            first=writer.first,
            last=writer.last,
            products=len(writer.names),
            products_named=named,
            metadata=dict(counts),
        )
        summary = {name: value for name, value in asdict(prepared).items() if name != "folder"}
        write_json(temporary / columns.SUMMARY_FILE, summary)
    return prepared


def _fingerprint(path: Path, metadata: Path | None, settings: ReadSettings) -> str:
    """Hex digest of all that decides what the folder holds."""
    parts = {
        "version": VERSION,
        "reviews": sha256_of(path),
        "metadata": None if metadata is None else sha256_of(metadata),
        "settings": settings.model_dump(mode="json", exclude={"metadata"}),
    }
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _find(folder: Path, fingerprint: str) -> PreparedReviews | None:
    """The prepared folder if it is there and whole."""
    names = (columns.REVIEWS_FILE, columns.PRODUCTS_FILE, columns.REJECTS_FILE, columns.SUMMARY_FILE)
    if not all((folder / name).is_file() for name in names):
        return None
    try:
        prepared = PreparedReviews(folder=folder, **orjson.loads((folder / columns.SUMMARY_FILE).read_bytes()))
    except (ValueError, TypeError):
        return None
    return prepared if prepared.fingerprint == fingerprint else None


def _check_kept(path: Path, format_: ReviewFormat, read: int, kept: int, rejects: Rejects) -> None:
    if not kept:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in rejects.counts.most_common())
        raise DataError(
            f"{path} ({format_.name}) holds no usable review: {read:,} rows read, all left out ({reasons}); "
            f"{rejects.first}: check the columns and their values"
        )


class _ReviewWriter:
    """Writes reviews that are no repetitions, one row group a batch, and keeps count."""

    def __init__(self, path: Path) -> None:
        self.kept = 0
        self.without_text = 0
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
