"""Raw files row by row: JSON, CSV, Parquet or a workbook, plain or gzip-packed, never whole in memory.

What a file is, is told by its bytes: names lie (`reviews.json` that is packed, `data.csv` with tabs). Two more kinds
come with published data sets: one JSON object `{person: [products]}`, which is read whole, and the "atomic" files of
RecBole, tab-separated without quotes, whose columns bear a type (`user_id:token`) that is dropped.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from rec_sys.dataset.readers.delimited import Delimited, Looks
from rec_sys.dataset.readers.encoding import AUTO, CHUNK, Scan, codec_of, scan
from rec_sys.dataset.readers.json_rows import (
    PRODUCT_LIST,
    document_kind,
    json_document,
    json_lines,
    json_stream,
)
from rec_sys.dataset.readers.nested import plain_values
from rec_sys.dataset.readers.row import MAX_ROW, Row, start_of
from rec_sys.dataset.readers.separators import ATOMIC, Layout, find_layout
from rec_sys.dataset.readers.workbook import workbook_rows
from rec_sys.dataset.readers.wrong_files import is_workbook, what_it_is
from rec_sys.errors import DataError

__all__ = ["PRODUCT_LIST", "Kind", "RawFile", "Row", "peek"]

Kind = Literal["JSON lines", "JSON array", "JSON object", "CSV", "RecBole", "Parquet", "workbook"]

SAMPLE = 65_536  # bytes looked at to tell what a file is
LAYOUT_SAMPLE = 1 << 20  # bytes looked at to tell how the fields of a text are set apart
STEP = 1_000  # rows between two updates of the position

FIRST_LIST = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[')  # an object whose first value is a list


class RawFile:
    """A raw file of rows.

    Args:
        path: one file.
        encoding: of a text; "auto" tells it from the bytes.

    Raises:
        DataError: the file is missing, a folder, empty, cut off, or of a kind that is not read.
    """

    def __init__(self, path: Path, encoding: str = AUTO) -> None:
        self.path, self._encoding = path, encoding
        if path.is_dir():
            raise DataError(f"{path} is a folder; expected one file of JSON lines, CSV or Parquet: name a file in it")
        if not path.exists():
            raise DataError(f"{path} does not exist; expected a file of JSON lines, CSV or Parquet: check the path")
        self.blank = 0  # physical lines without anything in them, so far
        self.stray_quotes = 0  # rows of a CSV whose quotes were taken as they stand, so far
        with self.errors():
            self.size = path.stat().st_size  # bytes
            self.position = 0  # bytes read so far, of `size`
            self.line = 0  # the last line (Parquet: row) read
            with path.open("rb") as file:
                self.packed = file.read(2) == b"\x1f\x8b"
            with self._open() as opened:
                sample = opened.read(SAMPLE)
            self.kind = self._tell(sample)

    @property
    def in_lines(self) -> bool:
        """Whether the file is a text whose physical lines are accounted for."""
        return self.kind in ("JSON lines", "CSV", "RecBole")

    @property
    def is_text(self) -> bool:
        return self.kind not in ("Parquet", "workbook")

    @cached_property
    def scan(self) -> Scan:
        """What all bytes of a text show: its encoding, and how many lines it has."""
        with self.errors():
            found = scan(self._chunks(), self._chunks(), self._encoding)
            self.line = 0
            return found

    @cached_property
    def layout(self) -> Layout:
        """How the fields of a CSV are set apart."""
        return find_layout(self._first_lines)

    @property
    def described(self) -> str:
        """The kind of file in words, with its encoding."""
        kind = f"{self.kind} {self.layout.name}" if self.kind == "CSV" else self.kind
        kind += ", packed with gzip" if self.packed else ""
        return f"{kind}, {self.scan.name}" if self.is_text else kind

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank, with its 1-based line (CSV: its first line; Parquet: its row).

        A byte order mark is dropped; bytes that the encoding of the file does not have become U+FFFD.

        Raises:
            DataError: the file is cut off or damaged as a whole; single bad lines are yielded with their reason.
        """
        self.blank = self.stray_quotes = 0
        with self.errors():
            if self.kind == "Parquet":
                yield from self._parquet()
                return
            if self.kind == "workbook":
                yield from workbook_rows(self.path)
                self.position = self.size
                return
            codec = self.scan.codec
            layout = self.layout if self.kind in ("CSV", "RecBole") else None  # before the file is opened once more
            with self._open() as file:
                if self.kind == "JSON lines":
                    rows = self._json_lines(file, codec)
                elif self.kind == "JSON object":
                    rows = json_document(file, codec, self.path)
                elif layout is not None:
                    rows = self._delimited(file, codec, layout)
                else:
                    rows = self._stream(file, codec)
                for count, row in enumerate(rows):
                    if count % STEP == 0:
                        self.position = self._raw.tell()
                    self.line = row.line
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

    def blocks(self, size: int) -> Iterator[bytes]:
        """The unpacked bytes in pieces.

        Raises:
            DataError: the file is cut off or damaged.
        """
        self.line = 0
        with self.errors(), self._open() as file:
            while block := file.read(size):
                self.line += block.count(b"\n")
                self.position = self._raw.tell()
                yield block

    def _chunks(self) -> Iterator[bytes]:
        self.line = 0
        with self._open() as file:
            while chunk := file.read(CHUNK):
                self.line += chunk.count(b"\n")
                yield chunk

    @contextmanager
    def errors(self) -> Iterator[None]:
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
                f"{self.path} is damaged after line {self.line:,} ({start_of(str(error))}); copy or download it again"
            ) from error
        except OSError as error:
            reason = error.strerror or start_of(str(error))
            raise DataError(f"{self.path} cannot be read: {reason}; check the file and its permissions") from error

    def _tell(self, sample: bytes) -> Kind:
        """The kind of file."""
        if not sample.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
            raise DataError(
                f"{self.path} is empty; expected JSON lines, CSV with a header, or Parquet: check its source"
            )
        if sample.startswith(b"PAR1"):
            if self.packed:
                raise DataError(f"{self.path} is a Parquet file inside gzip; unpack it first (gunzip)")
            return "Parquet"
        if what := what_it_is(sample, self.path):
            raise DataError(f"{self.path} is {what}")
        if not self.packed and sample.startswith(b"PK\x03\x04") and is_workbook(self.path):
            return "workbook"
        codec = codec_of(sample, self._encoding) or ("utf_8" if _is_utf_8(sample) else self.scan.codec)
        text = sample.decode(codec, "replace").lstrip("\ufeff \t\r\n")
        if not text.strip():
            raise DataError(f"{self.path} is empty: it holds nothing but blanks; check its source")
        whole = len(sample) < SAMPLE
        if not whole and text.startswith("{") and "\n" not in text and self.scan.lines > 1:
            return "JSON lines"  # of long lines
        return _text_kind(text, whole)

    def _json_lines(self, file: BinaryIO, codec: str) -> Iterator[Row]:
        if codec.startswith("utf_16"):  # no bytes of its own end a line
            file = io.BytesIO(file.read().decode(codec, "replace").encode())
            codec = "utf_8"
        number = 0
        for row in json_lines(file, codec):
            self.blank += row.line - number - 1
            number = row.line
            yield row
        self.blank += self.scan.lines - number

    def _stream(self, file: BinaryIO, codec: str) -> Iterator[Row]:
        with io.TextIOWrapper(file, encoding=codec, errors="replace") as text:
            yield from json_stream(text, self.path)

    @cached_property
    def _first_lines(self) -> list[str]:
        """The first lines of a text, whole, with their ends."""
        with self.errors(), self._open() as file:
            raw = file.read(LAYOUT_SAMPLE)
            cut = len(raw) == LAYOUT_SAMPLE
        text = raw.decode(self.scan.codec, "replace").removeprefix("\ufeff")
        lines = [line + self.scan.line_end for line in text.split(self.scan.line_end)]
        whole = lines[:-1] if cut and len(lines) > 1 else lines
        return whole if whole[-1].strip() or len(whole) == 1 else whole[:-1]

    def _delimited(self, file: BinaryIO, codec: str, layout: Layout) -> Iterator[Row]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))
        reader = Delimited(layout, Looks.learned(self._first_lines[layout.skipped :], layout))
        # The csv module has to see line ends inside quotes as they are.
        with io.TextIOWrapper(file, encoding=codec, errors="replace", newline=self.scan.line_end) as text:
            for row in reader.rows(text):
                self.blank, self.stray_quotes = reader.blank, reader.stray_quotes
                yield row
        self.blank, self.stray_quotes = reader.blank, reader.stray_quotes

    def _parquet(self) -> Iterator[Row]:
        # buffer_size: without it whole column chunks are read at once.
        with pq.ParquetFile(self.path, buffer_size=1 << 20) as file:
            total = max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(STEP):
                for row in _plain(batch, self.path):
                    self.line += 1
                    yield Row(self.line, row)
                self.position = self.size * self.line // total


def _text_kind(text: str, whole: bool) -> Kind:
    """The kind of a text, told by its start."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    complete = lines if whole or len(lines) == 1 else lines[:-1]
    if text.startswith("["):
        return "JSON array"
    if text.startswith("{"):
        if _goes_on(lines[0]):
            return "JSON array"
        if len(lines) == 1:
            return _kind_of_one_line(lines[0]) if whole else "JSON object"
        if sum(line.startswith("{") for line in complete) > len(complete) / 2 or _is_object(lines[0]):
            return "JSON lines"
        ends = sum(line.rstrip() in ("}", "},") for line in text.split("\n"))  # of objects that are not inside others
        return "JSON array" if ends > 1 else "JSON object"
    if sum(line.startswith("{") and line.endswith("}") for line in complete) > len(complete) / 2:
        return "JSON lines"
    return "RecBole" if all(map(ATOMIC.fullmatch, lines[0].split("\t"))) else "CSV"


def _goes_on(line: str) -> bool:
    """Whether a line holds an object and another one behind it, as where carriage returns end lines."""
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return line[end:].lstrip(" ,\t\r").startswith("{")


def _is_utf_8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeError:
        return False
    return True


def _is_object(line: str) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _kind_of_one_line(line: str) -> Kind:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "JSON object" if FIRST_LIST.match(line) else "JSON lines"
    value = plain_values(value)
    return "JSON object" if isinstance(value, dict) and document_kind(value) else "JSON lines"


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
        if not isinstance(row.fields, str):
            header.update(dict.fromkeys(row.fields))
        if len(head) >= (good if header else broken):
            break
    if not head:
        raise DataError(f"{file.path} ({file.kind}) holds a header and no rows; expected one row per line below it")
    if not header:
        line, reason = head[0].line, head[0].fields
        expected = "JSON object per line" if file.kind == "JSON lines" else "row per line below a header"
        if file.kind == "JSON lines" and len(head) == 1:
            expected += ", or one document that is whole: if it is cut off, copy or download it again"
        raise DataError(
            f"{file.path}: none of the first {len(head):,} rows can be read as {file.kind}; line {line:,}: {reason}; "
            f"expected one {expected}"
        )
    return list(header), chain(head, rows)


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
