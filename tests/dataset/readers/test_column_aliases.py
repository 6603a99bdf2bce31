from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys.dataset.readers.column_aliases import ALIASES, find_columns, plain


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (["timestamp", "visitorid", "event", "itemid"], {"user": "visitorid", "product": "itemid"}),
        (["userId", "movieId", "rating"], {"user": "userId", "product": "movieId", "rating": "rating"}),
        (["User ID", "ITEM-ID", "place"], {"user": "User ID", "product": "ITEM-ID", "order": "place"}),
        (["reviewerID", "asin", "overall"], {"user": "reviewerID", "product": "asin", "rating": "overall"}),
        (["CustomerID", "StockCode", "Quantity"], {"user": "CustomerID", "product": "StockCode"}),
        (["session_id", "user_id", "item"], {"user": "user_id", "product": "item"}),  # whatever stands first
        (["asin", "parent_asin"], {"product": "parent_asin"}),
        (["color", ""], {}),
    ],
)
def test_usual_names(header: list[str], found: dict[str, str]) -> None:
    expected = found | ({"timestamp": "timestamp"} if "timestamp" in header else {})
    assert find_columns(header) == expected


def test_a_title_is_the_reviews_only_beside_a_text() -> None:
    assert find_columns(["title"]) == {}
    assert find_columns(["title", "comment"]) == {"title": "title", "text": "comment"}
    assert find_columns(["summary"]) == {"title": "summary"}
    assert find_columns(["item_title"]) == {"product_name": "item_title"}


def test_no_name_stands_for_two_fields() -> None:
    names = [plain(alias) for aliases in ALIASES.values() for alias in aliases]
    assert len(set(names)) == len(names)
    assert [name for name in names if plain(name) != name] == []


@given(st.lists(st.text() | st.sampled_from([alias for names in ALIASES.values() for alias in names])))
def test_only_columns_that_are_there_are_found_each_once(header: list[str]) -> None:
    found = find_columns(header)
    assert set(found.values()) <= set(header)
    assert len(set(found.values())) == len(found)
