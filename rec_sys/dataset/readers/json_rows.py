"""Rows of JSON: one object per line, an array of objects, or one document that holds them somewhere.

Documents that are known: `[{...}, ...]` and objects one after another, read piece by piece; and, read whole,
`{"reviews": [{...}]}` (also deeper, as shops' interfaces answer), `{person: [products]}`, and what pandas writes of a
table: `{column: {row: value}}`, `{column: [values]}` and `{"columns": [...], "data": [[...]]}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, TextIO

import orjson

from rec_sys import columns
from rec_sys.dataset.readers.column_aliases import find_columns
from rec_sys.dataset.readers.nested import LIST_NAMES, MAX_NESTED, plain_values
from rec_sys.dataset.readers.row import MAX_ROW, SHOWN, Row, start_of
from rec_sys.errors import DataError

PRODUCT_LIST = "product_list"  # what the list of a person is called in the rows of `{person: [products]}`
CHUNK = 1 << 20  # characters read at once
MAX_EXACT = 2.0**53  # whole numbers beyond are not exact as floats
MAX_DOCUMENT = 1 << 31  # bytes of a document that is read whole
_BLANKS = re.compile("[\\s\ufeff]*")
LOOKED_INTO = 8  # levels in which large numbers are looked for


def json_lines(file: BinaryIO, codec: str) -> Iterator[Row]:
    """A row per line; a byte order mark is dropped."""
    number = 0
    utf_8 = codec.startswith("utf_8")
    while line := file.readline(MAX_ROW):
        number += 1
        if len(line) == MAX_ROW and not line.endswith(b"\n"):
            reason = f"longer than {MAX_ROW:,} bytes: {start_of(line)}"
            while (rest := file.readline(MAX_ROW)) and not rest.endswith(b"\n"):
                pass
            yield Row(number, reason)
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield Row(number, object_of(line if utf_8 else line.decode(codec, "replace").encode()))


def object_of(line: bytes) -> dict[str, Any] | str:
    """The JSON object of a line, or why it is none; whole numbers of any length are exact."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # What orjson refuses and files of the wild hold: NaN, bytes that are not UTF-8, raw control characters.
        value = _by_python(line)
        if value is None:
            return f"not JSON ({error}): {start_of(line)}"
    if not isinstance(value, dict):
        return f"JSON, but not an object: {start_of(line)}"
    for its in value.values():
        kind = type(its)
        if (kind is float and abs(its) >= MAX_EXACT) or ((kind is dict or kind is list) and _may_be_large(its)):
            exact = _by_python(line)  # orjson makes floats of whole numbers beyond 64 bits
            value = exact if isinstance(exact, dict) else value
            break
    if b'"$' in line:
        unfolded = plain_values(value)
        return unfolded if isinstance(unfolded, dict) else f"JSON, but not an object: {start_of(line)}"
    return value


def _may_be_large(value: Any, depth: int = LOOKED_INTO) -> bool:
    """Whether a number inside may not be exact as a float; so it is taken to be where nobody looked so deep."""
    if isinstance(value, float):
        return abs(value) >= MAX_EXACT
    if not value or not isinstance(value, dict | list):
        return False
    if not depth:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_may_be_large(each, depth - 1) for each in inner)


def _by_python(line: bytes) -> Any:
    try:
        return _sendable(json.loads(line.decode("utf-8", "replace"), strict=False))
    except (ValueError, RecursionError):
        return None


def _sendable(value: Any, depth: int = MAX_NESTED) -> Any:
    """The value with half surrogate pairs replaced, which no file can hold; what lies deeper is left out."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_sendable(item, depth - 1) for item in value] if depth else None
    if isinstance(value, dict):
        return {_sendable(key): _sendable(item, depth - 1) for key, item in value.items()} if depth else None
    return value


def json_stream(text: TextIO, path: Any) -> Iterator[Row]:
    """The objects of an array, or of a text that holds one after another; a row is an object.

    Raises:
        DataError: the text is cut off, or no JSON from some place on; an array cannot be taken up again behind it.
    """
    source = _Buffer(text)
    in_array = source.take("[")
    number = 0
    while (start := source.peek()) and start != "]":
        number += 1
        try:
            value = source.value()
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path} is no JSON at entry {number:,} ({error}): {start_of(source.rest())}; expected objects "
                f"{{...}}, in one array or one after another: mend it, or copy or download it again"
            ) from None
        value = plain_values(_sendable(value))
        yield Row(number, value if isinstance(value, dict) else f"JSON, but not an object: {start_of(str(value))}")
        source.take(",")
    if in_array and not source.take("]"):
        raise DataError(f"{path} is cut off: its array does not end, after entry {number:,}; copy or download it again")
    if rest := source.peek():
        raise DataError(f"{path} goes on after its end, with {rest!r}; expected one array, or one object after another")


class _Buffer:
    """A text of which the part that is being read is in memory."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self._buffer, self._place, self._ended = "", 0, False
        self._decoder = json.JSONDecoder(strict=False)

    def rest(self) -> str:
        return self._buffer[self._place : self._place + 2 * SHOWN]

    def _more(self) -> bool:
        chunk = self.text.read(CHUNK)
        self._buffer, self._place = self._buffer[self._place :] + chunk, 0
        self._ended = not chunk
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            found = _BLANKS.match(self._buffer, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if not self._more():
                return ""

    def take(self, character: str) -> bool:
        """Step over a character, if it is the next."""
        if self.peek() != character:
            return False
        self._place += 1
        return True

    def value(self) -> Any:
        """The next value.

        Raises:
            ValueError: there is none.
        """
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._place)
            except ValueError:
                if len(self._buffer) - self._place > MAX_ROW or not self._more():
                    raise
                continue
            if end == len(self._buffer) and not self._ended and self._more():  # a number may go on
                continue
            self._place = end
            return value


def json_document(file: BinaryIO, codec: str, path: Any) -> Iterator[Row]:
    """The rows of one object that is a whole file.

    Raises:
        DataError: it is cut off or too large, or nobody knows where its rows are.
    """
    pieces, size = [], 0
    while size < MAX_DOCUMENT and (piece := file.read(CHUNK)):  # asked for all at once, a packed file takes all of it
        pieces.append(piece)
        size += len(piece)
    raw = b"".join(pieces)
    del pieces
    if size >= MAX_DOCUMENT:
        raise DataError(
            f"{path} is one JSON object of more than {MAX_DOCUMENT >> 30} GiB; write a line per row instead"
        )
    raw = raw.removeprefix(b"\xef\xbb\xbf") if codec.startswith("utf_8") else raw.decode(codec, "replace").encode()
    value = object_of(raw)
    if isinstance(value, str):
        raise DataError(
            f"{path} begins as a JSON object and is none, or is cut off: {value[:SHOWN]}; copy or download it again"
        )
    yield from _document_rows(value, path)


def document_kind(value: dict[str, Any]) -> str:
    """What a document is: "rows", "lists", "columns", "split", or "" for an object that is a row itself."""
    if _rows_within(value) is not None:
        return "rows"
    if {"columns", "data"} <= value.keys() and isinstance(value["data"], list):
        return "split"
    if value and all(isinstance(its, dict | list) for its in value.values()):
        if {"user", "product"} <= find_columns(value).keys():
            return "columns"
        if all(isinstance(its, list) and not any(isinstance(item, dict) for item in its) for its in value.values()):
            return "lists"
    return ""


def _document_rows(value: dict[str, Any], path: Any) -> Iterator[Row]:
    kind = document_kind(value)
    if kind == "rows":
        rows = _rows_within(value) or []
        for number, row in enumerate(rows, 1):
            yield Row(number, row if isinstance(row, dict) else f"JSON, but not an object: {start_of(str(row))}")
    elif kind == "split":
        names = [str(name) for name in value["columns"]]
        for number, row in enumerate(value["data"], 1):
            fits = isinstance(row, list) and len(row) == len(names)
            yield Row(
                number, dict(zip(names, row, strict=True)) if fits else f"{start_of(str(row))} is no row of {names}"
            )
    elif kind == "columns":
        yield from _of_columns(value, path)
    else:
        for number, (person, products) in enumerate(value.items(), 1):
            if isinstance(products, list):
                yield Row(number, {columns.USER_ID: person, PRODUCT_LIST: products})
            else:
                yield Row(number, f"entry {number:,}, {person[:SHOWN]!r}, is no list of products")


def _of_columns(value: dict[str, Any], path: Any) -> Iterator[Row]:
    keys: dict[str, None] = {}
    table: dict[str, dict[str, Any]] = {}
    for name, its in value.items():
        table[name] = its if isinstance(its, dict) else {str(place): item for place, item in enumerate(its)}
        keys |= dict.fromkeys(table[name])
    longest = {len(its) for its in table.values()}
    if len(longest) > 1:
        raise DataError(
            f"{path} is a JSON object of columns of different lengths ({min(longest):,} to {max(longest):,}); expected "
            f"as many values in each: write it as CSV or JSON lines"
        )
    for number, key in enumerate(keys, 1):
        yield Row(number, {name: its.get(key) for name, its in table.items()})


def _rows_within(value: dict[str, Any], depth: int = 4) -> list[Any] | None:
    """The list of objects inside a document, under a name that lists have; what stands beside it belongs to each."""
    for name, its in value.items():
        if name.lower() not in LIST_NAMES:
            continue
        if isinstance(its, list) and its and all(isinstance(item, dict) for item in its):
            beside = {key: item for key, item in value.items() if not isinstance(item, dict | list)}
            about_rows = find_columns(beside)  # a product that all reviews are of, not the number of the page
            kept = {column: beside[column] for column in about_rows.values()}
            return [kept | item for item in its]
        if isinstance(its, dict) and depth and (found := _rows_within(its, depth - 1)) is not None:
            return found
    return None
