from typing import Any

import pytest

from rec_sys.dataset.readers.unread_columns import suspicious_columns

TAKEN = {"user": ["shop"], "product": ["sku"]}
LONG = "a review of some length, number"


def said(name: str, values: list[Any], taken: dict[str, list[str]] | None = None) -> list[str]:
    rows = [{"shop": f"s{place % 10}", "sku": f"p{place}", name: value} for place, value in enumerate(values)]
    return suspicious_columns(rows, [name], taken or TAKEN)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([f"{LONG} {place}" for place in range(10)], True),
        ([f"{place} {'x' * 22}" for place in range(10)], False),  # 24 characters
        ([f"{place} {'x' * 24}" for place in range(10)], True),  # 26
        (["x" * 40 + str(place) for place in range(10)], False),  # one word
        ([LONG] * 10, False),  # always the same
        ([f"{LONG} {place % 3}" for place in range(10)], False),  # three of ten differ
        ([f"{LONG} {place % 4}" for place in range(10)], True),
        ([f"{LONG} {place}" if place % 2 else 5 for place in range(10)], True),
        ([f"{LONG} {place}" if place % 3 == 1 else 5 for place in range(10)], False),
        (["", None] * 5, False),
        (["とても良いお茶でした。届くのは少し遅かったですが満足です" + str(place) for place in range(10)], True),
    ],
)
def test_texts(values: list[Any], text: bool) -> None:
    assert said("zzz", values) == (
        ["the column 'zzz' looks like a text and is not read; data.columns.text=zzz reads it"] if text else []
    )


@pytest.mark.parametrize(
    ("name", "values", "taken", "rating"),
    [
        ("my_stars", [1, 5] * 5, TAKEN, True),
        ("Gesamtbewertung", ["4,5", "3"] * 5, TAKEN, True),
        ("number", [1, 5] * 5, TAKEN, False),
        ("my_stars", [5] * 10, TAKEN, False),  # one value
        ("my_stars", list(range(21)), TAKEN, True),
        ("my_stars", list(range(22)), TAKEN, False),
        ("my_stars", [1, 5] * 5, {**TAKEN, "rating": ["points"]}, False),
        ("my_stars", [1, 5] * 5 + ["x"], TAKEN, True),  # one of eleven
        ("my_stars", [1, 5] * 4 + ["x"], TAKEN, False),  # one of nine
    ],
)
def test_ratings(name: str, values: list[Any], taken: dict[str, list[str]], rating: bool) -> None:
    assert bool(said(name, values, taken)) == rating


@pytest.mark.parametrize(
    ("name", "people", "told"), [("client_key", 12, False), ("client_key", 13, True), ("colour", 30, False)]
)
def test_people(name: str, people: int, told: bool) -> None:
    found = said(name, [f"c{place % people}" for place in range(60)])
    assert [one.partition(" and ")[0] for one in found] == ([f"the column {name!r} may name people"] if told else [])


def test_columns_that_are_left_out_on_purpose() -> None:
    assert said("review_id", [f"{LONG} {place}" for place in range(10)]) == []
