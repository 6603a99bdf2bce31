"""One row of a raw file, before anything is known about what its fields mean."""

from __future__ import annotations

from typing import Any, NamedTuple

MAX_ROW = 1 << 24  # bytes or characters of a line; longer ones are broken, so memory stays bounded
SHOWN = 120  # characters of a broken line that are shown


class Row(NamedTuple):
    """A row, or why it could not be read."""

    line: int  # 1-based physical line where it begins; of Parquet and JSON documents the place of the row
    fields: dict[str, Any] | str  # by name; or what is wrong with the row
    lines: int = 1  # physical lines it takes


def start_of(line: bytes | str) -> str:
    """The start of a broken line, for showing it."""
    text = line[: 4 * SHOWN].decode("utf-8", "replace") if isinstance(line, bytes) else line[: 4 * SHOWN]
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
