"""Reviews of new users from JSON, in the field names that training reads (`readers/column_aliases.py`).

Three shapes are read, also as JSON lines: `[review, ...]`, `{"somebody": [review, ...], ...}` and
`{"user_id": "somebody", "reviews": [review, ...]}`. In a list of reviews each may name its author. Fields that are not
understood are named in the note of the user; reviews that may be of several users are refused.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from rec_sys.dataset.readers.column_aliases import (
    Columns,
    all_columns,
    is_known,
    may_name_a_person,
    plain,
    usual_names,
)
from rec_sys.dataset.readers.date_columns import DateColumn, DateForm
from rec_sys.dataset.readers.dates import ACCEPTED
from rec_sys.dataset.readers.nested import flat
from rec_sys.dataset.readers.ratings import RatingForm, Scale
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.review_reader import first_id
from rec_sys.dataset.readers.texts import on_one_line, read_text
from rec_sys.errors import DataError
from rec_sys.ids import NEW_USER
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.users import Review, User

STANDARD_INPUT = "-"
WRAPPERS = frozenset(("reviews", "data", "items", "results", "records", "rows", "documents", "response"))
SHOWN = 10  # fields that a message lists
EXPECTED = 'expected JSON: [review, ...], {"somebody": [review, ...]} or one review per line'


@dataclass(frozen=True)
class _Row:
    """One review as it came."""

    fields: dict[str, Any]  # those of inner objects beside its own
    author: str | None  # told by the shape; None: told by a field, if at all
    place: str  # in words


@dataclass
class _Author:
    """What one user wrote, and what was not understood of it."""

    reviews: list[Review] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)  # fields, in the order in which they came


def read_users(source: str, form: DataForm | None = None) -> list[User]:
    """The users of a file, or of standard input.

    Args:
        source: a path, or "-" for standard input.
        form: of the model's data: its names of fields go before the usual ones, and its rating scale is read.

    Raises:
        DataError: it cannot be read, is not JSON of a known shape, or holds a review that makes no sense; the message
            says which one.
    """
    name = "standard input" if source == STANDARD_INPUT else source
    if source == STANDARD_INPUT and sys.stdin.isatty():
        print("reading reviews from standard input, end with Ctrl-D", file=sys.stderr)
    try:
        raw = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror}); {EXPECTED}") from error
    return parse_users(raw, name, form)


def parse_users(raw: bytes, name: str, form: DataForm | None = None, one_user: bool = False) -> list[User]:
    """The users of JSON or JSON lines.

    Args:
        raw: UTF-8.
        name: where it came from, for messages.
        form: of the model's data: its names of fields go before the usual ones, and its rating scale is read.
        one_user: reviews of which none names an author are known to be one user's, so that this is not noted.

    Returns:
        Each user once, in the order in which they appear; `note` says what was not understood. Ratings are 1 to 5.

    Raises:
        DataError: see `read_users`.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise DataError(f"{name} is empty; {EXPECTED}")
    authors: dict[str, _Author] = {}
    rows = [row for place, value in _values(raw, name) for row in _rows(value, f"{name}{place}", authors)]
    header = dict.fromkeys(field_name for row in rows for field_name in row.fields)
    form = form or DataForm()
    written = {plain(column): column for column in reversed(header)}
    given = {what: written[plain(column)] for what, column in form.columns.items() if plain(column) in written}
    reader = _Reader(all_columns(header, given), rows, form.rating_scale)
    reader.check_authors(rows, name)
    for row in rows:
        author = authors.setdefault(reader.author(row), _Author())
        author.reviews.append(reader.review(row))
        author.unread |= dict.fromkeys(reader.unread(row.fields))
    nameless = sum(not reader.names_author(row) for row in rows)
    if one_user and nameless == len(rows):
        nameless = 0
    return [
        User(user_id, author.reviews, _note(author, nameless if user_id == NEW_USER else 0))
        for user_id, author in authors.items()
    ]


def _values(raw: bytes, name: str) -> Iterator[tuple[str, Any]]:
    """The JSON values with their places in words."""
    try:
        yield "", orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(raw.split(b"\n"), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):
            raise DataError(f"{name} is not JSON ({error}); {EXPECTED}") from None
        for number, line in lines:
            try:
                yield f", line {number}", orjson.loads(line)
            except orjson.JSONDecodeError as inner:
                raise DataError(f"{name}, line {number} is not JSON ({inner}); {EXPECTED}") from None


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _rows(value: Any, place: str, authors: dict[str, _Author]) -> Iterator[_Row]:
    """The reviews of one JSON value; users without reviews are entered into `authors`."""
    if isinstance(value, list):
        if not value:
            authors.setdefault(NEW_USER, _Author())
        for number, row in enumerate(value, 1):
            if not isinstance(row, dict):
                raise DataError(f"{place}, entry {number} is {_shown(row)}; expected a review, {{...}}")
            yield from _rows(row, f"{place}, entry {number}", authors)
        return
    if not isinstance(value, dict) or not value:
        raise DataError(f"{place} holds {_shown(value)}; {EXPECTED}")
    inner = value.get("reviews")
    outer = _fields({name: its for name, its in value.items() if name != "reviews"})
    wrapped = len(value) == 1 and plain(next(iter(value))) in WRAPPERS
    if isinstance(inner, list) and (wrapped or _author_of(outer)):
        yield from _listed(inner, _author_of(outer) or None, place, outer, authors)
    elif wrapped and isinstance(only := next(iter(value.values())), list | dict) and only:
        yield from _rows(only, place, authors)
    elif all(isinstance(its, list) for its in value.values()):
        for user_id, rows in value.items():
            its_place = f"{place}, {user_id!r}"
            yield from _listed(rows, None if _by_several(rows) else user_id, its_place, {}, authors)
    else:
        yield _Row(_fields(value), None, place)


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a review, those of inner objects with a dot; an object of which none is understood stays one."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        inner = flat({name: value})
        whole = isinstance(value, dict) and is_known(name) and not any(map(is_known, inner))
        found |= {name: value} if whole else inner
    return found


def _author_of(fields: dict[str, Any]) -> str:
    found = first_id(fields, all_columns(fields).get("user", ()))
    return "" if isinstance(found, Reason) else found


def _by_several(rows: list[Any]) -> bool:
    """Whether the reviews of a list name different authors, so that its name is not one."""
    return len({author for row in rows if isinstance(row, dict) and (author := _author_of(_fields(row)))}) > 1


def _listed(
    rows: list[Any], author: str | None, place: str, outer: dict[str, Any], authors: dict[str, _Author]
) -> Iterator[_Row]:
    """Reviews in a list; what stands beside the list belongs to each of them."""
    if not rows:
        authors.setdefault(author or NEW_USER, _Author())
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{place}, review {number} is {_shown(row)}; expected a review, {{...}}")
        if author is not None:
            authors.setdefault(author, _Author())
        yield _Row(outer | _fields(row), author, f"{place}, review {number}")


class _Reader:
    """Reads rows of one request.

    Args:
        columns: by field, what its columns are called in this request, the preferred one first.
        rows: all of the request: together they tell what their dates mean.
        scale: lowest and best rating.
    """

    def __init__(self, columns: Mapping[str, Columns], rows: list[_Row], scale: Scale) -> None:
        self.columns = columns
        self._ratings = RatingForm(scale, zero_is_none=scale[0] > 0)
        self._dates = {name: DateColumn(name) for name in columns.get("timestamp", ())}
        self._forms: dict[str, DateForm] = {}
        for row in rows:
            for name, column in self._dates.items():
                column.add(row.fields.get(name))
        self._read = {name for names in columns.values() for name in names}

    def names_author(self, row: _Row) -> bool:
        return row.author is not None or bool(self._id(row, "user"))

    def author(self, row: _Row) -> str:
        return row.author or self._id(row, "user") or NEW_USER

    def unread(self, fields: Mapping[str, Any]) -> list[str]:
        """The fields that are not understood and hold something."""
        return [name for name, value in fields.items() if not self._is_understood(name) and value not in (None, "", [])]

    def _is_understood(self, name: str) -> bool:
        return name in self._read or is_known(name) or name.startswith("_")

    def check_authors(self, rows: list[_Row], name: str) -> None:
        """Refuse reviews without an author that a field not understood tells apart.

        Raises:
            DataError: there are several values of such a field.
        """
        values: dict[str, set[str]] = {}
        for row in rows:
            if not self.names_author(row):
                for unread in self.unread(row.fields):
                    if may_name_a_person(unread):
                        values.setdefault(unread, set()).add(str(row.fields[unread]))
        if several := [unread for unread, its in values.items() if len(its) > 1]:
            raise DataError(
                f"{name} has reviews without an author and the field {several[0]!r}, which is not understood and holds "
                f"{len(values[several[0]]):,} different values; whoever wrote a review is read from "
                f"{usual_names('user')} and the like: rename the field if it is the author, else leave it out"
            )

    def review(self, row: _Row) -> Review:
        """The review of a row.

        Raises:
            DataError: it makes no sense.
        """
        fields, place = row.fields, row.place
        for what in ("user", "product", "product_name", "product_info", "text", "title"):
            for name in self.columns.get(what, ()):
                if isinstance(fields.get(name), dict | list | bool):
                    raise DataError(f"{place}: {name} is {_shown(fields[name])}; expected a text, or leave it out")
        title, body = self._text(row, "title"), self._text(row, "text")
        review = Review(
            product_id=self._id(row, "product"),
            text=f"{title}\n{body}" if title and body else title or body,
            rating=self._rating(row),
            timestamp=self._timestamp(row),
            product_name=on_one_line(self._text(row, "product_name")),
            product_info=on_one_line(self._text(row, "product_info")),
        )
        if not (review.product_id or review.product_text or review.text):
            raise DataError(
                f"{place} holds neither a product ({usual_names('product')}, {usual_names('product_name', 2)}, ...) "
                f"nor a text ({usual_names('text')}, ...); it has "
                f"{', '.join(map(repr, list(fields)[:SHOWN])) or 'nothing'}"
            )
        return review

    def _id(self, row: _Row, what: str) -> str:
        found = first_id(row.fields, self.columns.get(what, ()))
        if isinstance(found, Reason):
            raise DataError(f"{row.place}: the {what} is an {found}; expected the id as a text, all of it")
        return found

    def _text(self, row: _Row, what: str) -> str:
        texts = (read_text(row.fields.get(name)) for name in self.columns.get(what, ()))
        return next((text for text in texts if text), "")

    def _first(self, row: _Row, what: str) -> tuple[str, Any]:
        """Name and value of the first field that holds something."""
        names = self.columns.get(what, ())
        return next(((name, row.fields[name]) for name in names if row.fields.get(name) not in (None, "")), ("", None))

    def _rating(self, row: _Row) -> float | None:
        name, value = self._first(row, "rating")
        if value is None:
            return None
        rating = self._ratings.read(value)
        if rating is None:
            low, high = self._ratings.scale
            raise DataError(
                f"{row.place}: {name} is {_shown(value)}; expected a number from {low:g} to {high:g}, or leave it out"
            )
        return None if math.isnan(rating) else rating

    def _timestamp(self, row: _Row) -> int | None:
        name, value = self._first(row, "timestamp")
        if value is None:
            return None
        if name not in self._forms:
            try:
                self._forms[name] = self._dates[name].form()
            except DataError as error:
                raise DataError(f"{row.place}: {error}; in a request write dates such as 2018-09-30") from None
        timestamp = self._forms[name].read(value)
        if timestamp is None:
            raise DataError(f"{row.place}: {name} is {_shown(value)}; expected a date ({ACCEPTED}), or leave it out")
        return timestamp


def _note(author: _Author, nameless: int) -> str:
    """What whoever asked should know about how the reviews were read."""
    notes = []
    if unread := list(author.unread):
        more = f" and {len(unread) - SHOWN:,} more" if len(unread) > SHOWN else ""
        notes.append(f"fields not understood: {', '.join(unread[:SHOWN])}{more}")
    if nameless > 1:
        notes.append(f"{nameless:,} reviews name no author and count as one user's")
    return "; ".join(notes)


def _shown(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}..."
