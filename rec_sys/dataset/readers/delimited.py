"""Rows of text with separators, where a quote that is never closed costs its own line and no other.

The csv module reads a file whose quotes are right. Where one is not, it would take all lines up to the next quote for
one field; so the quotes are read strictly, a field that holds lines which look like rows counts as a fault, and after a
fault reading goes on with the next physical line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from rec_sys.dataset.readers.row import MAX_ROW, Row, start_of
from rec_sys.dataset.readers.separators import Layout, fields_of, quote_of, read_csv

MAX_LINES = 500  # physical lines of one row; a review with more is a quote that was not closed
LIKE_ROWS = 3  # lines inside quotes that look like rows, after which the quote counts as never closed
SEEN = 300  # lines from which the looks of a row are learned
USUAL = 0.9  # share of the rows that have the looks of a column

_NUMBER = re.compile(r"\s*[-+]?\d[\d.,:/\- TZ]*\s*")
_ID = re.compile(r"(?=.*\d)\S+")
_WORD = re.compile(r"\S+")
_ANY = re.compile(r".*", re.DOTALL)


class _TooLong(str):
    """The start of a line that is longer than MAX_ROW."""


@dataclass(frozen=True)
class Looks:
    """What the fields of a row look like, learned from rows that have the right number of them."""

    columns: tuple[re.Pattern[str], ...]

    @classmethod
    def learned(cls, lines: Sequence[str], layout: Layout) -> Looks:
        """Learn from the first physical lines below the header; rows of one line count, with the right width."""
        width = len(layout.header)
        rows = [row for each in _rows_of_one_line(lines, layout) if len(row := _trimmed(each, width)) == width]

        def column(place: int) -> re.Pattern[str]:
            values = [row[place] for row in rows if row[place]]
            if len(values) < max(1, USUAL * len(rows)):
                return _ANY
            fits = (
                pattern
                for pattern in (_NUMBER, _ID, _WORD)
                if sum(map(bool, map(pattern.fullmatch, values))) >= USUAL * len(values)
            )
            return next(fits, _ANY)

        return cls(tuple(column(place) for place in range(width)))

    def like(self, fields: Sequence[str]) -> bool:
        """Whether fields look like a row: as many, each of the looks of its column; some column must have looks."""
        fields = _trimmed(fields, len(self.columns))
        if len(fields) != len(self.columns):
            return False
        telling = any(column is not _ANY for column in self.columns) or len(fields) >= 4
        return telling and all(column.fullmatch(field) for column, field in zip(self.columns, fields, strict=True))

    def telling_before(self, place: int) -> bool:
        """Whether a column before this one has looks by which a row is told."""
        return place > 1 or any(column in (_NUMBER, _ID) for column in self.columns[:place])


def _trimmed(fields: Sequence[str], width: int) -> Sequence[str]:
    """The fields without empty ones behind the last column, as separators at the end of each line make them."""
    return fields[:width] if len(fields) > width and not any(map(str.strip, fields[width:])) else fields


def _rows_of_one_line(lines: Sequence[str], layout: Layout) -> Iterator[list[str]]:
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for line in lines[:SEEN]:
            read += 1
            yield line

    if len(layout.separator) > 1:
        return
    reader = read_csv(counted(), layout.separator, layout.quoting)
    while True:
        before = read
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if read == before + 1:
            yield row


class Delimited:
    """Reads the rows below the header, and counts what it passes over.

    Args:
        layout: how lines become fields.
        looks: of the rows.
    """

    def __init__(self, layout: Layout, looks: Looks) -> None:
        self.layout, self.looks = layout, looks
        self.header = list(unique(layout.header))
        self.blank = 0  # physical lines that hold nothing, or only separators
        self.stray_quotes = 0  # rows whose quotes were taken as they stand, because they close nothing

    def rows(self, text: TextIO) -> Iterator[Row]:
        """Every row that is not blank, with its first physical line and how many it takes; or what is wrong with it."""
        lines = _Lines(text, self)
        for _ in range(self.layout.skipped):
            lines.number += bool(lines.read())
        read = self._plain if self.layout.quoting == "none" else self._quoted
        yield from read(lines)

    def _plain(self, lines: _Lines) -> Iterator[Row]:
        separator, number = self.layout.separator, lines.number
        while line := lines.read():
            number += 1
            if isinstance(line, _TooLong):
                yield Row(number, f"longer than {MAX_ROW:,} characters: {start_of(line)}")
            elif (row := self._row(number, 1, line.rstrip("\r\n").split(separator))) is not None:
                yield row

    def _quoted(self, lines: _Lines) -> Iterator[Row]:
        separator, quoting = self.layout.separator, self.layout.quoting
        reader = read_csv(lines, separator, quoting)
        while True:
            first = lines.number + 1
            lines.begin()
            fault = ""
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields, fault = [], str(error)
            if not fault and len(lines.taken) > 1 and self._swallowed(fields, lines.taken):
                fault = "a quote is opened and never closed"
            if not fault:
                if (row := self._row(first, len(lines.taken), fields)) is not None:
                    yield row
                continue
            line = lines.only_first()
            if isinstance(line, _TooLong):
                yield Row(first, f"longer than {MAX_ROW:,} characters: {start_of(line)}")
                continue
            yield self._as_it_stands(first, line, fault)

    def _row(self, first: int, lines: int, fields: list[str]) -> Row | None:
        width = len(self.header)
        if len(fields) == width:
            if any(fields) and any(map(str.strip, fields)):
                return Row(first, dict(zip(self.header, fields, strict=True)), lines)
            self.blank += lines
            return None
        if not any(map(str.strip, fields)):
            self.blank += lines
            return None
        if len(_trimmed(fields, width)) == width:
            return Row(first, dict(zip(self.header, fields, strict=False)), lines)
        shown = start_of(self.layout.separator.join(fields[:20]))
        return Row(first, f"{len(fields)} fields where the header has {width}: {shown}", lines)

    def _swallowed(self, fields: list[str], taken: list[str]) -> bool:
        """Whether a row of several lines holds others: lines inside it, or its last one, look like rows."""
        separator, quoting = self.layout.separator, self.layout.quoting
        if any(self.looks.like(fields_of(line, separator, quoting)) for line in taken[1:-1]):
            return True
        place = next((place for place, field in enumerate(fields) if "\n" in field or "\r" in field), 0)
        if not self.looks.telling_before(place):
            return False
        return self.looks.like(fields_of(taken[-1], separator, quoting))

    def _as_it_stands(self, first: int, line: str, fault: str) -> Row:
        """A line whose quotes are wrong: its fields where their number is right all the same."""
        separator = self.layout.separator
        quote = quote_of(self.layout.quoting)
        as_written = [_unquoted(field, quote) for field in line.rstrip("\r\n").split(separator)]
        for fields in (as_written, fields_of(line, separator, self.layout.quoting)):
            if len(fields) == len(self.header) and not any("\n" in field for field in fields):
                self.stray_quotes += 1
                return Row(first, dict(zip(self.header, fields, strict=True)))
        return Row(first, f"{fault}: {start_of(line)}")


def _unquoted(field: str, quote: str) -> str:
    return field[1:-1].replace(quote + quote, quote) if len(field) > 1 and field[0] == field[-1] == quote else field


def unique(header: Sequence[str]) -> Iterator[str]:
    """The names of a header; one that comes again gets a number."""
    seen: dict[str, int] = {}
    for name in header:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"


class _Lines:
    """Physical lines with their numbers, for the csv module; those of a faulty row can be read again."""

    def __init__(self, text: TextIO, reader: Delimited) -> None:
        self.text, self.reader = text, reader
        self.number = 0  # of the line given last
        self.taken: list[str] = []  # lines of the row that is being read
        self._again: deque[str] = deque()
        self._like = self._size = 0

    def __iter__(self) -> _Lines:
        return self

    def begin(self) -> None:
        """A new row begins."""
        self.taken = []
        self._like = self._size = 0

    def only_first(self) -> str:
        """The first line of the row; the others are given again."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        return first

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self.read()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if isinstance(line, _TooLong):
            raise csv.Error("line too long")
        self._size += len(line)
        if len(self.taken) > 1:
            layout = self.reader.layout
            self._like += self.reader.looks.like(fields_of(line, layout.separator, layout.quoting))
            if self._like >= LIKE_ROWS or len(self.taken) > MAX_LINES or self._size > MAX_ROW:
                raise csv.Error("a quote is opened and never closed")
        return line

    def read(self) -> str:
        """The next physical line; "" at the end."""
        line = self.text.readline(MAX_ROW)
        if len(line) == MAX_ROW and not line.endswith(("\n", "\r")):
            while (rest := self.text.readline(MAX_ROW)) and not rest.endswith(("\n", "\r")):
                pass
            return _TooLong(line[:1000])
        return line
