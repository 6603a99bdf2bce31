from typing import Any

import pytest

from rec_sys.dataset.readers.dates import LAST_TIMESTAMP, of_parts, read_date, read_number

DAY = 1_538_265_600  # 2018-09-30, by hand
NOON = DAY + 12 * 3600 + 5 * 60 + 9  # 12:05:09


@pytest.mark.parametrize(
    "text",
    [
        "2018-09-30",
        "2018/09/30",
        "2018.9.30",
        "30.09.2018",
        "30.9.18",
        "30/09/2018",
        "30-09-2018",
        "09/30/2018",
        "9/30/18",
        "Sep 30, 2018",
        "September 30, 2018",
        "30 Sep 2018",
        "30-Sep-2018",
        "30th of September 2018",
        "Sunday, September 30, 2018",
        "30. September 2018",
        "30 septembre 2018",
        "30 de septiembre de 2018",
        "30 settembre 2018",
        "2018年9月30日",
        "09 30, 2018",
        "20180930T000000Z",
        "Sun Sep 30 00:00:00 UTC 2018",
    ],
)
def test_forms_of_a_day(text: str) -> None:
    assert read_date(text) == DAY


@pytest.mark.parametrize(
    "text",
    [
        "2018-09-30T12:05:09Z",
        "2018-09-30 12:05:09 UTC",
        "2018-09-30 14:05:09+02:00",
        "2018-09-30T17:35:09+0530",
        "20180930120509",
        "30.09.2018 12:05:09",
        "09/30/2018 12:05:09 PM",
        "Sun, 30 Sep 2018 12:05:09 +0000",
        "Sun, 30 Sep 2018 05:05:09 -0700",
        "Sun, 30 Sep 2018 12:05:09 GMT",
        "Sun Sep 30 12:05:09 2018",
        "/Date(1538309109000)/",
    ],
)
def test_forms_of_a_second(text: str) -> None:
    assert read_date(text) == NOON


@pytest.mark.parametrize(("text", "hour"), [("12:00 AM", 0), ("1:00 AM", 1), ("12:00 PM", 12), ("11:00 PM", 23)])
def test_half_days(text: str, hour: int) -> None:
    assert read_date(f"09/30/2018 {text}") == DAY + 3600 * hour


@pytest.mark.parametrize("text", ["0:00 AM", "13:00 PM", "24:00", "12:60"])
def test_times_that_are_none(text: str) -> None:
    assert read_date(f"09/30/2018 {text}") is None


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("06/07/2018", "dmy", (2018, 7, 6)),
        ("06/07/2018", "mdy", (2018, 6, 7)),
        ("13/07/2018", None, (2018, 7, 13)),
        ("07/13/2018", None, (2018, 7, 13)),
        ("06.07.2018", None, (2018, 7, 6)),
        ("01.01.69", None, (2069, 1, 1)),
        ("01.01.70", None, (1970, 1, 1)),
    ],
)
def test_day_and_month(text: str, order: Any, day: tuple[int, int, int]) -> None:
    assert read_date(text, order) == of_parts(*day)


@pytest.mark.parametrize(
    "text",
    [
        "06/07/2018",
        "12/12/2018",
        "13/13/2018",
        "31.04.2018",
        "2018-02-29",
        "2018-09",
        "2018-W39",
        "2018-W39-7",
        "September 2018",
        "Q3 2018",
        "3 months ago",
        "12:05",
        "########",
        "1.52E+12",
        "1.520E+09",
        "2018-09-30 12:00 Nowhere/City",
        "30 Sep 2018 " + "x" * 80,
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert read_date(text) is None


@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        (0, 0),
        (-1, None),
        (LAST_TIMESTAMP - 1, LAST_TIMESTAMP - 1),
        (LAST_TIMESTAMP, None),
        (100_000_000_000, None),  # as seconds the year 5138
        (100_000_000_001, 100_000_000),  # as milliseconds 1973
        ("1.5382656E+09", None),
        ("1.538265600E+09", DAY),
        ("1.538265600123E+12", DAY),
    ],
)
def test_numbers(number: Any, seconds: int | None) -> None:
    assert read_date(number) == seconds


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("17", 17.0),
        (" 1.5 ", 1.5),
        ("1.5e1", 15.0),
        ("1.5e2", None),
        ("5E0", 5.0),
        ("5E+3", None),
        ("1.5198765e+18", 1.5198765e18),
        ("1.51E+18", None),
        ("1e-3", 0.001),
        ("1,5", None),
        ("", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_read_number(value: Any, number: float | None) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    ("day", "there_is"),
    [
        ((2018, 12, 31), True),
        ((2018, 13, 1), False),
        ((2018, 0, 1), False),
        ((2020, 2, 29), True),
        ((2019, 2, 29), False),
        ((1970, 1, 1), True),
        ((1969, 12, 31), False),
        ((2099, 12, 31), True),
        ((2100, 1, 1), False),
        ((10_000, 1, 1), False),
    ],
)
def test_days_there_are(day: tuple[int, int, int], there_is: bool) -> None:
    assert (of_parts(*day) is not None) == there_is
