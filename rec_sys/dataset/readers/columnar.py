"""A raw file in frames of columns, for files of millions of rows: Polars splits the lines, Python sees few of them.

Lines without quotes and with the right number of fields, which is nearly all of them, are split by Polars, a block at a
time. A line with quotes goes through the csv module on its own. A file in which a quoted field spans lines, or whose
quotes are wrong, and every file that is no table of lines, goes through `RawFile.rows` instead, which takes any file
and about ten times as long. All ways give the same columns, line numbers and broken lines; which one it was is said in
`way`.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import polars as pl
import pyarrow.parquet as pq

from rec_sys.dataset.readers.delimited import unique
from rec_sys.dataset.readers.encoding import CHUNK
from rec_sys.dataset.readers.nested import flat
from rec_sys.dataset.readers.row import MAX_ROW, start_of
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.dataset.readers.separators import fields_of, quote_of, read_csv
from rec_sys.dataset.readers.value_text import value_text

LINE, LINES, BROKEN = "\0line", "\0lines", "\0broken"  # columns beside those of the file, which hold no such sign
BLOCK = 16 * CHUNK  # bytes of a frame
ROWS = 50_000  # of a frame that is read row by row
HEAD = 100  # rows by which the columns of JSON are told

Way = Literal["lines", "batches", "rows"]


class SpanningQuotes(Exception):  # noqa: N818  a finding, and no fault of the file
    """A field in quotes spans lines, or quotes are wrong: the file has to be read row by row."""


class Columnar:
    """Frames of a raw file: LINE (1-based), LINES (physical lines of the row), BROKEN (why, or null), and columns.

    Columns of text files hold texts, "" where nothing stands; those of Parquet keep their types.

    Args:
        file: what is read; a CSV whose quotes are in doubt is told when it is first read through, see `frames`.
    """

    def __init__(self, file: RawFile) -> None:
        self.file = file
        self.blank = 0  # lines without anything in them, of the last reading
        self.way: Way = "rows"
        if file.kind in ("CSV", "RecBole"):
            self.way = "lines"
            self.header = list(unique(file.layout.header))
        elif file.kind == "Parquet":
            self.way = "batches"
            with pq.ParquetFile(file.path) as opened:
                self.header = list(opened.schema_arrow.names)
        else:
            self.header = self._header_of_rows()

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Frames with some columns, all of them if None.

        Raises:
            SpanningQuotes: the way is "lines" and the file cannot be read so; set `way` to "rows" and ask again.
            DataError: the file is cut off or damaged.
        """
        names = self.header if columns is None else list(dict.fromkeys(columns))
        self.blank = 0
        if self.way == "lines":
            yield from self._of_lines(names)
        elif self.way == "batches":
            yield from self._of_batches(names)
        else:
            yield from self._of_rows(names)

    # ---- lines ------------------------------------------------------------------------------------------------------

    def _of_lines(self, names: list[str]) -> Iterator[pl.DataFrame]:
        layout = self.file.layout
        number, skipped = 0, layout.skipped
        for lines in self._line_blocks():
            first = number + 1
            number += len(lines)
            if skipped:
                taken = min(skipped, len(lines))
                skipped, first, lines = skipped - taken, first + taken, lines[taken:]
            if len(lines):
                yield self._split(lines, first, names)

    def _line_blocks(self) -> Iterator[pl.Series]:
        """The lines of the file, without their ends, in blocks."""
        end = self.file.scan.line_end
        decoder = codecs.getincrementaldecoder(self.file.scan.codec)("replace")
        rest, start = "", True
        for raw in self.file.blocks(BLOCK):
            text = rest + decoder.decode(raw)
            if start:
                text, start = text.removeprefix("\ufeff"), False
            whole, found, rest = text.rpartition(end)
            if found:
                yield _lines(whole, end)
        rest += decoder.decode(b"", final=True)
        if rest:
            yield _lines(rest, end)

    def _split(self, lines: pl.Series, first: int, names: list[str]) -> pl.DataFrame:
        """A block of lines as columns."""
        layout, width = self.file.layout, len(self.header)
        frame = pl.DataFrame({LINE: pl.int_range(first, first + len(lines), dtype=pl.Int64, eager=True), "": lines})
        counts = pl.col("").str.count_matches(layout.separator, literal=True) == width - 1
        odd = ~counts | (pl.col("").str.len_bytes() > MAX_ROW)
        if layout.quoting != "none":
            odd |= pl.col("").str.contains(quote_of(layout.quoting), literal=True)
            if layout.quoting == "backslash":
                odd |= pl.col("").str.contains("\\", literal=True)
        frame = frame.with_columns(odd.alias("odd"))
        plain = frame.filter(~pl.col("odd"))
        fields = (
            plain[""].str.split_exact(layout.separator, width - 1).struct.rename_fields(self.header).struct.unnest()
        )
        blank = pl.all_horizontal(pl.all().str.strip_chars() == "")
        empty = fields.select(blank).to_series() if width else pl.Series([], dtype=pl.Boolean)
        self.blank += int(empty.sum())
        found = plain.select(LINE, pl.lit(1, pl.Int32).alias(LINES), pl.lit(None, pl.String).alias(BROKEN)).hstack(
            fields.select(names)
        )
        found = found.filter(~empty)
        others = self._odd_lines(frame.filter("odd"), names)
        return found if others is None else pl.concat([found, others]).sort(LINE)

    def _odd_lines(self, frame: pl.DataFrame, names: list[str]) -> pl.DataFrame | None:
        """Lines with quotes, or with another number of fields."""
        layout, width = self.file.layout, len(self.header)
        rows: list[tuple[Any, ...]] = []
        places = [self.header.index(name) for name in names]
        for number, line in frame.select(LINE, "").iter_rows():
            if len(line) > MAX_ROW:
                rows.append(
                    (number, 1, f"longer than {MAX_ROW:,} characters: {start_of(line)}", *(None for _ in names))
                )
                continue
            fields = self._fields(line)
            if not any(map(str.strip, fields)):
                self.blank += 1
            elif len(fields) == width or (len(fields) > width and not any(map(str.strip, fields[width:]))):
                rows.append((number, 1, None, *(fields[place] for place in places)))
            else:
                shown = start_of(layout.separator.join(fields[:20]))
                why = f"{len(fields)} fields where the header has {width}: {shown}"
                rows.append((number, 1, why, *(None for _ in names)))
        return _frame(rows, names) if rows else None

    def _fields(self, line: str) -> list[str]:
        layout = self.file.layout
        if layout.quoting == "none":
            return line.split(layout.separator)
        try:
            return next(read_csv(iter([line]), layout.separator, layout.quoting), [])
        except csv.Error:
            fields = fields_of(line, layout.separator, layout.quoting)
            if len(fields) == 1 and not fields[0].strip():
                return fields
            raise SpanningQuotes from None

    # ---- Parquet ----------------------------------------------------------------------------------------------------

    def _of_batches(self, names: list[str]) -> Iterator[pl.DataFrame]:
        number = 1
        with self.file.errors(), pq.ParquetFile(self.file.path, buffer_size=1 << 20) as opened:
            total = max(opened.metadata.num_rows, 1)
            for batch in opened.iter_batches(10 * ROWS, columns=names):
                frame = pl.DataFrame(pl.from_arrow(batch)).select(names)
                if number == 1 or len(frame):
                    line = pl.int_range(number, number + len(frame), dtype=pl.Int64, eager=True).alias(LINE)
                    head = line.to_frame().with_columns(
                        pl.lit(1, pl.Int32).alias(LINES), pl.lit(None, pl.String).alias(BROKEN)
                    )
                    yield head.hstack(frame)
                number += len(frame)
                self.file.position = self.file.size * (number - 1) // total

    # ---- anything else, row by row ----------------------------------------------------------------------------------

    def _header_of_rows(self) -> list[str]:
        header, rows = peek(self.file)
        if any(
            isinstance(row.fields, dict) and any(isinstance(v, dict) for v in row.fields.values())
            for row in islice(rows, HEAD)
        ):
            header = list(
                dict.fromkeys(
                    name
                    for row in islice(peek(self.file)[1], HEAD)
                    if isinstance(row.fields, dict)
                    for name in flat(row.fields)
                )
            )
        return header

    def _of_rows(self, names: list[str]) -> Iterator[pl.DataFrame]:
        held: list[tuple[Any, ...]] = []
        for line, fields, lines in self.file.rows():
            if isinstance(fields, str):
                held.append((line, lines, fields, *(None for _ in names)))
            else:
                values = fields if all(name in fields for name in names) else flat(fields)
                held.append((line, lines, None, *(value_text(values.get(name)) for name in names)))
            if len(held) >= ROWS:
                yield _frame(held, names)
                held = []
        if held:
            yield _frame(held, names)
        self.blank = self.file.blank


def _lines(text: str, end: str) -> pl.Series:
    lines = pl.Series("", [text], dtype=pl.String).str.split(end).explode()
    return lines.str.strip_chars_end("\r") if "\r" in text else lines


def _frame(rows: list[tuple[Any, ...]], names: list[str]) -> pl.DataFrame:
    schema = {LINE: pl.Int64, LINES: pl.Int32, BROKEN: pl.String} | dict.fromkeys(names, pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")
