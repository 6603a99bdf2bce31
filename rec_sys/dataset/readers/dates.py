"""What one written date means: the forms that exports use, from ISO 8601 to "15 juin 2018", as seconds since 1970 UTC.

Only a form can be read here whose meaning does not depend on its neighbours; which of 06/07/2018 is the day, and what
43266 counts, is told from the whole column, in `date_columns`.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DateOrder = Literal["dmy", "mdy"]

MILLISECONDS = 1e11  # as seconds the year 5138, as milliseconds 1973: a larger number cannot be seconds
LAST_TIMESTAMP = 4_102_444_800  # 2100-01-01
ACCEPTED = (
    "seconds or milliseconds since 1970, 2018-09-30, 2018-09-30 13:05:00 UTC, 30.09.2018, 09/30/2018, 20180930, "
    "Sep 30, 2018, Sun, 30 Sep 2018 13:05:00 +0000, or a day number of Excel"
)

_MONTH_NAMES = (
    "jan january januar janvier enero ene gennaio gen janeiro",
    "feb february februar février fevrier fév fev febrero febbraio fevereiro",
    "mar march märz maerz mrz mär mars marzo março marco",
    "apr april avril avr abril abr aprile",
    "may mai mayo maggio mag maio",
    "jun june juni juin junio giugno giu junho",
    "jul july juli juillet juil julio luglio lug julho",
    "aug august août aout agosto ago",
    "sep sept september septembre septiembre settembre set setembro",
    "oct october oktober okt octobre octubre ottobre ott outubro out",
    "nov november novembre noviembre novembro",
    "dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro",
)
MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_ZONE_HOURS = """
    -10 hst|-9 akst|-8 pst akdt|-7 mst pdt|-6 cst mdt|-5 est cdt|-4 edt|0 z utc gmt wet|1 cet mez bst west
    |2 cest mesz eet|3 eest msk|5.5 ist|9 jst kst|10 aest|11 aedt
"""
ZONES = {  # hours east of Greenwich
    name: float(hours) for part in _ZONE_HOURS.split("|") for hours, *names in (part.split(),) for name in names
}

_TIME = (
    r"(?:(?:T|[ ,]+(?:at |um |à |a las )?|-)\s*(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<half>[aApP]\.?[mM]\.?)?(?:\s*(?:Uhr|h|hrs))?)?\s*(?P<zone>[+-]\d{2}(?::?\d{2})?|[A-Za-z]+(?:/[A-Za-z_/]+)?(?:[+-]\d{2}:?\d{2})?)?"
    r"(?:\s*[\[(][^\])]*[\])])?"
)
_WEEKDAY = r"(?:[^\W\d]{2,10}\.?,?\s+)?"
_MONTH = r"(?P<name>[^\W\d]{3,10})\.?"
_DAY, _DAY_DOT = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_FORMS = [
    re.compile(form + _TIME)
    for form in (
        r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})",
        r"(?P<first>\d{1,2})(?P<sep>[-/.])(?P<second_>\d{1,2})(?P=sep)(?P<year>\d{4}|\d{2})",
        rf"{_WEEKDAY}{_DAY_DOT}[ -](?:de |of )?{_MONTH},?[ -](?:de )?(?P<year>\d{{4}}|\d{{2}})",
        rf"{_WEEKDAY}{_MONTH}[ -]{_DAY},?[ -](?P<year>\d{{4}})",
        r"(?P<month>\d{1,2}) (?P<day>\d{1,2}), (?P<year>\d{4})",  # "09 1, 2016" of Amazon
        r"(?P<year>\d{4})年\s*(?P<month>\d{1,2})月\s*(?P<day>\d{1,2})日",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    )
]
# "Fri Jun 15 23:04:00 UTC 2018", as C and Java write it
_C_TIME = re.compile(
    rf"[^\W\d]{{2,4}}\s+{_MONTH}\s+(?P<day>\d{{1,2}})\s+(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}}):(?P<second>\d{{2}})\s+"
    r"(?:(?P<zone>[A-Z]+|[+-]\d{4})\s+)?(?P<year>\d{4})"
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})[T ]?"
    r"(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})\s*(?P<zone>Z)?"
)
_NET = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")  # milliseconds, as .NET writes them
_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE]\+?(\d{1,3})")
NUMERIC = _FORMS[1]  # day and month both as numbers, before the year


def read_number(value: Any) -> float | None:
    """A number or text of one; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, str) and (short := _SCIENTIFIC.fullmatch(value.strip())):
        decimals, exponent = max(len(short[1] or "") - 1, 0), int(short[2])
        if decimals < (exponent if exponent < 16 else 6):
            return None  # a spreadsheet has kept the first digits only
    return number


def read_date(value: Any, order: DateOrder | None = None) -> int | None:
    """Seconds since 1970 UTC of one value on its own; dates without a time zone are UTC.

    Args:
        value: seconds, milliseconds (told by their size), a text in one of the forms, or a datetime.
        order: which of two numbers before a year is the day; None: only where one is above 12 or dots stand between.

    Returns:
        None where it is no date between 1970 and 2100, or may be two.
    """
    if isinstance(value, str):
        return _of_text(value.replace("\0", "").strip(), order)
    if isinstance(value, datetime):
        return _checked((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, date):
        return _checked(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    number = read_number(value)
    if number is None or not math.isfinite(number):
        return None
    while number > MILLISECONDS:  # milli-, micro- or nanoseconds
        number /= 1000
    return _checked(number)


def of_parts(year: int, month: int, day: int, seconds: float = 0) -> int | None:
    """Seconds since 1970 of a day and a time in it; None where there is no such day."""
    try:
        start = datetime(year, month, day, tzinfo=UTC)
        return _checked(start.timestamp() + seconds)
    except (ValueError, OverflowError):
        return None


def _checked(seconds: float) -> int | None:
    return math.floor(seconds) if 0 <= seconds < LAST_TIMESTAMP else None


@lru_cache(maxsize=65_536)
def _of_text(text: str, order: DateOrder | None) -> int | None:
    number = read_number(text)
    if number is not None:
        compact = _COMPACT.fullmatch(text)
        return _of_match(compact, order) if compact and len(text) == 14 else read_date(number)
    if len(text) > 80:
        return None
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        pass
    else:
        return read_date(found) if "W" not in text else None
    for form in (*_FORMS, _C_TIME, _COMPACT):
        match = form.fullmatch(text)
        if match and (seconds := _of_match(match, order)) is not None:
            return seconds
    if net := _NET.fullmatch(text):
        return _checked(int(net[1]) / 1000)
    return None


def _of_match(match: re.Match[str], order: DateOrder | None) -> int | None:
    parts = match.groupdict()
    year = int(parts["year"])
    if year < 100:
        year += 2000 if year < 70 else 1900
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second_"])
        if order is None:
            order = "dmy" if first > 12 or parts["sep"] == "." else "mdy" if second > 12 else None
        if order is None:
            return None
        day, month = (first, second) if order == "dmy" else (second, first)
    else:
        day = int(parts["day"])
        month = int(parts["month"]) if parts.get("month") else MONTHS.get((parts.get("name") or "").lower(), 0)
    try:
        zone = _zone(parts.get("zone") or "")
        when = datetime(year, month, day, *_time_of_day(parts), tzinfo=zone)
        return _checked(when.timestamp())
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        return None


def _time_of_day(parts: dict[str, str | None]) -> tuple[int, int, int]:
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    half = (parts.get("half") or "").lower().replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return hour, minute, second


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    """The zone of a name, an offset, or both ("GMT+0200").

    Raises:
        ValueError: there is none.
        ZoneInfoNotFoundError: likewise.
    """
    if not name:
        return UTC
    if offset := re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})?", name, re.IGNORECASE):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    if name.lower() in ZONES:
        return timezone(timedelta(hours=ZONES[name.lower()]))
    if "/" in name:
        return ZoneInfo(name)
    raise ValueError(f"no zone {name}")
