"""Raw rows that are left out: counted by reason and written down, so that nothing is lost silently."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from rec_sys.dataset.readers.dates import read_number

MAX_SHOWN = 500  # characters of a row in the file of rejects
EXAMPLES = 3  # of each reason that are shown
KINDS = 50  # kinds of values of each reason that are told apart
MAX_VALUE = 60  # characters of a value that is shown


class Reason(StrEnum):
    """Why a row is left out."""

    BROKEN = "broken line"
    NO_USER = "no user"
    NO_PRODUCT = "no product"
    LOST_LETTERS = "id with letters that were lost"
    LOST_DIGITS = "id with digits that were lost"
    RATING_NOT_A_NUMBER = "rating is not a number"
    RATING_OUT_OF_RANGE = "rating out of range"
    NO_DATE = "no date"
    BAD_DATE = "bad date"
    IMPLAUSIBLE_DATE = "implausible date"
    BAD_ORDER = "place in the order is not a whole number"
    NO_ID = "number without an id"
    REPEATED = "repeated review"
    REPEATED_EVENT = "repeated event"
    UNKNOWN_KIND = "unknown kind of event"
    KIND_LEFT_OUT = "kind of event that is left out"
    NOBODY = "name that stands for many users"
    BAD_QUANTITY = "quantity is not a number above 0"
    NOT_A_PRODUCT = "no product: postage, fees and the like"
    NO_PRICE = "price is not above 0: gifts and adjustments"


ON_PURPOSE = frozenset(  # what is left out because it is no review or sale, and no fault of the file
    (
        *(Reason.REPEATED, Reason.REPEATED_EVENT, Reason.KIND_LEFT_OUT, Reason.NOBODY),
        *(Reason.NOT_A_PRODUCT, Reason.NO_PRICE),
    )
)


class Rejects:
    """Writes {"line", "reason", "row"} as JSON lines.

    Args:
        path: the file to write; a context manager closes it.
        limit: rows of one reason that are written; more are counted.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.path, self.limit = path, limit
        self.counts: Counter[Reason] = Counter()
        self.examples: defaultdict[Reason, list[tuple[int, str]]] = defaultdict(list)  # line and value
        self._kinds: defaultdict[Reason, Counter[str]] = defaultdict(Counter)
        self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def first(self) -> str:
        """The first reject in words; "" where there is none."""
        found = [(line, reason, value) for reason, examples in self.examples.items() for line, value in examples[:1]]
        if not found:
            return ""
        line, reason, value = min(found)
        return f"line {line:,}: {reason}, {value}" if value else f"line {line:,}: {reason}"

    def add(self, line: int, reason: Reason, row: Mapping[str, Any] | str, value: Any = None) -> None:
        """Count and write one row.

        Args:
            line: 1-based line of the raw file.
            reason: why it is left out.
            row: the fields that tell which row it is, or what is wrong with a broken line.
            value: that is at fault, if it is one.
        """
        self.counts[reason] += 1
        if self.limit is not None and self.counts[reason] > self.limit:
            self._kinds_of(reason, value, "")
            return
        shown: dict[str, str | None] | str
        if isinstance(row, str):
            shown = row[:MAX_SHOWN]
            told = row[:200]
        else:
            each = MAX_SHOWN // max(len(row), 1)
            shown = {name: None if its is None else str(its)[:each] for name, its in row.items()}
            told = "" if value is None else repr(value if not isinstance(value, str) else value[:MAX_VALUE])[:MAX_VALUE]
        if len(self.examples[reason]) < EXAMPLES:
            self.examples[reason].append((line, told))
        self._kinds_of(reason, value, told)
        self._file.write(orjson.dumps({"line": line, "reason": reason, "row": shown}) + b"\n")

    def _kinds_of(self, reason: Reason, value: Any, told: str) -> None:
        kinds = self._kinds[reason]
        kind = _kind(reason, value, told)
        if kind in kinds or len(kinds) < KINDS:
            kinds[kind] += 1

    @property
    def by_kind(self) -> dict[str, int]:
        """The counts by reason, the most frequent first; unknown kinds of events each by its name."""
        found: Counter[str] = Counter()
        for reason, count in self.counts.items():
            if reason != Reason.UNKNOWN_KIND:
                found[str(reason)] = count
                continue
            found |= Counter({f"{reason}: {name!r}": rows for name, rows in self._kinds[reason].items()})
            if (others := count - sum(self._kinds[reason].values())) > 0:
                found[f"{reason}: others"] = others
        return dict(found.most_common())

    def one_kind(self, reason: Reason) -> str:
        """What the values of all rows of a reason have in common; "" where they differ, or cannot be compared."""
        kinds = self._kinds[reason]
        return next(iter(kinds)) if len(kinds) == 1 else ""


def _kind(reason: Reason, value: Any, told: str) -> str:
    """What kind of value is at fault: the side it lies on, or its looks."""
    if reason == Reason.RATING_OUT_OF_RANGE:
        number = read_number(value)
        return "too high" if number is not None and number > 1 else "too low"
    if reason == Reason.BROKEN:
        return re.sub(r"\d+", "9", told.partition(":")[0])
    if reason == Reason.UNKNOWN_KIND:
        return str(value)[:MAX_VALUE]
    if reason in (Reason.BAD_DATE, Reason.RATING_NOT_A_NUMBER) and value is not None:
        looks = re.sub(r"[^\W\d]+", "a", re.sub(r"\d", "9", str(value)[:MAX_VALUE]))
        return f"written like {looks!r}"
    return ""
