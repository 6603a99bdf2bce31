"""One description per raw format of reviews, chosen by the header; and what a field's raw value means.

Amazon 2014 and 2018: https://nijianmo.github.io/amazon/ (JSON lines, and the CSV made of them).
Amazon 2023: https://amazon-reviews-2023.github.io (timestamps in milliseconds).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.rejects import Reason
from rec_sys.errors import DataError
from rec_sys.settings import Settings

MILLISECONDS = 1e11  # as seconds the year 5138, as milliseconds 1973: a larger number cannot be seconds
LAST_TIMESTAMP = 4_102_444_800  # 2100-01-01
MONTH_DAY_YEAR = re.compile(r"(\d{1,2}) (\d{1,2}), (\d{4})")  # "09 1, 2016"
DATES = ("unixReviewTime", "timestamp", "reviewTime", "ReviewTime", "date", "Date", "time", "review_date", "created_at")

Names = tuple[str, ...]


class ColumnNames(Settings):
    """Which column of the raw file holds what; null leaves it to the format found."""

    user: str | None = Field(None, min_length=1, description="id of the person")
    product: str | None = Field(None, min_length=1, description="id of the product")
    rating: str | None = Field(None, min_length=1, description="1 to 5")
    timestamp: str | None = Field(None, min_length=1, description="seconds or milliseconds since 1970, or ISO 8601")
    text: str | None = Field(None, min_length=1, description="body of the review")
    title: str | None = Field(None, min_length=1, description="title of the review")
    product_name: str | None = Field(None, min_length=1, description="name of the product")


class Review(NamedTuple):
    """One usable review."""

    user_id: str
    product_id: str
    rating: float | None  # 1 to 5; None where the source has none
    timestamp: int  # seconds since 1970 UTC
    text: str  # title and body
    product_name: str  # empty where the source has none


@dataclass(frozen=True)
class ReviewFormat:
    """Where a raw format keeps what: per field the column names, the first that holds something counts."""

    name: str
    one_of: Names  # a column that tells this format from its neighbours; empty: the required fields are enough
    user: Names
    product: Names
    rating: Names
    timestamp: Names
    text: Names = ()
    title: Names = ()
    product_name: Names = ()
    required: Names = ("user", "product", "timestamp")  # fields

    def missing(self, header: Collection[str]) -> list[str]:
        """The required fields for which the file has no column."""
        return [field for field in self.required if not any(name in header for name in getattr(self, field))]

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that tell which review a row is."""
        names = (*self.user, *self.product, *self.rating, *self.timestamp)
        return {name: row[name] for name in names if name in row}

    def read(self, row: Mapping[str, Any]) -> Review | Reason:
        """The review of a raw row, or why it is left out."""
        user_id = read_id(row, self.user)
        if not user_id:
            return Reason.NO_USER
        product_id = read_id(row, self.product)
        if not product_id:
            return Reason.NO_PRODUCT
        rating = read_number(_first(row, self.rating)) if self.rating else None
        if self.rating:
            if rating is None or math.isnan(rating):
                return Reason.RATING_NOT_A_NUMBER
            if not MIN_RATING <= rating <= MAX_RATING:
                return Reason.RATING_OUT_OF_RANGE
        raw_date = _first(row, self.timestamp)
        if raw_date is None:
            return Reason.NO_DATE
        timestamp = read_date(raw_date)
        if timestamp is None:
            return Reason.BAD_DATE
        title, body = read_text(_first(row, self.title)), read_text(_first(row, self.text))
        text = f"{title}\n{body}" if title and body else title or body
        product_name = " ".join(read_text(_first(row, self.product_name)).split())
        return Review(user_id, product_id, rating, timestamp, text, product_name)


_AMAZON_2014 = ReviewFormat(
    name="Amazon 2014",
    one_of=("reviewerID", "overall", "reviewText", "unixReviewTime"),
    user=("reviewerID",),
    product=("asin",),
    rating=("overall",),
    timestamp=("unixReviewTime", "reviewTime"),
    text=("reviewText",),
    title=("summary",),
    required=("user", "product", "rating", "timestamp", "text"),
)

FORMATS = (  # the first that fits is taken
    ReviewFormat(
        name="app export",
        one_of=("TextReview", "ProductName"),
        user=("reviewerID", "nickname"),  # reviewID names the review, not the person
        product=("asin",),
        rating=("overall", "score", "rating"),
        timestamp=DATES,
        text=("TextReview",),
        title=("summary", "title"),
        product_name=("ProductName",),
    ),
    replace(_AMAZON_2014, name="Amazon 2018", one_of=("verified", "style", "vote", "image")),
    _AMAZON_2014,
    ReviewFormat(
        name="Amazon 2023",
        one_of=("parent_asin", "asin"),
        user=("user_id",),
        product=("parent_asin", "asin"),  # an asin is one variant of its parent
        rating=("rating",),
        timestamp=("timestamp",),
        text=("text",),
        title=("title",),
        required=("user", "product", "rating", "timestamp"),
    ),
    ReviewFormat(
        name="plain",  # the names of rec_sys.columns
        one_of=(),
        user=("user_id",),
        product=("product_id",),
        rating=("rating",),
        timestamp=("timestamp", *DATES),
        text=("text",),
        title=("title",),
        product_name=("product_name",),
    ),
)


def choose_format(header: Collection[str], columns: ColumnNames, path: Path) -> ReviewFormat:
    """The format of a file.

    Args:
        header: its columns.
        columns: what the settings say about columns; they go before the format's own.
        path: the file, for messages.

    Raises:
        DataError: no format fits, or a column is missing; the message lists what was found.
    """
    mapping = columns.model_dump(exclude_none=True)
    for field, name in mapping.items():
        if name not in header:
            raise DataError(f"{path} has no column {name!r} (data.columns.{field}={name}); it has {_listed(header)}")
    mapped: dict[str, Any] = {field: (name,) for field, name in mapping.items()}
    known = [
        replace(format_, **mapped)
        for format_ in FORMATS
        if not format_.one_of or any(mark in header for mark in format_.one_of)
    ]
    chosen = next((format_ for format_ in known if not format_.missing(header)), None)
    if chosen is None:
        close = next((format_ for format_ in known if len(format_.missing(header)) == 1), None)
        if close is not None:
            field = close.missing(header)[0]
            expected = " or ".join(map(repr, getattr(close, field)[:3]))
            raise DataError(
                f"{path} ({close.name}) has no column {expected} for the {field}; it has {_listed(header)}: "
                f"name the right one with data.columns.{field}=..."
            )
        raise DataError(
            f"{path} is of no known format: it has the columns {_listed(header)}; known formats: "
            + ", ".join(f"{format_.name} ({', '.join(_required_names(format_))})" for format_ in FORMATS)
            + "; for other files name the columns: data.columns.user=... data.columns.product=... "
            "data.columns.timestamp=... and, where there are any, rating, text, title, product_name"
        )
    if mapping:
        chosen = replace(chosen, name=f"{chosen.name}, mapped columns")
    # A column that is nowhere in the file means "no ratings"; one that is empty in a row means a bad row.
    return chosen if any(name in header for name in chosen.rating) else replace(chosen, rating=())


def _required_names(format_: ReviewFormat) -> list[str]:
    return [getattr(format_, field)[0] for field in format_.required]


def _listed(header: Collection[str]) -> str:
    names = [repr(name if len(name) <= 40 else name[:40] + "...") for name in header]
    return ", ".join(names[:20]) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")


def _first(row: Mapping[str, Any], names: Names) -> Any:
    """The first value that is there: not null, not blank, not NaN."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str):
            if value and not value.isspace():
                return value
        elif value is not None and not (isinstance(value, float) and math.isnan(value)):
            return value
    return None


def read_text(value: Any) -> str:
    """A text field: without null characters and white space around it; empty where it holds no text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    return (value.replace("\0", "") if "\0" in value else value).strip()


def read_id(row: Mapping[str, Any], names: Names) -> str:
    """The first id that is there; whole numbers lose a ".0" that only a column of floats gave them."""
    for name in names:
        value = row.get(name)
        if isinstance(value, float):
            value = int(value) if value.is_integer() else None if math.isnan(value) else value
        found = read_text(value)
        if found:
            return found
    return ""


def read_number(value: Any) -> float | None:
    """A number or text of one; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def read_date(value: Any) -> int | None:
    """Seconds since 1970 UTC of seconds, milliseconds (told by their size), ISO 8601, "09 1, 2016" or a datetime.

    Dates without a time zone are UTC. None where it is no date between 1970 and 2100.
    """
    if isinstance(value, str):
        return _date_of_text(value.replace("\0", "").strip())
    if isinstance(value, datetime):
        seconds = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, date):
        seconds = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    else:
        number = read_number(value)
        if number is None or not math.isfinite(number):
            return None
        seconds = number
        while seconds > MILLISECONDS:  # milli-, micro- or nanoseconds
            seconds /= 1000
    return math.floor(seconds) if 0 <= seconds < LAST_TIMESTAMP else None


@lru_cache(maxsize=65_536)
def _date_of_text(text: str) -> int | None:
    number = read_number(text)
    if number is not None:
        return read_date(number)
    try:
        match = MONTH_DAY_YEAR.fullmatch(text)
        if match:
            month, day, year = map(int, match.groups())
            return read_date(date(year, month, day))
        return read_date(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None
