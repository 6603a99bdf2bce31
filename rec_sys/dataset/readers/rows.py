"""Raw files row by row: JSON lines, CSV or Parquet, plain or gzip-packed, never whole in memory.

What a file is, is told by its first bytes: names lie (`reviews.json` that is packed, `data.csv` with tabs).
Two more kinds come with published data sets: one JSON object `{person: [products]}`, which is read whole, and the
"atomic" files of RecBole, tab-separated without quotes, whose columns bear a type (`user_id:token`) that is dropped.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from rec_sys import columns
from rec_sys.dataset.readers.column_aliases import find_columns
from rec_sys.errors import DataError

Kind = Literal["JSON lines", "JSON object", "CSV", "RecBole", "Parquet"]
Row = tuple[int, dict[str, Any] | str]  # line and its fields by name, or line and why it could not be read

SAMPLE = 65_536  # bytes looked at to tell what a file is
MAX_ROW = 1 << 24  # bytes of a line or characters of a CSV field; longer ones are broken, so memory stays bounded
SHOWN = 120  # characters of a broken line that are shown
STEP = 1_000  # rows between two updates of the position
PRODUCT_LIST = "product_list"  # what the list of a person is called in the rows of a JSON object

FIRST_LIST = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[')  # an object whose first value is a list
ATOMIC = re.compile(r"(.+):(?:token|token_seq|float|float_seq)")  # a column of RecBole's files

OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"BZh": "packed with bzip2; unpack it first",
    b"\xfd7zXZ": "packed with xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first",
    b"SQLite format 3": "an SQLite database; export the table as CSV first",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8 first",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8 first",
}


class RawFile:
    """A raw file of rows.

    Args:
        path: one file.

    Raises:
        DataError: the file is missing, a folder, empty, cut off, or none of the three kinds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise DataError(f"{path} is a folder; expected one file of JSON lines, CSV or Parquet: name a file in it")
        if not path.exists():
            raise DataError(f"{path} does not exist; expected a file of JSON lines, CSV or Parquet: check the path")
        with self._errors():
            self.size = path.stat().st_size  # bytes
            self.position = 0  # bytes read so far, of `size`
            self.line = 0  # the last line (Parquet: row) read
            with path.open("rb") as file:
                self.packed = file.read(2) == b"\x1f\x8b"
            with self._open() as opened:
                sample = opened.read(SAMPLE)
        self.kind, self._delimiter = self._tell(sample)

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank, with its 1-based line (CSV: its first line; Parquet: its row).

        A byte order mark is dropped, bytes that are not UTF-8 become U+FFFD.

        Raises:
            DataError: the file is cut off or damaged as a whole; single bad lines are yielded with their reason.
        """
        with self._errors():
            if self.kind == "Parquet":
                yield from self._parquet()
                return
            with self._open() as file:
                read = {"JSON lines": self._json_lines, "JSON object": self._json_object}.get(self.kind, self._csv)
                rows = read(file)
                for count, row in enumerate(rows):
                    if count % STEP == 0:
                        self.position = self._raw.tell()
                    self.line = row[0]
                    yield row
            self.position = self.size

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        """The unpacked bytes."""
        with self.path.open("rb") as self._raw:
            if self.packed:
                yield io.BufferedReader(gzip.GzipFile(fileobj=self._raw), 1 << 20)
            else:
                yield self._raw

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Foreign errors become one line that says what to do."""
        try:
            yield
        except EOFError:
            raise DataError(
                f"{self.path} is cut off: its gzip stream ends early, after line {self.line:,} "
                f"({self.size:,} bytes are there); copy or download the file again"
            ) from None
        except (gzip.BadGzipFile, zlib.error, pa.ArrowException) as error:
            raise DataError(
                f"{self.path} is damaged after line {self.line:,} ({_start(str(error))}); copy or download it again"
            ) from error
        except OSError as error:
            reason = error.strerror or _start(str(error))
            raise DataError(f"{self.path} cannot be read: {reason}; check the file and its permissions") from error

    def _tell(self, sample: bytes) -> tuple[Kind, str]:
        """The kind of file and, for CSV, what stands between two fields."""
        if not sample.strip(b"\xef\xbb\xbf \t\r\n"):
            raise DataError(
                f"{self.path} is empty; expected JSON lines, CSV with a header, or Parquet: check its source"
            )
        if sample.startswith(b"PAR1"):
            if self.packed:
                raise DataError(f"{self.path} is a Parquet file inside gzip; unpack it first (gunzip)")
            return "Parquet", ""
        for start, what in OTHER_KINDS.items():
            if sample.startswith(start):
                raise DataError(f"{self.path} is {what}; expected JSON lines, CSV or Parquet")
        text = sample.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        whole = lines if len(sample) < SAMPLE else lines[:-1]
        objects = sum(line.startswith("{") and line.endswith("}") for line in whole)
        if FIRST_LIST.match(text) and (not objects or (len(lines) == 1 and _holds_lists(lines[0]))):
            return "JSON object", ""
        if text.startswith("{") or objects > len(whole) / 2:
            return "JSON lines", ""
        if text.startswith("["):
            raise DataError(
                f"{self.path} is a JSON array; expected JSON lines, one object per line: convert it (jq -c '.[]' FILE)"
            )
        if all(map(ATOMIC.fullmatch, lines[0].split("\t"))):
            return "RecBole", "\t"
        return "CSV", max(",\t;|", key=lines[0].count)

    def _json_lines(self, file: BinaryIO) -> Iterator[Row]:
        number = 0
        while line := file.readline(MAX_ROW):
            number += 1
            if len(line) == MAX_ROW and not line.endswith(b"\n"):
                reason = f"longer than {MAX_ROW:,} bytes: {_start(line)}"
                while (rest := file.readline(MAX_ROW)) and not rest.endswith(b"\n"):
                    pass
                yield number, reason
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, _object(line)

    def _json_object(self, file: BinaryIO) -> Iterator[Row]:
        try:
            lists: dict[str, Any] = orjson.loads(file.read().removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise DataError(
                f"{self.path} begins as a JSON object of lists and is none ({error}); expected "
                f'{{"person": ["product", ...], ...}}: copy or download it again'
            ) from None
        if {"user", "product"} <= find_columns(lists).keys():
            raise DataError(
                f"{self.path} is a JSON object of columns ({', '.join(map(repr, list(lists)[:5]))}); expected "
                f'{{"person": ["product", ...], ...}}, or one object per row: write it as CSV or JSON lines'
            )
        for number, (person, products) in enumerate(lists.items(), 1):
            if isinstance(products, list):
                yield number, {columns.USER_ID: person, PRODUCT_LIST: products}
            else:
                yield number, f"entry {number:,}, {person[:SHOWN]!r}, is no list of products"

    def _csv(self, file: BinaryIO) -> Iterator[Row]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))
        # newline="": the csv module has to see line ends inside quotes as they are.
        with io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="") as text:
            lines = _Lines(text)
            atomic = self.kind == "RecBole"
            reader = csv.reader(
                lines, delimiter=self._delimiter, quoting=csv.QUOTE_NONE if atomic else csv.QUOTE_MINIMAL
            )
            header: list[str] = []
            while True:
                first = lines.number + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield first, f"{error}, lines {first:,} to {lines.number:,}"
                    continue
                if not fields:
                    continue
                if lines.ended:  # the reader wanted more lines than there are
                    yield first, f"a quote is opened and never closed: {_start(self._delimiter.join(fields))}"
                elif not header:
                    header = [name.strip().rpartition(":")[0] if atomic else name.strip() for name in fields]
                elif len(fields) != len(header):
                    yield (
                        first,
                        f"{len(fields)} fields where the header has {len(header)}, lines {first:,} to "
                        f"{lines.number:,}: {_start(self._delimiter.join(fields[:20]))}",
                    )
                else:
                    yield first, dict(zip(header, fields, strict=True))

    def _parquet(self) -> Iterator[Row]:
        # buffer_size: without it whole column chunks are read at once.
        with pq.ParquetFile(self.path, buffer_size=1 << 20) as file:
            total = max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(STEP):
                for row in _plain(batch, self.path):
                    self.line += 1
                    yield self.line, row
                self.position = self.size * self.line // total


def peek(file: RawFile, good: int = 100, broken: int = 10_000) -> tuple[list[str], Iterator[Row]]:
    """The columns of a file, told by its first rows (JSON objects may leave out keys), and all its rows.

    Args:
        file: the file.
        good: rows looked at.
        broken: broken rows before the first good one after which the file is given up.

    Raises:
        DataError: there is no row, or none that can be read.
    """
    rows = file.rows()
    head: list[Row] = []
    header: dict[str, None] = {}
    for row in rows:
        head.append(row)
        if not isinstance(row[1], str):
            header.update(dict.fromkeys(row[1]))
        if len(head) >= (good if header else broken):
            break
    if not head:
        raise DataError(f"{file.path} ({file.kind}) holds a header and no rows; expected one row per line below it")
    if not header:
        line, reason = head[0]
        raise DataError(
            f"{file.path}: none of the first {len(head):,} rows can be read as {file.kind}; line {line:,}: {reason}; "
            f"expected one {'JSON object per line' if file.kind == 'JSON lines' else 'row per line below a header'}"
        )
    return list(header), chain(head, rows)


class _Lines:
    """Lines of a text with a number, for the csv module; says when the end was asked for."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self.number = 0
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.text.readline(MAX_ROW)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        if len(line) == MAX_ROW and not line.endswith(("\n", "\r")):
            while (rest := self.text.readline(MAX_ROW)) and not rest.endswith(("\n", "\r")):
                pass
            raise csv.Error(f"line longer than {MAX_ROW:,} characters")
        return line


def _start(line: bytes | str) -> str:
    """The start of a broken line, for showing it."""
    text = line[: 4 * SHOWN].decode("utf-8", "replace") if isinstance(line, bytes) else line[: 4 * SHOWN]
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _holds_lists(line: str) -> bool:
    """Whether the only line of a file is an object of lists, and so not a row."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and all(isinstance(inner, list) for inner in value.values())


def _object(line: bytes) -> dict[str, Any] | str:
    """The JSON object of a line, or why it is none."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # What orjson refuses and files of the wild hold: NaN, bytes that are not UTF-8, raw control characters.
        try:
            value = _sendable(json.loads(line.decode("utf-8", "replace"), strict=False))
        except (ValueError, RecursionError):
            return f"not JSON ({error}): {_start(line)}"
    return value if isinstance(value, dict) else f"JSON, but not an object: {_start(line)}"


def _sendable(value: Any) -> Any:
    """The value with half surrogate pairs replaced, which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_sendable(item) for item in value]
    if isinstance(value, dict):
        return {_sendable(key): _sendable(item) for key, item in value.items()}
    return value


def _plain(batch: pa.RecordBatch, path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet batch as Python values."""
    # Python has no nanoseconds: without this a pandas timestamp could not be converted.
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    ]
    try:
        rows: list[dict[str, Any]] = pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} holds values that cannot be read ({error}); write the file again") from error
    return rows
