from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews, find_prepared
from rec_sys.dataset.readers.formats import Order
from rec_sys.files import write_json

FOUND = PreparedReviews(
    folder=Path("there"),
    fingerprint="f",
    source="shop.csv",
    format="interactions",
    read=1_250,
    unread=["event", "color"],
    kept=1_200,
    order="time",
    order_column="when",
    rated=1_000,
    rejected={"no user": 50},
    without_text=300,
    first=86_400,
    last=1_600_000_000,
    users=40,
    products=30,
    products_named=12,
    metadata={},
)


def test_a_block_for_a_person() -> None:
    lines = FOUND.describe().splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "read 1,250 shop.csv (interactions)",
        "columns not read 2 event, color",
        "kept 1,200 1970-01-02 to 2020-09-13",
        "with a rating 1,000",
        "with a text 900",
        "left out 50 there/rejects.jsonl",
        "no user 50",
        "users 40",
        "products 30",
        "with a name or text 12",
    ]
    assert len({line.rstrip("0123456789,")[:20] for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("list", "in the order of the lists, without dates"),
        ("column", "in the order of the column 'when', without dates"),
        ("file", "in the order of the file: it has no column for the time"),
    ],
)
def test_where_the_order_comes_from(order: Order, words: str) -> None:
    lines = replace(FOUND, order=order, unread=[]).describe().splitlines()
    assert lines[1].endswith(f"1,200  {words}")


def test_many_columns_that_are_not_read_are_shortened() -> None:
    line = replace(FOUND, unread=[f"c{number}" for number in range(11)]).describe().splitlines()[1]
    assert line.endswith("c6, c7 and 3 more")


def test_a_folder_is_found_only_whole_and_by_its_fingerprint(tmp_path: Path) -> None:
    for name in (columns.REVIEWS_FILE, columns.PRODUCTS_FILE, columns.REJECTS_FILE):
        (tmp_path / name).touch()
    assert find_prepared(tmp_path, "f") is None
    summary = {name: value for name, value in asdict(FOUND).items() if name != "folder"}
    write_json(tmp_path / columns.SUMMARY_FILE, summary)
    assert find_prepared(tmp_path, "f") == replace(FOUND, folder=tmp_path)
    assert find_prepared(tmp_path, "g") is None
    write_json(tmp_path / columns.SUMMARY_FILE, {**summary, "from_later": 1})
    assert find_prepared(tmp_path, "f") is None
