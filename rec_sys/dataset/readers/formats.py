"""One description per raw format of reviews; and what a field's raw value means.

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
from typing import Any, Literal, NamedTuple

from pydantic import Field

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.settings import Settings

MILLISECONDS = 1e11  # as seconds the year 5138, as milliseconds 1973: a larger number cannot be seconds
LAST_TIMESTAMP = 4_102_444_800  # 2100-01-01
MONTH_DAY_YEAR = re.compile(r"(\d{1,2}) (\d{1,2}), (\d{4})")  # "09 1, 2016"
DATES = ("unixReviewTime", "timestamp", "reviewTime", "ReviewTime", "date", "Date", "time", "review_date", "created_at")
NONE = "none"  # in place of a column's name: the field is not read though the file may have a column for it
MAX_PLACE = 2**53  # whole numbers beyond are not exact in a file of floats

FIELDS = ("user", "product", "rating", "timestamp", "order", "text", "title", "product_name")

Names = tuple[str, ...]
Order = Literal["time", "column", "list", "file"]  # what a person's reviews are ordered by


class ColumnNames(Settings):
    """Which column of the raw file holds what; null leaves it to the format found, none reads no column."""

    user: str | None = Field(None, min_length=1, description="id of the person")
    product: str | None = Field(None, min_length=1, description="id of the product")
    rating: str | None = Field(None, min_length=1, description="1 to 5")
    timestamp: str | None = Field(None, min_length=1, description="seconds or milliseconds since 1970, or ISO 8601")
    order: str | None = Field(None, min_length=1, description="whole numbers that grow with time, instead of dates")
    text: str | None = Field(None, min_length=1, description="body of the review")
    title: str | None = Field(None, min_length=1, description="title of the review")
    product_name: str | None = Field(None, min_length=1, description="name of the product")


class Review(NamedTuple):
    """One usable review."""

    user_id: str
    product_id: str
    rating: float | None  # 1 to 5; None where the source has none
    timestamp: int  # seconds since 1970 UTC; where the source has no time, a place in its order
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
    order: Names = ()  # counts only where there is no timestamp
    required: Names = ("user", "product", "timestamp")  # fields
    may_be_unrated: bool = False  # a row without a rating is kept though the file has a column for it
    in_lists: bool = False  # rows come from lists in time order, and `order` holds the places in them

    @property
    def ordered_by(self) -> Order:
        """Where the order of a person's reviews comes from."""
        if self.timestamp:
            return "time"
        return "list" if self.in_lists else "column" if self.order else "file"

    def unread(self, header: Collection[str]) -> list[str]:
        """The columns that are not looked at."""
        read = {name for field in FIELDS for name in getattr(self, field)}
        return [name for name in header if name not in read]

    def missing(self, header: Collection[str]) -> list[str]:
        """The required fields for which the file has no column."""

        def has(field: str) -> bool:
            return any(name in header for name in getattr(self, field))

        return [field for field in self.required if not has(field) and not (field == "timestamp" and has("order"))]

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that tell which review a row is."""
        names = (*self.user, *self.product, *self.rating, *self.timestamp, *self.order)
        return {name: row[name] for name in names if name in row}

    def read(self, row: Mapping[str, Any], place: int = 0) -> Review | Reason:
        """The review of a raw row, or why it is left out.

        Args:
            row: its fields.
            place: of the row in the file; its timestamp where the file has neither time nor order.
        """
        user_id = read_id(row, self.user)
        if not user_id:
            return Reason.NO_USER
        product_id = read_id(row, self.product)
        if not product_id:
            return Reason.NO_PRODUCT
        rating = self._rating(row) if self.rating else None
        if isinstance(rating, Reason):
            return rating
        timestamp = self._timestamp(row) if self.timestamp or self.order else place
        if isinstance(timestamp, Reason):
            return timestamp
        title, body = read_text(_first(row, self.title)), read_text(_first(row, self.text))
        text = f"{title}\n{body}" if title and body else title or body
        product_name = " ".join(read_text(_first(row, self.product_name)).split())
        return Review(user_id, product_id, rating, timestamp, text, product_name)

    def _rating(self, row: Mapping[str, Any]) -> float | Reason | None:
        value = _first(row, self.rating)
        if value is None and self.may_be_unrated:
            return None
        rating = read_number(value)
        if rating is None or math.isnan(rating):
            return Reason.RATING_NOT_A_NUMBER
        return rating if MIN_RATING <= rating <= MAX_RATING else Reason.RATING_OUT_OF_RANGE

    def _timestamp(self, row: Mapping[str, Any]) -> int | Reason:
        if self.timestamp:
            value = _first(row, self.timestamp)
            date_ = read_date(value)
            return date_ if date_ is not None else Reason.NO_DATE if value is None else Reason.BAD_DATE
        number = read_number(_first(row, self.order))
        if number is None or not abs(number) <= MAX_PLACE or not number.is_integer():
            return Reason.BAD_ORDER
        return int(number)


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

GENERIC = ReviewFormat(  # of last resort: columns with usual names, see `column_aliases`
    name="interactions", one_of=(), user=(), product=(), rating=(), timestamp=(), may_be_unrated=True
)

LISTS = ReviewFormat(
    name="lists",
    one_of=(),
    user=("user_id",),
    product=("product_id",),
    rating=(),
    timestamp=(),
    order=("place",),
    in_lists=True,
)


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
