"""One raw row to one review, by what the profile of the file says of its columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rec_sys.dataset.readers.date_columns import ANY_DATE, DateForm
from rec_sys.dataset.readers.dates import LAST_TIMESTAMP, of_parts, read_date, read_number
from rec_sys.dataset.readers.formats import Names, Review, ReviewFormat
from rec_sys.dataset.readers.identities import read_id
from rec_sys.dataset.readers.ratings import RatingForm, read_rating
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.texts import on_one_line, read_text

MAX_PLACE = 2**53  # whole numbers beyond are not exact in a file of floats

Row = Mapping[str, Any]

_ZERO_DATE = re.compile(r"0000-00-00(?:[ T]00:00:00)?")  # MySQL's nothing


@dataclass(frozen=True)
class Reading:
    """How the values of a file are read; the defaults read each value on its own."""

    dates: Mapping[str, DateForm] = field(default_factory=dict)  # by column
    day_parts: tuple[str, str, str] | None = None  # columns of year, month and day
    clock: str | None = None  # column with the time of the day, beside one with the day
    ratings: RatingForm = field(default_factory=RatingForm)
    no_users: frozenset[str] = frozenset()  # words that mean nothing where a person is named
    no_products: frozenset[str] = frozenset()
    earliest: float = 0  # seconds; earlier times are implausible
    latest: float = LAST_TIMESTAMP


class ReviewReader:
    """Reads rows of one file.

    Args:
        format_: which columns hold what.
        reading: what their values mean.
    """

    def __init__(self, format_: ReviewFormat, reading: Reading | None = None) -> None:
        self.format = format_
        self.reading = reading or Reading()
        self._time = self._time_reader()

    def read(self, row: Row, place: int = 0) -> Review | Reason:
        """The review of a raw row, or why it is left out.

        Args:
            row: its fields.
            place: of the row in the file; its timestamp where the file has neither time nor order.
        """
        form = self.format
        user_id = first_id(row, form.user, self.reading.no_users)
        if not user_id or isinstance(user_id, Reason):
            return user_id or Reason.NO_USER
        product_id = first_id(row, form.product, self.reading.no_products)
        if not product_id or isinstance(product_id, Reason):
            return product_id or Reason.NO_PRODUCT
        rating = self._rating(row) if form.rating else None
        if isinstance(rating, Reason):
            return rating
        timestamp = self._time(row, place)
        if isinstance(timestamp, Reason):
            return timestamp
        body = read_text(first(row, form.text)) if form.text else ""
        if form.title and (title := read_text(first(row, form.title))):
            body = f"{title}\n{body}" if body else title
        name = on_one_line(read_text(first(row, form.product_name))) if form.product_name else ""
        return Review(user_id, product_id, rating, timestamp, body, name)

    def _rating(self, row: Row) -> float | Reason | None:
        value = first(row, self.format.rating)
        if value is None:
            return None if self.format.may_be_unrated else Reason.RATING_NOT_A_NUMBER
        rating = self.reading.ratings.read(value)
        if rating is None:
            if self.format.may_be_unrated and isinstance(value, str) and not read_text(value):
                return None
            return _what_is_wrong(value)
        return None if math.isnan(rating) else rating

    def _time_reader(self) -> Callable[[Row, int], int | Reason]:
        """How the time of a row is found."""
        form, reading = self.format, self.reading
        if reading.day_parts is not None:
            return self._of_day_parts
        if form.timestamp:
            if len(form.timestamp) == 1 and reading.clock is None:
                return self._of_one_column
            return self._of_columns
        return self._of_order if form.order else lambda _, place: place

    def _of_one_column(self, row: Row, _: int) -> int | Reason:
        (name,) = self.format.timestamp
        value = row.get(name)
        seconds = self.reading.dates.get(name, ANY_DATE).read(value)
        if seconds is None:
            return _no_or_bad_date(value)
        return seconds if self.reading.earliest <= seconds <= self.reading.latest else Reason.IMPLAUSIBLE_DATE

    def _of_columns(self, row: Row, _: int) -> int | Reason:
        """The first column that holds something; the time of the day is added where it stands apart."""
        name = next((name for name in self.format.timestamp if first(row, (name,)) is not None), None)
        if name is None:
            return Reason.NO_DATE
        seconds = self.reading.dates.get(name, ANY_DATE).read(row[name])
        if seconds is None:
            return _no_or_bad_date(row[name])
        if self.reading.clock is not None:
            start = read_date(f"1970-01-01 {str(row.get(self.reading.clock) or '00:00').strip()}")
            seconds += start or 0
        return seconds if self.reading.earliest <= seconds <= self.reading.latest else Reason.IMPLAUSIBLE_DATE

    def _of_day_parts(self, row: Row, _: int) -> int | Reason:
        assert self.reading.day_parts is not None  # noqa: S101
        parts = [read_number(first(row, (name,))) for name in self.reading.day_parts]
        if all(part is None for part in parts):
            return Reason.NO_DATE
        if not all(part is not None and part.is_integer() for part in parts):
            return Reason.BAD_DATE
        seconds = of_parts(*(int(part or 0) for part in parts))
        if seconds is None:
            return Reason.BAD_DATE
        return seconds if self.reading.earliest <= seconds <= self.reading.latest else Reason.IMPLAUSIBLE_DATE

    def _of_order(self, row: Row, _: int) -> int | Reason:
        number = read_number(first(row, self.format.order))
        if number is None or not abs(number) <= MAX_PLACE or not number.is_integer():
            return Reason.BAD_ORDER
        return int(number)


def first(row: Row, names: Names) -> Any:
    """The first value that is there: not null, not blank, not NaN."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str):
            if value and not value.isspace():
                return value
        elif value is not None and not (isinstance(value, float) and math.isnan(value)):
            return value
    return None


def first_id(row: Row, names: Names, nothing: frozenset[str] = frozenset()) -> str | Reason:
    """The first id that is there; "" where none is, or why it is not the one that was meant."""
    for name in names:
        found = read_id(row.get(name))
        if found and found not in nothing:
            return found
    return ""


def _no_or_bad_date(value: Any) -> Reason:
    text = read_text(value) if isinstance(value, str) else value
    missing = text is None or text == "" or text != text or (isinstance(text, str) and _ZERO_DATE.fullmatch(text))
    return Reason.NO_DATE if missing else Reason.BAD_DATE


def _what_is_wrong(value: Any) -> Reason:
    written = read_rating(value)
    if written is None or math.isnan(written.value) or isinstance(value, bool):
        return Reason.RATING_NOT_A_NUMBER
    return Reason.RATING_OUT_OF_RANGE
