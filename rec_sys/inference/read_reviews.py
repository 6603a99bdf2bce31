"""Reviews of new people from JSON, in the field names of the known formats.

Three shapes are read, also as JSON lines: `[review, ...]`, `{"somebody": [review, ...], ...}` and
`{"user_id": "somebody", "reviews": [review, ...]}`. In a list of reviews each may name its author.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.readers.formats import DATES, Names, read_date, read_id, read_number, read_text
from rec_sys.errors import DataError
from rec_sys.inference.users import Review, User

USER = ("reviewerID", "user_id", "user", "nickname")
PRODUCT = ("parent_asin", "asin", "product_id", "item_id")
PRODUCT_NAME = ("ProductName", "product_name")
PRODUCT_INFO = ("ProductInfo", "product_info")
TEXT = ("reviewText", "TextReview", "text", "comment", "review")
TITLE = ("summary", "title")
RATING = ("overall", "rating", "score", "stars")

STANDARD_INPUT = "-"
NEW_USER = "new person"  # whose reviews name no author
EXPECTED = 'expected JSON: [review, ...], {"somebody": [review, ...]} or one review per line'


def read_users(source: str) -> list[User]:
    """The people of a file, or of standard input.

    Args:
        source: a path, or "-" for standard input.

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
    return parse_users(raw, name)


def parse_users(raw: bytes, name: str) -> list[User]:
    """The people of JSON or JSON lines.

    Args:
        raw: UTF-8.
        name: where it came from, for messages.

    Returns:
        Each person once, in the order in which they appear.

    Raises:
        DataError: see `read_people`.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise DataError(f"{name} is empty; {EXPECTED}")
    people: dict[str, list[Review]] = {}
    for place, value in _values(raw, name):
        _add(people, value, f"{name}{place}")
    return [User(user_id, reviews) for user_id, reviews in people.items()]


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


def _add(people: dict[str, list[Review]], value: Any, place: str) -> None:
    """Sort one JSON value into `people`."""
    if isinstance(value, list):
        if not value:
            people.setdefault(NEW_USER, [])
        for number, row in enumerate(value, 1):
            if not isinstance(row, dict):
                raise DataError(f"{place}, entry {number} is {_shown(row)}; expected a review, {{...}}")
            _add(people, row, f"{place}, entry {number}")
        return
    if not isinstance(value, dict) or not value:
        raise DataError(f"{place} holds {_shown(value)}; {EXPECTED}")
    if isinstance(value.get("reviews"), list) and (len(value) == 1 or read_id(value, USER)):
        _add_all(people, read_id(value, USER) or NEW_USER, value["reviews"], place)
    elif all(isinstance(inner, list) for inner in value.values()):
        for user_id, rows in value.items():
            _add_all(people, user_id, rows, f"{place}, {user_id!r}")
    else:
        people.setdefault(read_id(value, USER) or NEW_USER, []).append(_review(value, place))


def _add_all(people: dict[str, list[Review]], user_id: str, rows: list[Any], place: str) -> None:
    known = people.setdefault(user_id, [])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{place}, review {number} is {_shown(row)}; expected a review, {{...}}")
        known.append(_review(row, f"{place}, review {number}"))


def _review(row: dict[str, Any], place: str) -> Review:
    for name in (*USER, *PRODUCT, *PRODUCT_NAME, *PRODUCT_INFO, *TEXT, *TITLE):
        if isinstance(row.get(name), dict | list | bool):
            raise DataError(f"{place}: {name} is {_shown(row[name])}; expected a text, or leave it out")
    title, body = (_first_text(row, names) for names in (TITLE, TEXT))
    review = Review(
        product_id=read_id(row, PRODUCT),
        text=f"{title}\n{body}" if title and body else title or body,
        rating=_rating(row, place),
        timestamp=_timestamp(row, place),
        product_name=" ".join(_first_text(row, PRODUCT_NAME).split()),
        product_info=" ".join(_first_text(row, PRODUCT_INFO).split()),
    )
    if not (review.product_id or review.product_text or review.text):
        raise DataError(
            f"{place} holds neither a product ({', '.join(PRODUCT + PRODUCT_NAME + PRODUCT_INFO)}) nor a text "
            f"({', '.join(TEXT + TITLE)}); it has {', '.join(map(repr, list(row)[:10])) or 'nothing'}"
        )
    return review


def _rating(row: dict[str, Any], place: str) -> float | None:
    name, value = _first(row, RATING)
    if value is None:
        return None
    rating = read_number(value)
    if rating is None or not MIN_RATING <= rating <= MAX_RATING:
        raise DataError(f"{place}: {name} is {_shown(value)}; expected a number from 1 to 5, or leave it out")
    return rating


def _timestamp(row: dict[str, Any], place: str) -> int | None:
    name, value = _first(row, DATES)
    if value is None:
        return None
    timestamp = read_date(value)
    if timestamp is None:
        raise DataError(
            f"{place}: {name} is {_shown(value)}; expected seconds or milliseconds since 1970 or a date such as "
            f"2018-09-30, or leave it out"
        )
    return timestamp


def _first(row: dict[str, Any], names: Names) -> tuple[str, Any]:
    """Name and value of the first field that holds something."""
    return next(((name, row[name]) for name in names if row.get(name) not in (None, "")), ("", None))


def _first_text(row: dict[str, Any], names: Names) -> str:
    return next((text for text in (read_text(row.get(name)) for name in names) if text), "")


def _shown(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:60]}..."
