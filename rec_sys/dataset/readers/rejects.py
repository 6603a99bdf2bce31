"""Raw rows that are left out: counted by reason and written down, so that nothing is lost silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

MAX_SHOWN = 500  # characters of a row in the file of rejects


class Reason(StrEnum):
    """Why a row is left out."""

    BROKEN = "broken line"
    NO_USER = "no user"
    NO_PRODUCT = "no product"
    RATING_NOT_A_NUMBER = "rating is not a number"
    RATING_OUT_OF_RANGE = "rating out of range"
    NO_DATE = "no date"
    BAD_DATE = "bad date"
    BAD_ORDER = "place in the order is not a whole number"
    NO_ID = "number without an id"
    REPEATED = "repeated review"


class Rejects:
    """Writes {"line", "reason", "row"} as JSON lines.

    Args:
        path: the file to write; a context manager closes it.
    """

    def __init__(self, path: Path) -> None:
        self.counts: Counter[Reason] = Counter()
        self.first = ""  # the first reject in words
        self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, line: int, reason: Reason, row: Mapping[str, Any] | str) -> None:
        """Count and write one row.

        Args:
            line: 1-based line of the raw file.
            reason: why it is left out.
            row: the fields that tell which row it is, or what is wrong with a broken line.
        """
        self.counts[reason] += 1
        shown: dict[str, str | None] | str
        if isinstance(row, str):
            shown = row[:MAX_SHOWN]
        else:
            each = MAX_SHOWN // max(len(row), 1)
            shown = {name: None if value is None else str(value)[:each] for name, value in row.items()}
        if not self.first:
            self.first = f"line {line:,}: {reason}" + (f", {row[:200]}" if isinstance(row, str) else "")
        self._file.write(orjson.dumps({"line": line, "reason": reason, "row": shown}) + b"\n")
