import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from rec_sys.dataset.readers.dates import read_date
from rec_sys.dataset.readers.identities import read_id
from rec_sys.dataset.readers.texts import read_text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1393545600, 1393545600),
        (1393545600.9, 1393545600),
        ("1393545600", 1393545600),
        (" 1393545600.0 ", 1393545600),
        (1393545600_123, 1393545600),
        ("1393545600123", 1393545600),
        (1393545600_000_000, 1393545600),
        (1393545600_000_000_000, 1393545600),
        (0, 0),
        ("02 28, 2014", 1393545600),
        ("2 8, 2014", 1391817600),
        ("2014-02-28", 1393545600),
        ("2014-02-28T01:00:00+01:00", 1393545600),
        ("2014-02-28 00:00:00", 1393545600),
        ("2014-02-28T00:00:00.5Z", 1393545600),
        (date(2014, 2, 28), 1393545600),
        (datetime(2014, 2, 28), 1393545600),
        (datetime(2014, 2, 28, 2, tzinfo=timezone(timedelta(hours=2))), 1393545600),
        (datetime(2014, 2, 28, tzinfo=UTC), 1393545600),
        (Decimal("1393545600"), 1393545600),
    ],
)
def test_dates(value: Any, seconds: int) -> None:
    assert read_date(value) == seconds


@pytest.mark.parametrize(
    "value",
    ["02 30, 2014", "13 01, 2014", "yesterday", "", -1, "-1", math.inf, "nan", True, [1], 5e9, "1850-01-01"],
)
def test_bad_dates(value: Any) -> None:
    assert read_date(value) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [(" a\0b ", "ab"), (17, "17"), (17.0, "17"), (b"ab", "ab"), (None, ""), (math.nan, ""), ({}, ""), (False, "")],
)
def test_ids(value: Any, found: str) -> None:
    assert read_id(value) == found


def test_text_of_bytes() -> None:
    assert read_text(b"caf\xe9 ") == "caf\ufffd"
