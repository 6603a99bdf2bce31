"""Whole columns read as their values are read one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.dataset.readers.column_values import IdForm, read_ids, read_numbers, read_times
from rec_sys.dataset.readers.date_columns import DateForm
from rec_sys.dataset.readers.identities import read_id
from rec_sys.dataset.readers.rejects import Reason


@given(
    st.lists(st.one_of(st.text(max_size=12), st.from_regex(r"\d{1,18}(\.0)?|\dE\+?\d|[A-Z0-9]{3,6}", fullmatch=True)))
)
def test_ids_are_those_of_single_values(texts: list[str]) -> None:
    ids, why, _ = read_ids(pl.Series("x", texts, dtype=pl.String), IdForm(point_zero=False))
    for text, found, reason in zip(texts, ids.to_list(), why.to_list(), strict=True):
        alone = read_id(text)
        assert (found, reason) == ((None, str(alone)) if isinstance(alone, Reason) else (alone or None, None))


def test_ids_lose_a_point_and_a_zero_and_words_for_nothing() -> None:
    values = pl.Series(["17850.0", "17850", "NULL", " a ", None, "12.50"])
    ids, why, shortened = read_ids(values, IdForm(nothing=frozenset({"NULL"})))
    assert ids.to_list() == ["17850", "17850", None, "a", None, "12.50"]
    assert why.null_count() == 6
    assert shortened == 1


def test_ids_of_numbers() -> None:
    ids, why, _ = read_ids(pl.Series([1.0, 2.5, None, float("nan"), 7.6e16]), IdForm())
    assert ids.to_list() == ["1", "2.5", None, None, None]
    assert why.to_list()[-1] == Reason.LOST_DIGITS
    assert read_ids(pl.Series([2**60 + 1]), IdForm())[0].to_list() == [str(2**60 + 1)]


def test_numbers() -> None:
    assert read_numbers(pl.Series(["1", "-2", "2,5", "x", None, "", "inf"])).to_list() == [1, -2, 2.5, *[None] * 4]
    assert read_numbers(pl.Series([1, 2])).to_list() == [1, 2]


MOMENT = datetime(2018, 6, 15, 23, 4, 5, tzinfo=UTC)
SECONDS = int(MOMENT.timestamp())


@pytest.mark.parametrize(
    ("values", "form", "milliseconds"),
    [
        ([str(SECONDS), str(SECONDS * 1000 + 7)], DateForm(), [SECONDS * 1000, SECONDS * 1000 + 7]),
        ([SECONDS * 10**6, SECONDS * 10**9], DateForm(), [SECONDS * 1000] * 2),
        (["2018-06-15 23:04:05", "2018-06-15T23:04:05.250Z"], DateForm("none"), [SECONDS * 1000, SECONDS * 1000 + 250]),
        (["2018-06-15 23:04:05 UTC", "2018-06-16T01:04:05+02:00"], DateForm("none"), [SECONDS * 1000] * 2),
        (["15.06.2018 23:04:05", "Jun 15, 2018 23:04:05"], DateForm("none", "dmy"), [SECONDS * 1000] * 2),
        (["06/07/2018", "7/6/2018"], DateForm("none", "mdy"), [1_528_329_600_000, 1_530_835_200_000]),
        ([43_266, 43_266.5], DateForm("days of Excel"), [1_529_020_800_000, 1_529_064_000_000]),
        (["20180615", "20180616"], DateForm("YYYYMMDD"), [1_529_020_800_000, 1_529_107_200_000]),
        ([MOMENT.replace(tzinfo=None)], DateForm(), [SECONDS * 1000]),
        ([date(2018, 6, 15)], DateForm(), [1_529_020_800_000]),
        (["soon", "", None, "-5", "9999999999999999999"], DateForm(), [None] * 5),
    ],
)
def test_times(values: list[object], form: DateForm, milliseconds: list[int | None]) -> None:
    assert read_times(pl.Series("x", values, strict=False), form).to_list() == milliseconds
