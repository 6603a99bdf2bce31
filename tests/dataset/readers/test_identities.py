from decimal import Decimal
from typing import Any

import pytest

from rec_sys.dataset.readers.identities import IdColumn, check_digits, is_collective, is_nothing, read_id, too_frequent
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.errors import DataError


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("00731", "00731"),
        (" José\u200b ", "José"),
        ("Jose\u0301", "José"),
        ("5e3", "5e3"),
        ("1E5", "1E5"),
        ("5E+3", Reason.LOST_DIGITS),
        ("7.65612E+16", Reason.LOST_DIGITS),
        ("7,65612E+16", Reason.LOST_DIGITS),
        ("1.5e7", Reason.LOST_DIGITS),
        (2.0**53 - 1, "9007199254740991"),
        (2.0**53, Reason.LOST_DIGITS),
        (101463350189962000001, "101463350189962000001"),
        (Decimal(17), "17"),
        (1.5, "1.5"),
        ("Jos\ufffd", Reason.LOST_LETTERS),
        (b"Jos\xe9", Reason.LOST_LETTERS),
        (True, ""),
        ([1], ""),
        ("  ", ""),
    ],
)
def test_read_id(value: Any, found: str | Reason) -> None:
    assert read_id(value) == found


@pytest.mark.parametrize("word", ["NULL", "nan", "None", "N/A", "-", "\\N", "undefined", "(null)"])
def test_words_for_nothing(word: str) -> None:
    assert is_nothing(word)


@pytest.mark.parametrize("word", ["", "0", "Nana", "Nullinger", "nothing", "---"])
def test_words_for_something(word: str) -> None:
    assert not is_nothing(word)


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("A Google User", True),
        ("anonymous", True),
        ("匿名", True),
        ("Anon", False),
        ("guest", True),
        ("Guest 7", False),
    ],
)
def test_names_of_many(name: str, many: bool) -> None:
    assert is_collective(name) == many


def column(values: list[Any]) -> IdColumn:
    found = IdColumn()
    for value in values:
        found.add(value)
    return found


@pytest.mark.parametrize(
    ("values", "elsewhere", "empty", "nothing"),
    [
        (["a", "NULL"], [], False, {"NULL"}),
        (["a", "Null", ""], [], False, set()),  # nothing is written otherwise in this column
        (["a", "Null"], [], True, set()),  # and here in others
        (["a", "Null"], ["Null"], True, {"Null"}),
        (["a", "\\N", ""], [], True, {"\\N"}),
        (["a", None, "-"], [], False, {"-"}),
        (["a"], ["NULL"], False, set()),
    ],
)
def test_how_nothing_is_written(values: list[Any], elsewhere: list[str], empty: bool, nothing: set[str]) -> None:
    assert column(values).nothing(elsewhere, empty) == nothing


def test_counting() -> None:
    found = column(["a", "a", "b", None, "1.5E+7"])
    assert (found.counts, found.empty) == ({"a": 2, "b": 1}, 1)


OTHERS = {f"u{place}": 1 for place in range(900)}


@pytest.mark.parametrize(
    ("count", "max_share", "many"),
    [(50, None, False), (51, None, True), (9, 0.01, False), (10, 0.01, True), (5_000, 1, False)],
)
def test_who_writes_too_much(count: int, max_share: float | None, many: bool) -> None:
    assert bool(too_frequent({**OTHERS, "x": count}, max_share)) == many


@pytest.mark.parametrize(("count", "many"), [(1, False), (2, True)])
def test_a_name_of_many_is_so_from_two_reviews(count: int, many: bool) -> None:
    assert too_frequent({**OTHERS, "Anonymous": count}, None) == ({"Anonymous": count} if many else {})


def test_one_person_alone_is_one() -> None:
    assert too_frequent({"x": 1_000}, None) == {}


LOST = ["76561190000000100", "76561190000000200", "76561190000000300"]


def test_long_ids_that_end_in_zeros() -> None:
    with pytest.raises(DataError, match=r"people end in zeros .*76561190000000100.* 15 digits"):
        check_digits(LOST, "people")


@pytest.mark.parametrize(
    "ids",
    [LOST[:2], [*LOST[:2], "76561190000000301"], ["7656119000000010"] * 3, ["765611900000000"] * 3, ["a" * 20] * 3, []],
)
def test_long_ids_that_are_whole(ids: list[str]) -> None:
    check_digits(ids, "people")
