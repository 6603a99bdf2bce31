"""Mutations of dates and ratings: the same values written in another way, or on another scale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

from benchmarks.mutants_table import DAY, Draft

FRENCH = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
GERMAN = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]
EXCEL_EPOCH = 25_569


def _day(form: str) -> Callable[[datetime], str]:
    return lambda when: when.strftime(form)


def _zoned(when: datetime, hours: float) -> datetime:
    return when.astimezone(timezone(timedelta(hours=hours)))


# Forms that hold the second, and such as hold the day.
EXACT: dict[str, Callable[[datetime], Any]] = {
    "seconds": lambda when: int(when.timestamp()),
    "seconds as floats": lambda when: when.timestamp(),
    "milliseconds": lambda when: int(when.timestamp()) * 1_000,
    "microseconds": lambda when: int(when.timestamp()) * 1_000_000,
    "nanoseconds": lambda when: int(when.timestamp()) * 1_000_000_000,
    "ISO, Z": _day("%Y-%m-%dT%H:%M:%SZ"),
    "ISO, blank": _day("%Y-%m-%d %H:%M:%S"),
    "ISO, parts of a second": _day("%Y-%m-%dT%H:%M:%S.250Z"),
    "ISO, zone": lambda when: _zoned(when, 5.5).isoformat(),
    "ISO, UTC": _day("%Y-%m-%d %H:%M:%S UTC"),
    "ISO, zone without colon": lambda when: _zoned(when, -8).strftime("%Y-%m-%dT%H:%M:%S%z"),
    "RFC 2822": format_datetime,
    "RFC 2822, zone": lambda when: format_datetime(_zoned(when, 2)),
    "C time": _day("%a %b %d %H:%M:%S UTC %Y"),
    "compact": _day("%Y%m%d%H%M%S"),
    "compact with T": _day("%Y%m%dT%H%M%SZ"),
    "d.m.y, time": _day("%d.%m.%Y %H:%M:%S"),
    "m/d/y, half days": _day("%m/%d/%Y %I:%M:%S %p"),
    ".NET": lambda when: f"/Date({int(when.timestamp()) * 1000})/",
}
DAYS: dict[str, Callable[[datetime], Any]] = {
    "ISO day": _day("%Y-%m-%d"),
    "y/m/d": _day("%Y/%m/%d"),
    "d.m.y": _day("%d.%m.%Y"),
    "d/m/y": _day("%d/%m/%Y"),
    "d-m-y": _day("%d-%m-%Y"),
    "m/d/y": _day("%m/%d/%Y"),
    "m/d/y without zeros": lambda when: f"{when.month}/{when.day}/{when.year}",
    "d.m.yy": _day("%d.%m.%y"),
    "m/d/yy": _day("%m/%d/%y"),
    "YYYYMMDD": lambda when: int(when.strftime("%Y%m%d")),
    "YYYYMMDD as text": _day("%Y%m%d"),
    "YYYYMMDD as floats": lambda when: float(when.strftime("%Y%m%d")),
    "Excel days": lambda when: int(when.timestamp()) // DAY + EXCEL_EPOCH,
    "Excel days with a part": lambda when: round(when.timestamp() / DAY + EXCEL_EPOCH, 5),
    "English": _day("%B %d, %Y"),
    "English, short": _day("%d %b %Y"),
    "English, month first": _day("%b %d, %Y"),
    "English, dashes": _day("%d-%b-%Y"),
    "Amazon": lambda when: f"{when.month:02d} {when.day}, {when.year}",
    "French": lambda when: f"{when.day} {FRENCH[when.month - 1]} {when.year}",
    "German": lambda when: f"{when.day}. {GERMAN[when.month - 1]} {when.year}",
    "Chinese": lambda when: f"{when.year}年{when.month}月{when.day}日",
}
NO_DATES: dict[str, Callable[[datetime], Any]] = {  # of which the day cannot be told
    "weeks": lambda when: when.strftime("%G-W%V"),
    "days of weeks": lambda when: when.strftime("%G-W%V-%u"),
    "months": _day("%Y-%m"),
    "months in words": _day("%B %Y"),
    "quarters": lambda when: f"Q{(when.month + 2) // 3} {when.year}",
    "ages": lambda when: f"{max((datetime(2019, 12, 1, tzinfo=UTC) - when).days // 30, 1)} months ago",
    "milliseconds that lost digits": lambda when: f"{when.timestamp() * 1000:.2E}",
    "seconds that lost digits": lambda when: f"{when.timestamp():.3E}",
    "milliseconds that lost digits, comma": lambda when: f"{when.timestamp() * 1000:.2E}".replace(".", ","),
    "times of day": _day("%H:%M"),
    "minutes of an hour": _day("%M:%S.0"),
    "cells too narrow": lambda _: "########",
    "words": lambda _: "yesterday",
}
ABOUT_DATES = "time|date|day|month|order"


def mutate_dates(draft: Draft, which: str | None = None) -> str:
    """Write the dates in another way."""
    kinds = (*EXACT, *DAYS, *NO_DATES, "days up to 12, d/m/y", "days up to 12, m/d/y", "three columns", "two columns")
    which = which or draft.rng.choice((*kinds, "days since a start", "both orders", "some in another form"))
    when = [datetime.fromtimestamp(row["time"], UTC) for row in draft.rows]
    if which in EXACT:
        _written(draft, [EXACT[which](each) for each in when], "exact")
    elif which in DAYS:
        _written(draft, [DAYS[which](each) for each in when], "day")
    elif which in NO_DATES:
        _written(draft, [NO_DATES[which](each) for each in when], "none")
        draft.refusals.append(ABOUT_DATES)
    elif which.startswith("days up to 12"):
        early = [each.replace(day=(each.day - 1) % 12 + 1) for each in when]
        for place, each in enumerate(early):
            draft.change(place, {"time": int(each.timestamp())}, time=int(each.timestamp()))
        in_order = sorted(range(len(early)), key=lambda place: early[place])
        draft.arrange(in_order)
        form = "%d/%m/%Y" if which.endswith("d/m/y") else "%m/%d/%Y"
        _written(draft, [early[place].strftime(form) for place in in_order], "day")
        draft.refusals.append("date_order")
    elif which == "both orders":
        forms = [draft.rng.choice(("%d/%m/%Y", "%m/%d/%Y")) for _ in when]
        _written(draft, [each.strftime(form) for each, form in zip(when, forms, strict=True)], "none")
        draft.refusals.append("day first|date_order|bad date")
    elif which == "three columns":
        for place, each in enumerate(when):
            row = {key: value for key, value in draft.rows[place].items() if key != "time"}
            draft.rows[place] = {**row, "year": each.year, "month": each.month, "day": each.day}
        draft.times = "day"
    elif which == "two columns":
        for place, each in enumerate(when):
            draft.change(place, {"time": f"{each:%Y-%m-%d}", "clock": f"{each:%H:%M:%S}"})
        draft.names |= {"time": "date", "clock": "time"}
    elif which == "days since a start":
        start = when[0].timestamp() // DAY
        for place, each in enumerate(when):
            count = int(each.timestamp() // DAY - start) + 1
            draft.change(place, {"time": count}, time=count)
        draft.times = "order"
        draft.refusals.append(ABOUT_DATES)
    else:
        _written(draft, [EXACT["ISO, blank"](each) for each in when], "day")
        kind = draft.rng.choice([kind for kind in DAYS if "Excel" not in kind])
        for place in draft.rng.sample(range(len(when)), draft.rng.randint(1, len(when) // 2)):
            draft.rows[place]["time"] = DAYS[kind](when[place])
            draft.change(place, {}, may_be_left_out=True)
        which += f": {kind}"
        draft.refusals.append(ABOUT_DATES)
    return which


def _written(draft: Draft, values: list[Any], times: str) -> None:
    for place, value in enumerate(values):
        draft.change(place, {"time": value})
    draft.times = times


# By scale: the values of a file, from the worst to the best, how they are written, and the stars they are.
STARS = (1.0, 2.0, 3.0, 4.0, 5.0)


def _scale(low: float, high: float, step: float = 1) -> list[tuple[float, float]]:
    count = round((high - low) / step) + 1
    return [(low + place * step, 1 + place * step * 4 / (high - low)) for place in range(count)]


_WORDS = ["one", "two", "three", "four", "five"]
_HALVES = _scale(1, 5, 0.5)
SCALES: dict[str, list[tuple[Any, float | None]]] = {
    "stars as floats": [(stars, stars) for stars in STARS],
    "stars as text": [(f"{stars:g}", stars) for stars in STARS],
    "half stars from 1": list(_HALVES),
    "half stars from .5": list(_scale(0.5, 5, 0.5)),
    "decimal comma": [(f"{value:.1f}".replace(".", ","), stars) for value, stars in _HALVES],
    "1 to 10": list(_scale(1, 10)),
    "0 to 10": list(_scale(0, 10)),
    "percent": [(f"{value:g}%", stars) for value, stars in _scale(0, 100, 10)],
    "0 to 100": list(_scale(0, 100, 5)),
    "of 5": [(f"{stars:g}/5", stars) for stars in STARS],
    "of 5, blanks": [(f"{stars:g} / 5", stars) for stars in STARS],
    "out of 5 stars": [(f"{stars:.1f} out of 5 stars", stars) for stars in STARS],
    "out of 5": [(f"{stars:.1f} out of 5", stars) for stars in STARS],
    "von 5": [(f"{stars:g} von 5".replace(".", ","), stars) for stars in STARS],
    "of 10": [(f"{value:g}/10", stars) for value, stars in _scale(1, 10)],
    "with a word": [(f"{stars:g} stars", stars) for stars in STARS],
    "drawn": [("★" * int(stars) + "☆" * (5 - int(stars)), stars) for stars in STARS],
    "words": list(zip(_WORDS, STARS, strict=True)),
    "true and false": [(False, 1.0), (True, 5.0)],
    "TRUE and FALSE": [("FALSE", 1.0), ("TRUE", 5.0)],
    "up and down": [("down", 1.0), ("up", 5.0)],
    "yes and no": [("no", 1.0), ("yes", 5.0)],
    "0 and 1": [(0, 1.0), (1, 5.0)],
    "-1 and 1": [(-1, 1.0), (1, 5.0)],
    "0 to 1": list(_scale(0, 1, 0.1)),
}
ODD_SCALES: dict[str, list[tuple[Any, float | None]]] = {  # nobody can tell what they mean
    "1 to 7": list(_scale(1, 7)),
    "1 to 4": list(_scale(1, 4)),
    "1 to 3": list(_scale(1, 3)),
    "0 to 4": list(_scale(0, 4)),
    "0 to 3": list(_scale(0, 3)),
    "1 to 20": list(_scale(1, 20)),
    "0 to 1000": list(_scale(0, 1000, 50)),
    "-5 to 5": list(_scale(-5, 5)),
    "-2 to 2": list(_scale(-2, 2)),
    "letters": [(letter, None) for letter in "FEDCBA"],
    "moods": [("bad", None), ("so so", None), ("great", None)],
    "averages": [(round(1 + place * 0.01937, 5), 1 + round(place * 0.01937, 5)) for place in range(200)],
}
ABOUT_RATINGS = "rating"


def mutate_ratings(draft: Draft, which: str | None = None) -> str:
    """Write the ratings in another way, or on another scale."""
    more = ("0 to 10, 0 is none", "0 to 5, 0 is none", "some empty", "some words", "some out of range", "all empty")
    which = which or draft.rng.choice((*SCALES, *ODD_SCALES, *more))
    if which in SCALES or which in ODD_SCALES:
        values = SCALES.get(which) or ODD_SCALES[which]
        weights = [1 + place for place in range(len(values))]
        for place in range(len(draft.rows)):
            # The ends of a scale come first, so that they are there.
            ends = {0: values[0], 1: values[-1]}
            raw, stars = ends.get(place) or draft.rng.choices(values, weights)[0]
            draft.change(place, {"rating": raw}, rating=stars)
        if which in ODD_SCALES:
            draft.refusals.append(ABOUT_RATINGS)
            draft.unrated.append("holds no ratings")
    elif which.endswith("0 is none"):
        ten = "10" in which
        rated = _scale(1, 10) if ten else [(stars, stars) for stars in STARS]
        for place in range(len(draft.rows)):
            none = draft.rng.random() < 0.6
            raw, stars = (0, None) if none else draft.rng.choice(rated)
            draft.change(place, {"rating": int(raw)}, rating=stars)
    elif which == "all empty":
        for place in range(len(draft.rows)):
            draft.change(place, {"rating": ""}, rating=None)
        draft.refusals.append(ABOUT_RATINGS)
    else:
        written = {"some empty": "", "some words": "n/a", "some out of range": 11}[which]
        draft.refusals.append(ABOUT_RATINGS)
        for place in draft.rng.sample(range(2, len(draft.rows)), 8):
            draft.change(place, {"rating": written}, rating=None, may_be_left_out=True)
    return which
