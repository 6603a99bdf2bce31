"""Files that once were read wrong, from the bytes to the prepared reviews."""

import json
from pathlib import Path

import polars as pl
import pytest

from rec_sys import columns
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.errors import DataError

ROWS = [
    {"user_id": f"u{place % 7}", "product_id": f"p{place}", "rating": 1 + place % 5, "timestamp": 1_520_000_000 + place}
    for place in range(0, 9_000_000, 90_000)
]


def users(raw: str | bytes, folder: Path) -> list[str]:
    path = folder / "raw"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    found = prepare_reviews(path, folder / "out")
    assert found.kept == len(ROWS)
    return list(pl.read_parquet(found.folder / columns.REVIEWS_FILE)[columns.USER_ID])


@pytest.mark.parametrize("text", ["", "x" * 2_000], ids=["short", "longer than what is looked at"])
@pytest.mark.parametrize("shape", ["reviews", "columns", "split"])
def test_documents(shape: str, text: str, tmp_path: Path) -> None:
    rows = [{**row, "text": f"{text} {place}"} for place, row in enumerate(ROWS)]
    shaped = {
        "reviews": {"shop": "tea", "reviews": rows},
        "columns": {name: {str(place): row[name] for place, row in enumerate(rows)} for name in rows[0]},
        "split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]},
    }
    assert users(json.dumps(shaped[shape]), tmp_path) == [row["user_id"] for row in ROWS]


def test_long_numbers_in_a_document(tmp_path: Path) -> None:
    long = 101_463_350_189_962_000_000
    rows = [{**row, "user_id": long + place} for place, row in enumerate(ROWS)]
    assert users(json.dumps({"reviews": rows}), tmp_path) == [str(long + place) for place in range(len(ROWS))]


def test_carriage_returns_between_rows_and_line_feeds_inside(tmp_path: Path) -> None:
    lines = [f'{",".join(map(str, row.values()))},"one\ntwo, {place}"' for place, row in enumerate(ROWS)]
    assert len(users("\r".join(["user_id,product_id,rating,timestamp,text", *lines]), tmp_path)) == len(ROWS)


def test_objects_with_carriage_returns_between_them(tmp_path: Path) -> None:
    assert len(users("\r".join(map(json.dumps, ROWS)), tmp_path)) == len(ROWS)


def test_dates_that_lost_digits_are_refused(tmp_path: Path) -> None:
    lines = [f"{row['user_id']},{row['product_id']},{row['timestamp']:.3E}" for row in ROWS]
    with pytest.raises(DataError, match=r"bad date.*E\+09"):
        users("\n".join(["user_id,product_id,timestamp", *lines]), tmp_path)


@pytest.mark.parametrize("best", [3, 4])
def test_a_scale_without_a_five_is_asked_for(best: int, tmp_path: Path) -> None:
    rows = [{**row, "rating": 1 + place % best} for place, row in enumerate(ROWS)]
    with pytest.raises(DataError, match="and never 5"):
        users("\n".join(map(json.dumps, rows)), tmp_path)


def test_a_table_that_begins_with_a_tag_is_no_page(tmp_path: Path) -> None:
    first, *others = ROWS
    lines = ["\t".join(("<p>good</p>", *map(str, first.values())))]
    lines += ["\t".join((f"fine {place}", *map(str, row.values()))) for place, row in enumerate(others)]
    with pytest.raises(DataError, match="header"):
        users("\n".join(lines), tmp_path)
