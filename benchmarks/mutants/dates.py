"""Mutations of the dates: forms that exports write, and what is left of a moment in each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from benchmarks.mutants.file import MutatedFile
from benchmarks.mutants.table import DAY, moment

_MONTHS = "January February March April May June July August September October November December".split()
_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
_FRENCH = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
_SPANISH = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
EXCEL = 25_569  # day number of 1970-01-01

Form = Callable[[datetime], object]


def _formatted(pattern: str) -> Form:
    return lambda when: when.strftime(pattern)


def _half_day(when: datetime) -> str:
    return f"{when.hour % 12 or 12}:{when:%M:%S} {'AM' if when.hour < 12 else 'PM'}"


_EAST = timezone(timedelta(hours=2))
DAY_FORMS: dict[str, Form] = {
    "2018-09-30": _formatted("%Y-%m-%d"),
    "2018/9/3": lambda when: f"{when.year}/{when.month}/{when.day}",
    "2018.09.30": _formatted("%Y.%m.%d"),
    "30.09.2018": _formatted("%d.%m.%Y"),
    "3.9.2018": lambda when: f"{when.day}.{when.month}.{when.year}",
    "30.09.18": _formatted("%d.%m.%y"),
    "30/09/2018": _formatted("%d/%m/%Y"),
    "30-09-2018": _formatted("%d-%m-%Y"),
    "09/30/2018": _formatted("%m/%d/%Y"),
    "9/3/18": lambda when: f"{when.month}/{when.day}/{when:%y}",
    "09-30-2018": _formatted("%m-%d-%Y"),
    "20180930": _formatted("%Y%m%d"),
    "20180930 as a number": lambda when: int(when.strftime("%Y%m%d")),
    "Sep 30, 2018": lambda when: f"{_MONTHS[when.month - 1][:3]} {when.day}, {when.year}",
    "September 30, 2018": lambda when: f"{_MONTHS[when.month - 1]} {when.day}, {when.year}",
    "Sunday, September 30, 2018": lambda when: f"{when:%A}, {_MONTHS[when.month - 1]} {when.day}, {when.year}",
    "30 Sep 2018": lambda when: f"{when.day} {_MONTHS[when.month - 1][:3]} {when.year}",
    "30-Sep-18": lambda when: f"{when.day}-{_MONTHS[when.month - 1][:3]}-{when:%y}",
    "30th September 2018": lambda when: f"{when.day}{_ending(when.day)} {_MONTHS[when.month - 1]} {when.year}",
    "30. September 2018": lambda when: f"{when.day}. {_GERMAN[when.month - 1]} {when.year}",
    "30 septembre 2018": lambda when: f"{when.day} {_FRENCH[when.month - 1]} {when.year}",
    "30 de septiembre de 2018": lambda when: f"{when.day} de {_SPANISH[when.month - 1]} de {when.year}",
    "09 1, 2016": lambda when: f"{when:%m} {when.day}, {when.year}",
    "2018年9月30日": lambda when: f"{when.year}年{when.month}月{when.day}日",
    "day of Excel": lambda when: int(when.timestamp() // DAY) + EXCEL,
}
SECOND_FORMS: dict[str, Form] = {
    "2018-09-30T13:05:09": _formatted("%Y-%m-%dT%H:%M:%S"),
    "2018-09-30T13:05:09Z": _formatted("%Y-%m-%dT%H:%M:%SZ"),
    "2018-09-30T13:05:09.123Z": _formatted("%Y-%m-%dT%H:%M:%S.123Z"),
    "2018-09-30 13:05:09 UTC": _formatted("%Y-%m-%d %H:%M:%S UTC"),
    "2018-09-30T15:05:09+02:00": lambda when: when.astimezone(_EAST).isoformat(),
    "2018-09-30 15:05:09 +0200": lambda when: when.astimezone(_EAST).strftime("%Y-%m-%d %H:%M:%S %z"),
    "2018-09-30 13:05:09.123456": _formatted("%Y-%m-%d %H:%M:%S.123456"),
    "30.09.2018 13:05:09": _formatted("%d.%m.%Y %H:%M:%S"),
    "30.09.2018, 13:05:09 Uhr": _formatted("%d.%m.%Y, %H:%M:%S Uhr"),
    "9/30/2018 1:05:09 PM": lambda when: f"{when.month}/{when.day}/{when.year} {_half_day(when)}",
    "Sep 30, 2018 1:05:09 PM": lambda when: f"{_MONTHS[when.month - 1][:3]} {when.day}, {when.year} {_half_day(when)}",
    "Sun, 30 Sep 2018 13:05:09 +0000": lambda when: (
        f"{_DAYS[when.weekday()]}, {when:%d} {_MONTHS[when.month - 1][:3]} {when:%Y %H:%M:%S} +0000"
    ),
    "Sun, 30 Sep 2018 13:05:09 GMT": lambda when: (
        f"{_DAYS[when.weekday()]}, {when:%d} {_MONTHS[when.month - 1][:3]} {when:%Y %H:%M:%S} GMT"
    ),
    "Sun Sep 30 13:05:09 UTC 2018": lambda when: (
        f"{_DAYS[when.weekday()]} {_MONTHS[when.month - 1][:3]} {when:%d %H:%M:%S} UTC {when.year}"
    ),
    "Sun Sep 30 2018 13:05:09 GMT+0000 (Coordinated Universal Time)": lambda when: (
        f"{_DAYS[when.weekday()]} {_MONTHS[when.month - 1][:3]} {when:%d %Y %H:%M:%S} GMT+0000 "
        f"(Coordinated Universal Time)"
    ),
    "20180930130509": _formatted("%Y%m%d%H%M%S"),
    "20180930T130509Z": _formatted("%Y%m%dT%H%M%SZ"),
    "2018年9月30日 13:05:09": lambda when: f"{when.year}年{when.month}月{when.day}日 {when:%H:%M:%S}",
    "/Date(milliseconds)/": lambda when: f"/Date({int(when.timestamp())}000)/",
    "seconds": lambda when: int(when.timestamp()),
    "seconds with decimals": lambda when: float(when.timestamp()),
    "milliseconds": lambda when: int(when.timestamp()) * 1000,
    "microseconds": lambda when: int(when.timestamp()) * 1_000_000,
    "nanoseconds": lambda when: int(when.timestamp()) * 1_000_000_000,
    "day of Excel with the time": lambda when: round(when.timestamp() / DAY + EXCEL, 8),
}
# Forms of which a reader may say that it does not know them; never may it read them wrong.
MAY_BE_REFUSED: dict[str, Form] = {
    "2 weeks ago": lambda when: f"{(datetime(2019, 1, 1, tzinfo=UTC) - when).days // 7} weeks ago",
    "Reviewed in the United States on September 30, 2018": lambda when: (
        f"Reviewed in the United States on {_MONTHS[when.month - 1]} {when.day}, {when.year}"
    ),
    "2018-W39": lambda when: "{0}-W{1:02}".format(*when.isocalendar()),
    "30/SEP/18 01.05.09.000000 PM": lambda when: (
        f"{when:%d}/{_MONTHS[when.month - 1][:3].upper()}/{when:%y} {when.hour % 12 or 12:02}.{when:%M.%S}.000000 "
        f"{'AM' if when.hour < 12 else 'PM'}"
    ),
    "2018-09-30 13:05:09 +0000 UTC": _formatted("%Y-%m-%d %H:%M:%S +0000 UTC"),
    "decimal year": lambda when: round(when.year + when.timetuple().tm_yday / 366, 4),
    "Julian day": lambda when: round(when.timestamp() / DAY + 2_440_587.5, 5),
    "day of the year and year": lambda when: f"{when:%j}/{when.year}",
    "30.09.": _formatted("%d.%m."),
    "September 2018": lambda when: f"{_MONTHS[when.month - 1]} {when.year}",
    "2018-09": _formatted("%Y-%m"),
    "201809 as a number": lambda when: int(when.strftime("%Y%m")),
    "seconds since 2000": lambda when: int(when.timestamp()) - 946_684_800,
    "1970-01-01T00:00:00 everywhere": lambda _: "1970-01-01T00:00:00",
    "two zones in words": lambda when: f"{when:%Y-%m-%d %H:%M:%S} Pacific Standard Time",
}


def _ending(day: int) -> str:
    return "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def form_of(name: str, file: MutatedFile) -> None:
    """Write all dates in a form."""
    known = name in DAY_FORMS or name in SECOND_FORMS
    form = DAY_FORMS.get(name) or SECOND_FORMS.get(name) or MAY_BE_REFUSED[name]
    for place, row in enumerate(file.rows):
        written = form(moment(row.seconds))
        precision = "day" if name in DAY_FORMS else "month" if "09" in name and not known and len(name) < 25 else "second"
        file.rows[place] = replace(row.with_written(date=written), precision=precision)
    if not known:
        file.refusals.append(r"date|time|year|\bday")


def in_parts(file: MutatedFile, _: random.Random) -> None:
    """Columns for year, month and day."""
    _replace_date(file, ["year", "month", "day"])
    for place, row in enumerate(file.rows):
        when = moment(row.seconds)
        parts = row.with_written(year=when.year, month=when.month, day=when.day)
        file.rows[place] = replace(parts, precision="day")


def in_day_and_time(file: MutatedFile, generator: random.Random) -> None:
    """A column for the day and one for the time of the day."""
    _replace_date(file, ["date", "time"])
    file.names["date"] = "date"
    pattern = generator.choice(("%Y-%m-%d", "%d.%m.%Y"))
    for place, row in enumerate(file.rows):
        when = moment(row.seconds)
        file.write(place, date=when.strftime(pattern), time=when.strftime("%H:%M:%S"))


def in_two_columns(file: MutatedFile, generator: random.Random) -> None:
    """Seconds in one column and the day in another, as Amazon has them."""
    _replace_date(file, ["unix", "date"])
    file.names["unix"], file.names["date"] = "unixReviewTime", "reviewTime"
    for place, row in enumerate(file.rows):
        when = moment(row.seconds)
        file.write(place, unix=int(when.timestamp()), date=f"{when:%m} {when.day}, {when.year}")


def two_forms(file: MutatedFile, _: random.Random) -> None:
    """A day alone in older rows, a moment in later ones."""
    half = len(file.rows) // 2
    for place, row in enumerate(file.rows):
        if row.number < half:
            file.rows[place] = replace(row.with_written(date=moment(row.seconds).strftime("%Y-%m-%d")), precision="day")


def day_and_month_change(file: MutatedFile, _: random.Random) -> None:
    """d/m/y in older rows, m/d/y in later ones: two exports in one."""
    half = len(file.rows) // 2
    for place, row in enumerate(file.rows):
        written = moment(row.seconds).strftime("%d/%m/%Y" if row.number < half else "%m/%d/%Y")
        file.rows[place] = replace(row.with_written(date=written), precision="day")
    file.refusals.append("day first and dates with the month first|bad date")


def a_count(file: MutatedFile, _: random.Random) -> None:
    """Days since the shop opened: an order, and no dates."""
    file.names["date"] = "day"
    start = min(row.seconds for row in file.rows)
    for place, row in enumerate(file.rows):
        count = (row.seconds - start) // DAY + 1
        file.rows[place] = replace(row.with_written(date=count), seconds=count, precision="order")


def as_dates(file: MutatedFile, generator: random.Random) -> None:
    """Dates with a type of their own, with or without the time."""
    whole = generator.random() < 0.5
    for place, row in enumerate(file.rows):
        when = moment(row.seconds).replace(tzinfo=None)
        value = when.replace(hour=0, minute=0, second=0) if whole else when
        file.rows[place] = replace(row.with_written(date=value), precision="day" if whole else "second")


def few_missing(file: MutatedFile, generator: random.Random) -> None:
    """A few rows without a date."""
    nothing = generator.choice(("", "0000-00-00 00:00:00", "NULL", None))
    for place in generator.sample(range(len(file.rows)), 5):
        file.rows[place] = replace(file.rows[place].with_written(date=nothing), left_out=True)


def few_wrong(file: MutatedFile, generator: random.Random) -> None:
    """A few dates that cannot be."""
    wrong = generator.choice(("2081-02-03 10:00:00", "1917-05-06", "0001-01-01 00:00:00", "2018-02-31", "soon"))
    for place in generator.sample(range(len(file.rows)), 2):
        file.rows[place] = replace(file.rows[place].with_written(date=wrong), left_out=True)


def _replace_date(file: MutatedFile, fields: list[str]) -> None:
    place = file.fields.index("date")
    file.fields[place : place + 1] = fields
    for name in fields:
        file.names.setdefault(name, name)
