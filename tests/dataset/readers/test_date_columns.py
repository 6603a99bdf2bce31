from datetime import UTC, datetime
from typing import Any

import pytest

from rec_sys.dataset.readers.date_columns import DateColumn, DateForm, latest, parts_of_a_day
from rec_sys.errors import DataError

DAY = 1_538_265_600  # 2018-09-30


def column(values: list[Any]) -> DateColumn:
    found = DateColumn("when")
    for value in values:
        found.add(value)
    return found


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([1_538_265_600, 1_540_000_000], "seconds"),
        (["1538265600000", "1540000000000"], "seconds"),
        ([1_538_265_600_000_000], "seconds"),
        ([788_918_400], "seconds"),  # 1995-01-01
        ([20180930, 20181001], "YYYYMMDD"),
        (["20180930", "20181001"], "YYYYMMDD"),
        ([20180930.0], "YYYYMMDD"),
        ([20181301, 20181399], "seconds"),
        ([43373, 43374.5], "days of Excel"),
        (["43373"], "days of Excel"),
        ([34_700], "days of Excel"),  # 1995-01-01
        ([34_699], "counts"),  # the day before
        ([2001, 2018], "years"),
        ([1994, 2018], "counts"),
        ([1, 2, 711], "counts"),
        ([1.5, 2.5], "seconds"),
        ([-5, 10], "seconds"),
        (["2018-09-30"], "none"),
        ([datetime(2018, 9, 30, tzinfo=UTC)], "none"),
        ([], "seconds"),
        ([None, "", float("nan")], "seconds"),
    ],
)
def test_what_numbers_count(values: list[Any], numbers: str) -> None:
    assert column(values).form().numbers == numbers


@pytest.mark.parametrize(
    ("numbers", "value", "seconds"),
    [
        ("seconds", DAY, DAY),
        ("days of Excel", 43_373, DAY),
        ("days of Excel", "43373.5", DAY + 43_200),
        ("days of Excel", 25_569, 0),
        ("days of Excel", 25_568, None),
        ("YYYYMMDD", 20180930, DAY),
        ("YYYYMMDD", "20180930", DAY),
        ("YYYYMMDD", 20180931, None),
        ("years", 2018, 1_514_764_800),
        ("counts", 711, 711),
        ("counts", 7.5, None),
        ("counts", "2018-09-30", DAY),
        ("none", "2018-09-30", DAY),
        ("seconds", None, None),
    ],
)
def test_reading(numbers: Any, value: Any, seconds: int | None) -> None:
    assert DateForm(numbers).read(value) == seconds


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["13/01/2018", "01/02/2018"], "dmy"),
        (["01/13/2018", "01/02/2018"], "mdy"),
        (["12.01.2018", "01.02.2018"], "dmy"),
        (["01/02/2018", "01/03/2018", "01/04/2018", "01/05/2018", "02/01/2018", "02/06/2018"], "mdy"),
        (["02/06/2018", "02/01/2018", "01/05/2018", "01/04/2018", "01/03/2018", "01/02/2018"], "mdy"),
        (["01/02/2018", "03/02/2018", "05/02/2018", "07/02/2018", "01/03/2018", "02/04/2018"], "dmy"),
        (["2018-09-30"], None),
    ],
)
def test_day_or_month_first(values: list[str], order: str | None) -> None:
    assert column(values).form().order == order


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["13/01/2018", "01/13/2018"], "day first and dates with the month first"),
        (["01/02/2018", "02/01/2018"], "data.date_order"),
        (["12/12/2018"], "data.date_order"),
        (["01/02/2018", "01/03/2018", "01/04/2018", "01/05/2018", "02/01/2018"], "data.date_order"),  # four steps
    ],
)
def test_nobody_can_tell(values: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        column(values).form()


def test_what_is_told_goes_first() -> None:
    assert column(["01/02/2018", "02/01/2018"]).form("mdy").order == "mdy"


@pytest.mark.parametrize(
    ("values", "day", "clock", "hour"),
    [
        ([1, 31], True, False, True),
        ([1, 32], False, False, True),
        ([0, 31], True, False, True),
        ([2304, 5], False, False, True),
        ([2360], False, False, False),
        ([2400], False, False, False),
        (["23:04", "9:15:00"], False, True, False),
        (["23:04", "soon"], False, False, False),
    ],
)
def test_days_of_a_month_and_times_of_a_day(values: list[Any], day: bool, clock: bool, hour: bool) -> None:
    found = column(values)
    assert (found.day_of_month(), found.time_of_day(), found.hour_and_minute()) == (day, clock, hour)


def test_share_of_dates() -> None:
    found = column(["2018-09-30", "2018-09-29", "soon", ""])
    assert found.count == 3
    assert found.unread(found.form()) == {"soon": 1}
    assert found.readable(found.form()) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ({"year": "Year", "month": "Month", "day": "Day"}, ("Year", "Month", "Day")),
        ({"jahr": "Jahr", "monat": "Monat", "tag": "Tag"}, ("Jahr", "Monat", "Tag")),
        ({"year": "year", "monat": "monat", "day": "day"}, None),
        ({"year": "year", "month": "month"}, None),
    ],
)
def test_parts(header: dict[str, str], parts: tuple[str, str, str] | None) -> None:
    assert parts_of_a_day(header) == parts


def test_two_days_after_now_is_the_last() -> None:
    assert latest() - datetime.now(UTC).timestamp() == pytest.approx(2 * 86_400, abs=60)
