from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.dataset.readers.rows import Row
from rec_sys.dataset.readers.sequences import Sequences, find_sequences

ATOMIC = Sequences("user_id", "item_id_list", "item_id")
JSON = Sequences("user_id", "product_list", None)


def step(user: str, before: str, last: str) -> dict[str, Any]:
    return {"user_id": user, "item_id_list": before, "item_id": last}


def lists(sequences: Sequences, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The products of each person, with the places checked."""
    found: dict[str, list[Any]] = {}
    numbered = (Row(line, row) for line, row in enumerate(rows, 1))
    for _, row, _ in sequences.unrolled(numbered):
        assert isinstance(row, dict)
        products = found.setdefault(row["user_id"], [])
        assert row["place"] == len(products)
        products.append(row["product_id"])
    return found


def test_which_files_hold_lists() -> None:
    header = ["user_id", "item_id_list", "item_id", "timestamp"]
    assert find_sequences("RecBole", header, None, None) == ATOMIC
    assert find_sequences("CSV", header, None, None) is None
    assert find_sequences("RecBole", ["user_id", "item_id", "timestamp"], None, None) is None
    assert find_sequences("JSON object", ["user_id", "product_list"], None, None) == JSON
    named = find_sequences("RecBole", ["who", "what_list", "what"], "who", "what")
    assert named == Sequences("who", "what_list", "what")


def test_repetitions_and_the_order_of_people_stay() -> None:
    rows: list[dict[str, Any]] = [{"user_id": "b", "product_list": [3, 3, "x", 3]}]
    rows.append({"user_id": "a", "product_list": []})
    rows.append({"user_id": "c", "product_list": ["x"]})
    assert list(lists(JSON, rows).items()) == [("b", [3, 3, "x", 3]), ("c", ["x"])]
    assert lists(ATOMIC, [step("7", "1 2  1", "2"), step("8", "", "5")]) == {"7": ["1", "2", "1", "2"], "8": ["5"]}


def test_the_line_is_the_first_of_the_person() -> None:
    rows = [Row(2, step("7", "1", "2")), Row(3, "broken"), Row(4, step("7", "1 2", "3")), Row(5, step("", "1", "2"))]
    assert list(ATOMIC.unrolled(iter(rows))) == [
        (3, "broken", 1),
        (5, {"user_id": ""}, 1),
        *((2, {"user_id": "7", "product_id": str(place + 1), "place": place}, 0) for place in range(3)),
    ]


@given(
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("123"), min_size=2, max_size=8), min_size=1),
    st.randoms(use_true_random=False),
)
def test_of_one_line_per_step_the_longest_counts(whole: dict[str, list[str]], random: Any) -> None:
    rows = [
        step(user, " ".join(products[:place]), products[place])
        for user, products in whole.items()
        for place in range(1, len(products))
    ]
    random.shuffle(rows)
    assert lists(ATOMIC, rows) == whole


@pytest.mark.parametrize("newest_first", [False, True])
def test_of_lists_cut_to_one_length_the_latest_counts(newest_first: bool) -> None:
    products = [str(number) for number in range(12)]
    rows = [step("a", " ".join(products[max(0, place - 4) : place]), products[place]) for place in range(1, 12)]
    assert lists(ATOMIC, rows[::-1] if newest_first else rows) == {"a": products[-5:]}
