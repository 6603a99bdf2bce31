"""Ratings of any scale as 1 to 5 stars: 0 to 10, percent, half stars, "4/5", "4,5", "★★★★☆", thumbs.

The scale is told from all values of the column, or given with `data.rating_scale`; the report and the people are shown
the scale of the file. A 0 below stars that begin at 1 means "not rated".
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.errors import ConfigError, DataError

Scale = tuple[float, float]

STARS: Scale = (MIN_RATING, MAX_RATING)
THUMBS: Scale = (0.0, 1.0)
DISTINCT = 2_000  # different values that are told apart; a column with more holds no ratings
ENOUGH = 20  # ratings from which a scale is told by what is missing
MANY = 100  # ratings of which somebody gave the best one
OUTLIERS = 0.01  # share of ratings beyond a scale that are faults of the file

WORDS = {word: float(number) for number, word in enumerate(("one", "two", "three", "four", "five"), 1)}
_UP_WORDS = """
    true yes y t wahr ja vrai oui verdadero sí si vero verdadeiro sim да истина up thumbs_up like liked positive
    recommended recommend 👍
"""
_DOWN_WORDS = """
    false no n f falsch nein faux non falso não nao нет ложь down thumbs_down dislike disliked negative
    not_recommended 👎
"""
_UP, _DOWN = frozenset(_UP_WORDS.split()), frozenset(_DOWN_WORDS.split())
_OUT_OF = re.compile(
    r"(?P<value>[\d.,]+)\s*(?:/|out of|von|sur|de|av|van|из|of)\s*(?P<best>\d+)"
    r"(?:\s*(?:stars?|sternen?|étoiles|estrellas))?",
    re.IGNORECASE,
)
_WITH_UNIT = re.compile(
    r"(?P<value>[\d.,]+)\s*(?P<unit>%|(?:stars?|sterne?|étoiles?|estrellas?|stelle|点|星|分)\b)", re.IGNORECASE
)
_DRAWN = re.compile(r"[★⭐✭✮]\ufe0f?")
_DRAWN_ALL = re.compile(r"(?:[★⭐✭✮☆✩]\ufe0f?\s*)+")


class Written(NamedTuple):
    """A rating as it is written."""

    value: float
    best: float | None = None  # of its scale, where it says so: "4/5", "80%", drawn stars; 1 for thumbs


@dataclass(frozen=True)
class RatingForm:
    """How the values of a column become 1 to 5."""

    scale: Scale = STARS
    zero_is_none: bool = False  # 0 means "not rated"
    unrated: frozenset[float] = frozenset()  # other values that mean no rating
    _known: dict[Any, float | None] = field(default_factory=dict, compare=False, repr=False)

    def read(self, value: Any) -> float | None:
        """1 to 5; nan for what says "not rated"; None for what is no rating of this scale."""
        try:
            return self._known[value]
        except (KeyError, TypeError):
            found = self._read(value)
            if isinstance(value, str | int | float) and len(self._known) < DISTINCT:
                self._known[value] = found
            return found

    def _read(self, value: Any) -> float | None:
        written = read_rating(value)
        if written is None or math.isnan(written.value):
            return None
        number = written.value
        if (number == 0 and self.zero_is_none) or number in self.unrated:
            return math.nan
        low, high = self.scale
        if not low <= number <= high or written.best not in (None, high):
            return None
        return to_stars(number, self.scale)


def to_stars(value: float, scale: Scale) -> float:
    """A rating of a scale as 1 to 5."""
    low, high = scale
    return value if scale == STARS else MIN_RATING + (value - low) * (MAX_RATING - MIN_RATING) / (high - low)


def from_stars(stars: float, scale: Scale) -> float:
    """1 to 5 as a rating of the scale, within its limits."""
    low, high = scale
    if scale == STARS:
        return stars
    return min(max(low + (stars - MIN_RATING) * (high - low) / (MAX_RATING - MIN_RATING), low), high)


def read_scale(given: str) -> Scale:
    """The scale that a setting names, "LOW..HIGH".

    Raises:
        ConfigError: it is none.
    """
    low, dots, high = given.partition("..")
    try:
        scale = float(low), float(high)
    except ValueError:
        scale = (math.nan, math.nan)
    if not dots or not scale[0] < scale[1] or not all(map(math.isfinite, scale)):
        raise ConfigError(
            f"data.rating_scale={given}: expected the lowest and the best rating, such as 1..10 or 0..100"
        )
    return scale


def read_rating(value: Any) -> Written | None:
    """A rating as a number, whatever it is written like; None for what is none."""
    if isinstance(value, bool):
        return Written(float(value), 1.0)
    if isinstance(value, int | float | Decimal):
        try:
            return Written(float(value))
        except OverflowError:
            return None
    if not isinstance(value, str) or len(value) > 60:
        return None
    text = value.strip()
    try:
        return Written(float(text))
    except ValueError:
        return _of_words(text)


def _of_words(text: str) -> Written | None:
    short = text.lower().replace(" ", "_")
    if short in _UP or short in _DOWN:
        return Written(float(short in _UP), 1.0)
    if short in WORDS:
        return Written(WORDS[short], 5.0)
    if _DRAWN_ALL.fullmatch(text):
        drawn = len(_DRAWN.findall(text))
        return Written(float(drawn), float(max(5, len(re.findall(r"[★⭐✭✮☆✩]", text)))))
    if (match := _OUT_OF.fullmatch(text)) and (number := _decimal(match["value"])) is not None:
        return Written(number, float(match["best"]))
    if (match := _WITH_UNIT.fullmatch(text)) and (number := _decimal(match["value"])) is not None:
        return Written(number, 100.0 if match["unit"] == "%" else None)
    number = _decimal(text)
    return None if number is None else Written(number)


def _decimal(text: str) -> float | None:
    """A number whose decimals may stand behind a comma."""
    if not re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?", text):
        return None
    return float(text.replace(",", "."))


class RatingColumn:
    """Looks at the values of a column, one after the other.

    Args:
        name: of the column, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: Counter[Any] = Counter()  # as they stand, missing ones left out
        self.others = 0  # values beyond DISTINCT different ones

    def add(self, value: Any) -> None:
        """One more value; nothing is counted for one that is missing."""
        if value is None or value != value or (isinstance(value, str) and (not value or value.isspace())):
            return
        if not isinstance(value, str | int | float | Decimal):
            value = str(value)[:60]
        if value in self.values or len(self.values) < DISTINCT:
            self.values[value] += 1
        else:
            self.others += 1

    def readable(self) -> float:
        """Share of the values that are ratings of some scale."""
        total = sum(self.values.values()) + self.others
        read = sum(count for value, count in self.values.items() if read_rating(value) is not None)
        return read / total if total else 0.0

    def form(self, given: Scale | None = None) -> RatingForm:
        """How the values become 1 to 5.

        Args:
            given: the scale, where somebody said so.

        Raises:
            DataError: no scale fits; the message says what was found, and the setting that tells it.
        """
        written = {value: read for value in self.values if (read := read_rating(value)) is not None}
        numbers: Counter[float] = Counter()
        for value, read in written.items():
            if math.isfinite(read.value):
                numbers[read.value] += self.values[value]
        if given is not None:
            return RatingForm(given, zero_is_none=given[0] > 0 and 0 in numbers)
        said: Counter[float] = Counter()
        for value, read in written.items():
            if read.best is not None:
                said[read.best] += self.values[value]
        if not numbers:
            return RatingForm()
        if self.others > OUTLIERS * sum(numbers.values()):
            raise self._unknown(numbers, f"more than {DISTINCT:,} different values")
        if said and sum(said.values()) > 0.5 * sum(numbers.values()):
            return self._of_best(said.most_common(1)[0][0], numbers)
        return self._told(numbers)

    def _of_best(self, best: float, numbers: Counter[float]) -> RatingForm:
        if best == 1:
            return RatingForm(THUMBS)
        return _with_zeros(1.0 if best <= 10 else 0.0, best, numbers)

    def _told(self, numbers: Counter[float]) -> RatingForm:
        """The scale of bare numbers."""
        total = sum(numbers.values())
        low, high = min(numbers), _without_outliers(numbers)
        enough, many = total >= ENOUGH, total >= MANY
        if low < 0:
            if set(numbers) <= {-1.0, 0.0, 1.0}:
                return RatingForm((-1.0, 1.0))
            raise self._unknown(numbers, f"values from {low:g} to {high:g}")
        if enough and high <= 1:
            if set(numbers) == {1.0}:  # whoever did something: no rating at all
                return RatingForm(unrated=frozenset((1.0,)))
            return RatingForm(THUMBS)
        if high <= MAX_RATING:
            if many and high < MAX_RATING and numbers.keys() - {0.0, 1.0}:
                raise self._unknown(numbers, f"values from {low:g} to {high:g}, and never 5")
            return _with_zeros(0.5 if 0.5 in numbers else 1.0, MAX_RATING, numbers)
        if not enough and high not in (10, 100):
            return RatingForm(zero_is_none=0 in numbers)
        if high <= 10:
            if high < 10 and (many or high < 8):
                raise self._unknown(numbers, f"values from {low:g} to {high:g}, and never 10")
            return _with_zeros(0.5 if 0.5 in numbers else 1.0, 10.0, numbers)
        if high == 100:
            return _with_zeros(0.0, 100.0, numbers)
        raise self._unknown(numbers, f"values from {low:g} to {high:g}")

    def _unknown(self, numbers: Mapping[float, int], what: str) -> DataError:
        usual = ", ".join(f"{number:g} ({count:,} times)" for number, count in Counter(numbers).most_common(3))
        return DataError(
            f"the column {self.name!r} has {what}, most often {usual}, which is no scale of ratings that is known; say "
            f"the lowest and the best with data.rating_scale=LOW..HIGH, or read none with data.columns.rating=none"
        )


def _without_outliers(numbers: Counter[float]) -> float:
    """The largest number, when the few beyond a scale on which nearly all are do not count."""
    total, high = sum(numbers.values()), max(numbers)
    for best in (MAX_RATING, 10.0, 100.0):
        beyond = {number: count for number, count in numbers.items() if number > best}
        if sum(beyond.values()) <= OUTLIERS * total:
            return max((number for number in numbers if number not in beyond), default=high)
    return high


def _with_zeros(low: float, high: float, numbers: Counter[float]) -> RatingForm:
    """The scale, where 0 is "not rated" unless it is hardly more frequent than the ratings next to it."""
    zeros = numbers[0.0]
    if not zeros:
        return RatingForm((low, high))
    next_ones = sorted(number for number in numbers if number > 0)[:2]
    beside = max((numbers[number] for number in next_ones), default=0)
    if high <= MAX_RATING and all(number.is_integer() for number in numbers):
        return RatingForm((low, high), zero_is_none=True)  # stars begin at 1
    if zeros > 2 * beside + 2:  # one or two more may be chance
        return RatingForm((low, high), zero_is_none=True)
    return RatingForm((0.0, high))
