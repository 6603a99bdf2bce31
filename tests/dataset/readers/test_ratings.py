import math
from collections.abc import Mapping
from typing import Any

import pytest

from rec_sys.dataset.readers.ratings import RatingColumn, from_stars, read_rating, read_scale, to_stars
from rec_sys.errors import ConfigError, DataError


def column(counts: Mapping[Any, int]) -> RatingColumn:
    found = RatingColumn("stars")
    for value, count in counts.items():
        for _ in range(count):
            found.add(value)
    return found


@pytest.mark.parametrize(
    ("value", "number", "best"),
    [
        (4, 4.0, None),
        ("4", 4.0, None),
        (" 4.5 ", 4.5, None),
        ("4,5", 4.5, None),
        ("-1", -1.0, None),
        ("4/5", 4.0, 5.0),
        ("4,5 / 5", 4.5, 5.0),
        ("8/10", 8.0, 10.0),
        ("5.0 out of 5", 5.0, 5.0),
        ("5.0 out of 5 stars", 5.0, 5.0),
        ("4 von 5 Sternen", 4.0, 5.0),
        ("80%", 80.0, 100.0),
        ("4 stars", 4.0, None),
        ("1 star", 1.0, None),
        ("★★★☆☆", 3.0, 5.0),
        ("★★★", 3.0, 5.0),
        ("five", 5.0, 5.0),
        (True, 1.0, 1.0),
        ("FALSE", 0.0, 1.0),
        ("thumbs up", 1.0, 1.0),
        ("👎", 0.0, 1.0),
        ("not recommended", 0.0, 1.0),
    ],
)
def test_ways_to_write_a_rating(value: Any, number: float, best: float | None) -> None:
    assert read_rating(value) == (number, best)


@pytest.mark.parametrize("value", ["", "good", "4.5.6", "1,000,000", "A", None, [4], "4 of", "9" * 61, "2018-01-01"])
def test_what_is_no_rating(value: Any) -> None:
    assert read_rating(value) is None


@pytest.mark.parametrize(
    ("counts", "scale", "zero_is_none"),
    [
        ({1: 10, 5: 10}, (1, 5), False),
        ({1: 1, 4: 98}, (1, 5), False),  # 99 ratings: nobody may have given the best by chance
        ({0.5: 3, 5: 20}, (0.5, 5), False),
        ({0: 9, 1: 5, 5: 20}, (1, 5), True),
        ({1: 10, 10: 10}, (1, 10), False),
        ({0: 60, 1: 3, 2: 5, 10: 20}, (1, 10), True),
        ({0: 12, 1: 3, 2: 5, 10: 20}, (0, 10), False),
        ({0: 13, 1: 3, 2: 5, 10: 20}, (1, 10), True),
        ({0: 3, 5: 1, 100: 30}, (0, 100), False),  # three zeros may be chance
        ({50: 10, 100: 10}, (0, 100), False),
        ({0: 10, 1: 10}, (0, 1), False),
        ({-1: 10, 1: 10}, (-1, 1), False),
        ({"4/5": 10, "5/5": 10}, (1, 5), False),
        ({"8/10": 10, "10/10": 10}, (1, 10), False),
        ({"80%": 10, "95%": 10}, (0, 100), False),
        ({"true": 10, "false": 10}, (0, 1), False),
        ({5: 200, 9: 2}, (1, 5), False),  # one in a hundred is a fault of the file
        ({}, (1, 5), False),
    ],
)
def test_scales(counts: dict[Any, int], scale: tuple[float, float], zero_is_none: bool) -> None:
    form = column(counts).form()
    assert (form.scale, form.zero_is_none) == (scale, zero_is_none)


@pytest.mark.parametrize(
    "counts",
    [
        {1: 1, 4: 99},
        {1: 50, 2: 50, 3: 50},
        {0: 50, 4: 50},
        {1: 10, 7: 20},
        {1: 100, 9: 20},
        {1: 10, 20: 20},
        {-5: 10, 5: 10},
        {5: 196, 9: 4},
        {0: 10, 99: 10},
    ],
)
def test_scales_that_nobody_knows(counts: dict[Any, int]) -> None:
    with pytest.raises(DataError, match=r"'stars' has .*data\.rating_scale"):
        column(counts).form()


def test_too_many_different_values() -> None:
    with pytest.raises(DataError, match="more than 2,000 different values"):
        column({place / 1_000: 1 for place in range(2_100)}).form()


def test_everybody_did_the_same() -> None:
    assert math.isnan(column({1: 30}).form().read(1) or 0)


@pytest.mark.parametrize(
    ("value", "stars"),
    [(1, 1.0), (10, 5.0), ("5,5", 3.0), (0.9, None), (10.1, None), ("5/5", None), ("10/10", 5.0), ("x", None)],
)
def test_ten_points_as_stars(value: Any, stars: float | None) -> None:
    assert column({}).form((1, 10)).read(value) == stars


def test_zero_below_a_given_scale_is_no_rating() -> None:
    assert math.isnan(column({0: 1, 5: 9}).form((1, 10)).read("0") or 0)
    assert column({0: 1, 5: 9}).form((0, 10)).read(0) == 1


@pytest.mark.parametrize(("value", "scale", "stars"), [(0, (0, 100), 1), (50, (0, 100), 3), (4, (1, 5), 4)])
def test_there_and_back(value: float, scale: tuple[float, float], stars: float) -> None:
    assert to_stars(value, scale) == stars
    assert from_stars(stars, scale) == value


def test_predictions_stay_on_the_scale() -> None:
    assert (from_stars(5.3, (0, 10)), from_stars(0.2, (0, 10))) == (10, 0)


@pytest.mark.parametrize("given", ["10", "5..5", "10..1", "a..b", "0..inf", "nan..5", ""])
def test_no_scale(given: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.rating_scale"):
        read_scale(given)


def test_a_scale() -> None:
    assert read_scale("0.5..10") == (0.5, 10)


def test_missing_values_are_not_counted() -> None:
    found = column({None: 2, "": 1, " ": 1, "x": 1, 4: 3})
    assert found.values == {"x": 1, 4: 3}
    assert found.readable() == 0.75
