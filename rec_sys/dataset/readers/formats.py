"""One description per raw format of reviews: under which names it keeps what.

Amazon 2014 and 2018: https://nijianmo.github.io/amazon/ (JSON lines, and the CSV made of them).
Amazon 2023: https://amazon-reviews-2023.github.io (timestamps in milliseconds).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from rec_sys.settings import Settings

DATES = ("unixReviewTime", "timestamp", "reviewTime", "ReviewTime", "date", "Date", "time", "review_date", "created_at")
NONE = "none"  # in place of a column's name: the field is not read though the file may have a column for it
FIELDS = ("user", "product", "rating", "timestamp", "order", "text", "title", "product_name")
OF_EVENTS = ("kind", "basket", "quantity", "price")  # fields of events and orders alone

Names = tuple[str, ...]
Order = Literal["time", "column", "list", "file"]  # what a person's reviews are ordered by


class ColumnNames(Settings):
    """Which column of the raw file holds what; null leaves it to the format found, none reads no column."""

    user: str | None = Field(None, min_length=1, description="id of the person")
    product: str | None = Field(None, min_length=1, description="id of the product")
    rating: str | None = Field(None, min_length=1, description="stars, or a rating of any scale")
    timestamp: str | None = Field(None, min_length=1, description="a date or time")
    order: str | None = Field(None, min_length=1, description="whole numbers that grow with time, instead of dates")
    text: str | None = Field(None, min_length=1, description="body of the review")
    title: str | None = Field(None, min_length=1, description="title of the review")
    product_name: str | None = Field(None, min_length=1, description="name of the product")
    kind: str | None = Field(None, min_length=1, description="of events: what was done, such as view or addtocart")
    basket: str | None = Field(None, min_length=1, description="of events and orders: number of the order or invoice")
    quantity: str | None = Field(None, min_length=1, description="of events and orders: pieces; below 0: returned")
    price: str | None = Field(None, min_length=1, description="of events and orders: of a piece")

    @field_validator("*", mode="before")
    @classmethod
    def _text(cls, name: Any) -> Any:
        """Files without a header have numbers in place of names."""
        return str(name) if isinstance(name, int) and not isinstance(name, bool) else name


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
