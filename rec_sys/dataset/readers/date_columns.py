"""What the dates of one column mean, told from all of them: which number is the day, and what bare numbers count."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from rec_sys.dataset.readers.dates import NUMERIC, DateOrder, of_parts, read_date, read_number
from rec_sys.errors import DataError

Numbers = Literal["seconds", "days of Excel", "YYYYMMDD", "years", "counts", "none"]

EARLIEST = 788_918_400  # 1995-01-01: nobody reviewed anything in the web before
EXCEL_EPOCH = 25_569  # day number of 1970-01-01
DAY = 86_400
SAMPLE = 20_000  # numbers of a column that are kept to look at
SHAPES = 200  # kinds of texts that are told apart
MAX_COUNT = EARLIEST // DAY + EXCEL_EPOCH  # larger numbers may be days of Excel

_TO_SHAPE = str.maketrans(
    {**dict.fromkeys("0123456789", "9"), **dict.fromkeys("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "a")}
)


def latest() -> float:
    """The last second that a review may be of: two days from now, whatever the clocks say."""
    return time.time() + 2 * DAY


@dataclass(frozen=True)
class DateForm:
    """How the values of a column become seconds since 1970, or places in an order."""

    numbers: Numbers = "seconds"
    order: DateOrder | None = None  # of day and month where both are numbers

    @property
    def counts(self) -> bool:
        """Whether the values tell an order and no dates."""
        return self.numbers == "counts"

    def read(self, value: Any) -> int | None:
        """Seconds since 1970 UTC (or the count) of a value; None where it is none."""
        if self.numbers == "seconds" or isinstance(value, datetime | date):
            return read_date(value, self.order)
        number = read_number(value.strip() if isinstance(value, str) else value)
        if number is None or not math.isfinite(number):
            return read_date(value, self.order)
        if self.numbers == "counts":
            return int(number) if number.is_integer() else None
        if self.numbers == "days of Excel":
            return round((number - EXCEL_EPOCH) * DAY) if number >= EXCEL_EPOCH else None
        whole = int(number)
        if self.numbers == "years":
            return of_parts(whole, 1, 1)
        return of_parts(whole // 10_000, whole // 100 % 100, whole % 100)


ANY_DATE = DateForm()


class DateColumn:
    """Looks at the values of a column, one after the other.

    Args:
        name: of the column, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.shapes: Counter[str] = Counter()  # of texts that are no numbers: digits as 9, letters as a
        self.examples: dict[str, str] = {}  # a text of each shape
        self.numbers: list[float] = []  # a sample
        self.numeric = 0
        self.whole = True
        self.dates = 0  # values that are dates already
        self._firsts = self._seconds = 0  # the largest number in each place
        self._last: tuple[int, int, int] | None = None
        self._falls = {"dmy": 0, "mdy": 0}  # steps back in time, each way of reading
        self._rises = {"dmy": 0, "mdy": 0}

    def add(self, value: Any) -> None:
        """One more value; nothing is counted for one that is missing."""
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return
            number = read_number(text) if text[0] in "0123456789+-." else None
            if number is None:
                self._add_text(text)
                return
            self._add_number(number)
        elif isinstance(value, datetime | date):
            self.dates += 1
        elif (number := read_number(value)) is not None:
            self._add_number(number)
        elif value is not None:
            self._add_text(str(value)[:80])

    @property
    def count(self) -> int:
        return self.numeric + self.dates + sum(self.shapes.values())

    @property
    def has_day_and_month(self) -> bool:
        """Whether day and month stand as numbers before a year."""
        return self._firsts > 0

    def _add_number(self, number: float) -> None:
        if not math.isfinite(number):
            return
        self.numeric += 1
        if self.numeric <= SAMPLE or not self.numeric % 101:
            self.numbers.append(number)
            self.whole = self.whole and number.is_integer()
            if len(self.numbers) > 2 * SAMPLE:
                del self.numbers[::2]

    def _add_text(self, text: str) -> None:
        shape = text.translate(_TO_SHAPE)
        if shape not in self.shapes:
            if len(self.shapes) >= SHAPES:
                shape = "other"
            self.examples.setdefault(shape, text)
        self.shapes[shape] += 1
        if text[2:3] in "/-." or text[1:2] in "/-.":
            self._add_day_and_month(text)

    def _add_day_and_month(self, text: str) -> None:
        match = NUMERIC.match(text)
        if match is None:
            return
        now = int(match["year"]), int(match["first"]), int(match["second_"])
        self._firsts, self._seconds = max(self._firsts, now[1]), max(self._seconds, now[2])
        if self._last is not None and now != self._last:
            last = self._last
            for order, keys in (("mdy", (now, last)), ("dmy", ((now[0], now[2], now[1]), (last[0], last[2], last[1])))):
                self._rises[order] += keys[0] > keys[1]
                self._falls[order] += keys[0] < keys[1]
        self._last = now

    def form(self, given: DateOrder | None = None) -> DateForm:
        """What the values mean.

        Args:
            given: which of day and month comes first, where somebody said so.

        Raises:
            DataError: nobody can tell; the message says what was found, and the setting that tells it.
        """
        return DateForm(self._numbers(), given or self._order())

    def _order(self) -> DateOrder | None:
        """Which of two numbers is the day: the one above 12, else the one with which the file runs in time."""
        if not self._firsts:
            return None
        if self._firsts > 12 and self._seconds > 12:
            raise DataError(
                f"the column {self.name!r} has dates with the day first and dates with the month first (up to "
                f"{self._firsts} in the first place and {self._seconds} in the second); write one form"
            )
        if self._firsts > 12:
            return "dmy"
        if self._seconds > 12:
            return "mdy"
        if any("." in shape[:3] for shape in self.shapes):
            return "dmy"
        runs: list[DateOrder] = [order for order in ("dmy", "mdy") if min(self._rises[order], self._falls[order]) == 0]
        steps = self._rises["dmy"] + self._falls["dmy"]
        if len(runs) == 1 and steps >= 5:
            return runs[0]
        example = next(text for text in self.examples.values() if NUMERIC.match(text))
        raise DataError(
            f"the column {self.name!r} has dates such as {example!r}, and nothing in it tells the day from the month; "
            f"say it with data.date_order=dmy or data.date_order=mdy"
        )

    def _numbers(self) -> Numbers:
        if not self.numbers:
            return "none" if self.shapes or self.dates else "seconds"
        ordered = sorted(number for number in self.numbers if number) or [0.0]
        low, high = ordered[len(ordered) // 50], ordered[-1 - len(ordered) // 50]
        now = latest()
        if self.whole and _all_days(ordered):
            return "YYYYMMDD"
        if any(low / unit >= EARLIEST and high / unit <= now for unit in (1.0, 1e3, 1e6, 1e9)):
            return "seconds"
        if low >= MAX_COUNT and high <= now / DAY + EXCEL_EPOCH:
            return "days of Excel"
        if 2 * self.numeric < self.count:
            return "seconds"  # a number among dates is no count
        if self.whole and low >= 1995 and high <= time.gmtime(now).tm_year:
            return "years"
        if self.whole and low >= 0 and high < MAX_COUNT:
            return "counts"
        return "seconds"

    def day_of_month(self) -> bool:
        """Whether all values are whole numbers up to 31."""
        return (
            bool(self.numbers) and self.whole and not self.shapes and min(self.numbers) >= 0 and max(self.numbers) <= 31
        )

    def time_of_day(self) -> bool:
        """Whether the values are times such as 23:04, or 2304."""
        if self.shapes and not self.numbers and not self.dates:
            return all(shape[:5] in ("99:99", "9:99", "9:99:") for shape in self.shapes)
        return False

    def hour_and_minute(self) -> bool:
        """Whether all values are whole numbers such as 2304."""
        if self.shapes or not self.numbers or not self.whole:
            return False
        return all(0 <= number < 2400 and number % 100 < 60 for number in self.numbers)

    def unread(self, form: DateForm) -> Counter[str]:
        """Texts of each shape that the form does not read, by an example."""
        return Counter(
            {
                self.examples.get(shape, shape): count
                for shape, count in self.shapes.items()
                if form.read(self.examples.get(shape, "")) is None
            }
        )

    def readable(self, form: DateForm) -> float:
        """Share of the values that the form reads."""
        return 1 - sum(self.unread(form).values()) / self.count if self.count else 0.0


def _all_days(numbers: Sequence[float]) -> bool:
    """Whether nearly all numbers are days written as YYYYMMDD."""
    days = sum(
        19_000_101 <= number <= 21_001_231
        and of_parts(int(number) // 10_000, int(number) // 100 % 100, int(number) % 100) is not None
        for number in numbers
    )
    return days >= 0.98 * len(numbers)


def parts_of_a_day(header: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The columns of year, month and day, from the columns by their plain names."""
    for names in (("year", "month", "day"), ("jahr", "monat", "tag"), ("annee", "mois", "jour"), ("ano", "mes", "dia")):
        if all(name in header for name in names):
            year, month, day = (header[name] for name in names)
            return year, month, day
    return None
