"""One value of a row as text, whatever type it came in."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any

import orjson

MAX_EXACT = 2.0**53  # whole numbers beyond are not exact as floats


def value_text(value: Any) -> str | None:
    """The text of a value, None where there is none: times in ISO 8601, whole numbers without a point."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < MAX_EXACT else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return orjson.dumps(value, default=str).decode() if isinstance(value, list | dict) else str(value)
