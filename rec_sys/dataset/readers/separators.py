"""How the fields of a text file are set apart, told by its first lines: separator, quotes, header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rec_sys.dataset.readers.column_aliases import find_columns

# How a quote inside quotes is written; single: doubled, and quotes are single ones; none: quotes mean nothing.
Quoting = Literal["doubled", "backslash", "single", "none"]

SEPARATORS = (",", "\t", ";", "|", "::", "\x01", "^", "~")
SHOWN = {"\t": "tab", ",": "comma", ";": "semicolon", "\x01": "Ctrl-A", " ": "blank"}
ATOMIC = re.compile(r"(.+):(?:token|token_seq|float|float_seq)")  # a column of RecBole's files
EXCEL_MARK = re.compile(r"""["']?sep=(.)["']?\s*""", re.IGNORECASE)  # the line with which Excel names the separator
MAX_PREAMBLE = 20  # lines above the header that are passed over
MAX_CUT = 20  # lines of a record that ends below the lines at hand

_NUMBER = re.compile(r"\s*[-+]?[\d.,:/ -]*\d[\d.,:/ -]*%?\s*")  # numbers, dates, times


@dataclass(frozen=True)
class Layout:
    """How lines become fields."""

    separator: str
    quoting: Quoting
    header: tuple[str, ...]  # of files without one the places, "1" and so on
    skipped: int  # physical lines before the first row: the header, and what stands above it
    has_header: bool = True
    atomic: bool = False  # RecBole's columns bear a type, which is dropped from their names

    @property
    def name(self) -> str:
        """In words."""
        separator = SHOWN.get(self.separator, self.separator)
        quotes = "" if self.quoting != "none" or self.separator not in ",;" else ", quotes mean nothing"
        return f"separated by {separator}{quotes}" + ("" if self.has_header else ", without a header")


def find_layout(lines: Sequence[str]) -> Layout:
    """The layout of a text file.

    Args:
        lines: the first lines, each with its end, whole.
    """
    start = next((place for place, line in enumerate(lines) if line.strip()), 0)
    mark = EXCEL_MARK.fullmatch(lines[start].strip("\r\n"))
    if mark and len(lines) > start + 1:
        start += 1
    header_fields = lines[start].strip("\r\n").split("\t")
    if all(map(ATOMIC.fullmatch, header_fields)):
        names = tuple(field.rpartition(":")[0] for field in header_fields)
        return Layout("\t", "none", names, start + 1, atomic=True)
    separator = mark[1] if mark else _separator(lines[start:])
    quoting = _quoting(lines[start:], separator)
    start += _preamble(lines[start:], separator, quoting)
    fields = fields_of(lines[start], separator, quoting)
    if _is_data(fields, lines[start + 1 :], separator, quoting):
        places = tuple(str(place) for place in range(1, len(fields) + 1))
        return Layout(separator, quoting, places, start, has_header=False)
    return Layout(separator, quoting, tuple(field.strip() for field in fields), start + 1)


def fields_of(line: str, separator: str, quoting: Quoting) -> list[str]:
    """The fields of one line, whatever its quotes are like."""
    line = line.rstrip("\r\n")
    if quoting == "none" or quote_of(quoting) not in line:
        return line.split(separator)
    try:
        return next(read_csv(iter([line]), separator, quoting, strict=False), [])
    except csv.Error:
        return line.split(separator)


def read_csv(lines: Iterator[str], separator: str, quoting: Quoting, strict: bool = True) -> Iterator[list[str]]:
    """The csv module's reader; strict: it raises `csv.Error` where a quote is not closed before a separator."""
    if quoting == "backslash":
        return csv.reader(lines, delimiter=separator, doublequote=False, escapechar="\\", strict=strict)
    return csv.reader(lines, delimiter=separator, quotechar=quote_of(quoting), strict=strict)


def quote_of(quoting: Quoting) -> str:
    """The sign that stands around fields."""
    return "'" if quoting == "single" else '"'


def _separator(lines: Sequence[str]) -> str:
    """The separator with which most lines, and the first among them, have the same number of fields."""
    whole = [line for line in lines if line.strip()][:1000]

    def quality(separator: str) -> tuple[float, int]:
        quoting: Quoting = "doubled" if len(separator) == 1 else "none"
        counts = Counter(len(fields_of(line, separator, quoting)) for line in whole)
        usual = max(counts, key=lambda fields: (counts[fields], fields)) if counts else 1
        first = len(fields_of(whole[0], separator, quoting)) if whole else 1
        if max(usual, first) < 2:
            return 0.0, 0
        share = counts[usual] / len(whole)
        if usual < 2:  # only the header has it: a file of broken lines
            return 0.01, first
        return share * (1.0 if first == usual else 0.5), usual

    best = max(SEPARATORS, key=quality)
    if quality(best)[0]:
        return best
    blanks = Counter(len(line.split(" ")) for line in whole)
    return " " if len(blanks) == 1 and min(blanks) >= 2 and len(whole) > 1 else ","


def _quoting(lines: Sequence[str], separator: str) -> Quoting:
    """What quotes mean: in files with tabs nothing, unless they are balanced and needed."""
    if len(separator) == 1 and any(_in_single_quotes(line, separator) for line in lines[:MAX_PREAMBLE]):
        return "single"
    if len(separator) > 1 or not any('"' in line for line in lines):
        return "none" if len(separator) > 1 or separator == "\t" else "doubled"
    doubled, faults = _fitting(lines, separator, "doubled")
    backslash, others = _fitting(lines, separator, "backslash")
    quoting: Quoting = "doubled"
    if backslash >= doubled and _has_backslashes(lines, separator):
        quoting, faults = "backslash", others
    if separator != "\t":
        return quoting
    inside = r'(?:[^"]|"")*' if quoting == "doubled" else r'(?:[^"\\]|\\.)*'
    enclosed = re.compile(rf'(?<![^{re.escape(separator)}])"{inside}"(?=$|{re.escape(separator)})')
    whole = [line.rstrip("\r\n") for line in lines]
    with_quotes = [line for line in whole if enclosed.search(line)]
    if 2 * len(with_quotes) >= len(whole):
        return quoting
    width = Counter(len(fields_of(line, separator, quoting)) for line in lines).most_common(1)[0][0]
    within = '""' if quoting == "doubled" else '\\"'
    needed = sum(
        any(within in field[1:-1] or separator in field for field in enclosed.findall(line))
        and len(fields_of(line, separator, quoting)) == width
        for line in with_quotes
    )
    return quoting if needed + _spans(lines, separator) > faults else "none"


def _has_backslashes(lines: Sequence[str], separator: str) -> bool:
    """Whether quotes within fields stand behind a backslash in more lines than behind another quote."""
    other = rf"[^{re.escape(separator)}\r\n]"
    doubled, backslash = re.compile(rf'(?<={other})""(?={other})'), re.compile(rf'\\"(?!")(?={other})')
    return sum(bool(backslash.search(line)) for line in lines) > sum(bool(doubled.search(line)) for line in lines)


def _in_single_quotes(line: str, separator: str) -> bool:
    names = [field.strip() for field in line.strip("\r\n").split(separator)]
    return len(names) > 1 and all(len(name) > 2 and name[0] == name[-1] == "'" for name in names)


def _fitting(lines: Sequence[str], separator: str, quoting: Quoting) -> tuple[int, int]:
    """Lines in records of the usual width, and faults in the quotes, where they are read strictly."""
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for line in lines:
            read += 1
            yield line

    reader = read_csv(counted(), separator, quoting)
    faults, widths = 0, Counter[int]()
    while True:
        before = read
        try:
            fields = next(reader)
        except StopIteration:
            return max(widths.values(), default=0), faults
        except csv.Error:
            if read < len(lines):
                faults += 1
            else:  # the last record may go on below the lines at hand
                return max(widths.values(), default=0), faults + (read - before > MAX_CUT)
        else:
            widths[len(fields)] += read - before


def _spans(lines: Sequence[str], separator: str) -> bool:
    """Whether a quoted field holds the separator or a line end, while no quote is wrong."""
    try:
        rows = list(read_csv(iter(lines), separator, "doubled"))
    except csv.Error:
        return False
    return any(separator in field or "\n" in field for row in rows for field in row)


def _preamble(lines: Sequence[str], separator: str, quoting: Quoting) -> int:
    """Lines above the header, such as the title of a report, or blank ones."""
    counts = [len(fields_of(line, separator, quoting)) if line.strip() else 0 for line in lines[:1000]]
    usual = Counter(count for count in counts if count).most_common(1)[0][0] if any(counts) else 1
    if usual < 3 or counts[0] == usual:
        return 0
    first = next((place for place, count in enumerate(counts[:MAX_PREAMBLE]) if count == usual), 0)
    short = all(count <= 2 for count in counts[:first])
    names = fields_of(lines[first], separator, quoting)
    return first if short and {"user", "product"} <= find_columns(names).keys() else 0


def _is_data(fields: list[str], below: Sequence[str], separator: str, quoting: Quoting) -> bool:
    """Whether the first line is a row: a number stands where the lines below have numbers too."""
    if find_columns(fields) or len(fields) < 2:
        return False
    rows = [fields_of(line, separator, quoting) for line in below[:50] if line.strip()]
    rows = [row for row in rows if len(row) == len(fields)]
    return any(
        bool(_NUMBER.fullmatch(field)) and all(_NUMBER.fullmatch(row[place]) for row in rows)
        for place, field in enumerate(fields)
    ) and bool(rows)
