"""Mutations of the ratings: scales, and ways of writing them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from benchmarks.mutants.file import MutatedFile

Rating = tuple[object, float | None]  # as written, and what it is on 1 to 5
Way = Callable[[float, random.Random], Rating]

_WORDS = ("one", "two", "three", "four", "five")


def _half(stars: float, generator: random.Random) -> float:
    """Stars with halves between them."""
    return max(1.0, stars - generator.choice((0, 0.5)))


def _whole(best: int, low: int = 1) -> Way:
    def way(stars: float, generator: random.Random) -> Rating:
        value = round(low + (stars - 1) * (best - low) / 4) - generator.choice((0, 0, 1)) * (stars > 1)
        return value, 1 + (value - low) * 4 / (best - low)

    return way


def _written(pattern: str) -> Way:
    return lambda stars, _: (pattern.format(stars, int(stars)), stars)


def _half_from_half(stars: float, generator: random.Random) -> Rating:
    value = stars - generator.choice((0, 0.5))
    return value, 1 + (value - 0.5) * 4 / 4.5


def _halves(separator: str) -> Way:
    def way(stars: float, generator: random.Random) -> Rating:
        value = _half(stars, generator)
        return f"{value:.1f}".replace(".", separator), value

    return way


def _of_ten_or_none(stars: float, generator: random.Random) -> Rating:
    value, meaning = _whole(10)(stars, generator)
    return (0, None) if generator.random() < 0.4 else (value, meaning)


def _of_five_or_none(stars: float, generator: random.Random) -> Rating:
    return (0, None) if generator.random() < 0.1 else (int(stars), stars)


def _thumb(up: object, down: object) -> Way:
    return lambda stars, _: (up, 5.0) if stars >= 3 else (down, 1.0)


def _percent(pattern: str | None) -> Way:
    def way(stars: float, generator: random.Random) -> Rating:
        value = min(100, generator.randrange(int(stars) * 20 - 20, int(stars) * 20 + 5))
        return (value if pattern is None else pattern.format(value)), 1 + value * 4 / 100

    return way


def _above_null(stars: float, generator: random.Random) -> Rating:
    value = {1.0: -1, 2.0: -1, 3.0: 0}.get(stars, 1)
    return value, 3.0 + 2 * value


WAYS: dict[str, Way] = {
    "5.0": lambda stars, _: (stars, stars),
    "5.00 as text": lambda stars, _: (f"{stars:.2f}", stars),
    "halves from 1": lambda stars, generator: (value := _half(stars, generator), value),
    "halves from .5": _half_from_half,
    "4,5": _halves(","),
    "1 to 10": _whole(10),
    "0 to 10, 0: none": _of_ten_or_none,
    "0 to 5, 0: none": _of_five_or_none,
    "0 to 100": _percent(None),
    "80%": _percent("{}%"),
    "4/5": _written("{1}/5"),
    "4.0/5.0": _written("{0:.1f}/5"),
    "5.0 out of 5": _written("{0:.1f} out of 5"),
    "5.0 out of 5 stars": _written("{0:.1f} out of 5 stars"),
    "4,0 von 5 Sternen": lambda stars, _: (f"{stars:.1f} von 5 Sternen".replace(".", ","), stars),
    "4 stars": _written("{1} stars"),
    "five": lambda stars, _: (_WORDS[int(stars) - 1], stars),
    "drawn": lambda stars, _: ("★" * int(stars) + "☆" * (5 - int(stars)), stars),
    "8/10": lambda stars, generator: (lambda value, meaning: (f"{value}/10", meaning))(*_whole(10)(stars, generator)),
    "thumbs, true and false": _thumb(True, False),
    "thumbs, 1 and 0": _thumb(1, 0),
    "thumbs, up and down": _thumb("up", "down"),
    "thumbs, Yes and No": _thumb("Yes", "No"),
    "thumbs, Recommended": _thumb("Recommended", "Not Recommended"),
    "-1, 0, 1": _above_null,
    "with blanks": _written("  {1} "),
}
MAY_BE_REFUSED: dict[str, Way] = {
    "1 to 7": _whole(7),
    "0 to 4": lambda stars, _: (int(stars) - 1, stars),
    "1 to 20": _whole(20),
    "0 to 1000": lambda stars, generator: (
        value := int(stars * 200) - generator.randrange(0, 50) * (stars < 5),
        1 + value * 4 / 1000,
    ),
    "ranks of 1 to 4": lambda stars, _: (min(int(stars), 4), 1 + (min(stars, 4) - 1) * 4 / 3),
}  # fmt: skip


def way_of(name: str, file: MutatedFile, generator: random.Random) -> None:
    """Write all ratings in a way."""
    known = name in WAYS
    way = WAYS.get(name) or MAY_BE_REFUSED[name]
    for place, row in enumerate(file.rows):
        written, meaning = way(row.stars or 1.0, generator)
        file.rows[place] = replace(row.with_written(rating=written), stars=meaning)
    if not known:
        file.refusals.append("scale")


def few_missing(file: MutatedFile, generator: random.Random) -> None:
    """A few rows without a rating: kept without one, or left out."""
    nothing = generator.choice(("", None, "null", "NaN", "N/A", "-"))
    file.refusals.append("rating is not a number")  # where so many are too many
    for place in generator.sample(range(len(file.rows)), 8):
        file.rows[place] = replace(
            file.rows[place].with_written(rating=nothing), stars=None, may_be_left_out=True
        )


def few_beyond(file: MutatedFile, generator: random.Random) -> None:
    """A few ratings that the scale does not have."""
    beyond = generator.choice((6, 55, -1, "x", "great"))
    for place in generator.sample(range(len(file.rows)), 1 if beyond != 6 else 2):
        file.rows[place] = replace(file.rows[place].with_written(rating=beyond), left_out=True)
    if beyond == -1:
        file.refusals.append(r"scale")


def many_beyond(file: MutatedFile, generator: random.Random) -> None:
    """A tenth of the ratings in another scale: two exports in one."""
    for place in generator.sample(range(len(file.rows)), len(file.rows) // 3):
        row = file.rows[place]
        file.rows[place] = replace(row.with_written(rating=int((row.stars or 1) * 20)), left_out=True)
    file.refusals.append("scale|rating out of range")


def few_of_another_scale(file: MutatedFile, generator: random.Random) -> None:
    """A few ratings of ten or of a hundred among stars."""
    factor = generator.choice((2, 20))
    for place in generator.sample(range(len(file.rows)), generator.choice((5, 9, 20))):
        row = file.rows[place]
        file.rows[place] = replace(row.with_written(rating=5 * factor), left_out=True)
    file.refusals.append("scale|rating out of range")


def letters(file: MutatedFile, _: random.Random) -> None:
    """Grades in letters, which are no ratings."""
    for place, row in enumerate(file.rows):
        file.rows[place] = replace(row.with_written(rating="FEDCBA"[int(row.stars or 1)]), stars=None)
    file.refusals.append("rating")
    file.warning = "'A'|'B'|no ratings"
