"""Whatever a source has, from its file to the prepared folder: lists, usual columns, any mix of ratings and texts."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.dataset.table import load_table
from rec_sys.errors import DataError

EARLY, LATE = 1_400_000_000, 1_500_000_000
LISTS = {"7": [30, 10, 30, 20], "9": [10]}
IN_ORDER = [("7", "30", 0), ("7", "10", 1), ("7", "30", 2), ("7", "20", 3), ("9", "10", 0)]
ATOMIC = (
    "user_id:token\titem_id_list:token_seq\titem_id:token\tage:float\n7\t30 10\t30\t1\n7\t30 10 30\t20\t1\n9\t\t10\t1\n"
)


def read(folder: Path, content: str | bytes, metadata: Path | None = None, **settings: Any) -> PreparedReviews:
    path = folder / "raw"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return prepare_reviews(path, folder / "out", ReadSettings.read(settings, "data"), metadata)


def triples(found: PreparedReviews) -> list[tuple[str, str, int]]:
    frame = pl.read_parquet(found.folder / columns.REVIEWS_FILE)
    return frame.select(columns.USER_ID, columns.PRODUCT_ID, columns.TIMESTAMP).rows()


def written(path: Path, lines: str, pack: bool = False) -> Path:
    path.write_bytes(gzip.compress(lines.encode()) if pack else lines.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [orjson.dumps(LISTS), gzip.compress(orjson.dumps(LISTS), mtime=0), ATOMIC.encode()],
    ids=["json", "gzip", "atomic"],
)
def test_lists_keep_their_order_and_repetitions(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, content)
    assert triples(found) == IN_ORDER
    assert (found.read, found.kept, found.users, found.products) == (5, 5, 2, 3)
    assert (found.order, found.rated, found.without_text, found.rejected) == ("list", 0, 5, {})
    atomic = content.startswith(b"user")
    assert (found.format, found.unread) == (("RecBole lists", ["age"]) if atomic else ("JSON lists", []))
    table = load_table(found.folder, found.fingerprint)
    assert [table.products.id(number) for number in table.product] == ["30", "10", "30", "20", "10"]
    assert "in the order of the lists, without dates" in found.describe()


def test_numbers_become_ids_and_find_their_texts(tmp_path: Path) -> None:
    ids = {
        "user_ids": written(tmp_path / "users", "ann\t7\nben\t9\n", pack=True),
        "product_ids": written(tmp_path / "products", "B1\t10\nB2\t20\nB3\t30\n"),
    }
    texts = written(tmp_path / "texts", "item_id:token\ttext:token_seq\nB1\tSteel strings\n10\tA stranger\n", pack=True)
    found = read(tmp_path, orjson.dumps(LISTS), texts, **ids)
    assert triples(found)[:2] == [("ann", "B3", 0), ("ann", "B1", 1)]
    assert pl.read_parquet(found.folder / columns.PRODUCTS_FILE).rows() == [("B1", "", "Steel strings")]
    assert found.products_named == 1
    folders = {read(tmp_path, orjson.dumps(LISTS), texts, **some).folder for some in ({}, ids)}
    ids["user_ids"].write_text("eve\t7\nben\t9\n")
    assert read(tmp_path, orjson.dumps(LISTS), texts, **ids).folder not in folders
    assert len(folders) == 2


def test_a_number_without_an_id_is_left_out_and_counted(tmp_path: Path) -> None:
    ids = written(tmp_path / "products", "B1\t10\n")
    found = read(tmp_path, orjson.dumps(LISTS), product_ids=ids, max_left_out=0.6)
    assert triples(found) == [("7", "B1", 1), ("9", "B1", 0)]
    assert found.rejected == {"number without an id": 3}
    with pytest.raises(DataError, match=r"3 of 5 rows .* data\.max_left_out=0\.6"):
        read(tmp_path, orjson.dumps(LISTS), product_ids=ids, max_left_out=0.59)
    with pytest.raises(DataError, match=r"number without an id 5.*lines ID<TAB>NUMBER"):
        read(tmp_path, orjson.dumps(LISTS), user_ids=ids)


def test_broken_entries_and_empty_lists(tmp_path: Path) -> None:
    found = read(tmp_path, '{"a": ["x", null, {"y": 1}],\n"b": 5,\n"": ["x"],\n"c": []}', max_left_out=1)
    assert triples(found) == [("a", "x", 0)]
    assert found.rejected == {"no product": 2, "broken line": 1, "no user": 1}
    with pytest.raises(DataError, match=r"0 rows read, all left out \(none\); its lists are empty"):
        read(tmp_path, '{"c": []}')


def test_columns_of_a_file_of_lists(tmp_path: Path) -> None:
    atomic = ATOMIC.replace("user_id", "who").replace("item_id", "what")
    named: dict[str, Any] = {"columns": {"user": "who", "product": "what"}}
    assert triples(read(tmp_path, atomic, **named)) == IN_ORDER
    with pytest.raises(DataError, match=r"no column 'who' \(data\.columns\.user=who\); it has 'user_id'"):
        read(tmp_path, orjson.dumps(LISTS), **named)


def test_the_order_of_the_file_is_the_last_resort_and_said(tmp_path: Path) -> None:
    content = "userId,itemId,color\nb,x,red\na,x,red\n\nb,x,red\na,y,red\n"
    found = read(tmp_path, content + ",y,red\n", format="interactions", max_left_out=1)
    assert triples(found) == [("b", "x", 1), ("a", "x", 2), ("b", "x", 3), ("a", "y", 4)]
    assert (found.order, found.order_column, found.unread) == ("file", "", ["color"])
    assert "columns not read 1 color" in " ".join(found.describe().split())
    assert "in the order of the file: it has no column for the time" in found.describe()


def test_the_order_of_a_column_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, "user,item,position\na,x,2\na,y,1\na,x,2\n")
    assert triples(found) == [("a", "x", 2), ("a", "y", 1)]
    assert found.rejected == {"repeated review": 1}  # the same person, product and place
    assert "in the order of the column 'position', without dates" in found.describe()


def test_the_same_moment_twice_is_a_repetition(tmp_path: Path) -> None:
    rows = [{"visitorid": 1, "itemid": 2, "time": when, "event": "view"} for when in (EARLY, EARLY, LATE)]
    assert triples(read(tmp_path, b"\n".join(map(orjson.dumps, rows)))) == [("1", "2", EARLY), ("1", "2", LATE)]


@pytest.mark.parametrize("has", list(itertools.product([False, True], repeat=4)))
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_any_mix_of_times_ratings_texts_and_names(tmp_path: Path, has: tuple[bool, ...], kind: str) -> None:
    time, rating, text, name = has
    fields = {"timestamp": time, "rating": rating, "text": text, "item_name": name}
    rows = [
        {"user": "a", "item": "x", "timestamp": LATE, "rating": 5, "text": "good", "item_name": "Pen"},
        {"user": "a", "item": "y", "timestamp": EARLY, "rating": None, "text": None, "item_name": None},
    ]
    frame = pl.DataFrame(rows).drop([field for field, there in fields.items() if not there])
    getattr(frame, {"csv": "write_csv", "jsonl": "write_ndjson", "parquet": "write_parquet"}[kind])(tmp_path / "source")
    found = read(tmp_path, (tmp_path / "source").read_bytes(), format="interactions")
    assert pl.read_parquet(found.folder / columns.REVIEWS_FILE).drop(columns.LINE).rows() == [
        ("a", "x", 5.0 if rating else None, LATE if time else 1, "good" if text else ""),
        ("a", "y", None, EARLY if time else 2, ""),
    ]
    assert (found.order, found.rated, found.without_text) == ("time" if time else "file", rating, 2 - text)
    assert found.products_named == name


def test_settings_that_came_later_do_not_touch_the_digest_of_older_data(tmp_path: Path) -> None:
    """Checkpoints know their data by it. The value is that of version 2."""
    found = read(tmp_path, "user_id,product_id,rating,timestamp\na,x,5,1\n")
    assert found.fingerprint == "13cb0c71ee38151f191f6d60fdf32eebf4026f5b92a12a7fb536f51091bc9cca"
    given: list[dict[str, Any]] = [{"format": "interactions"}, {"columns": {"order": "timestamp"}}]
    others = {read(tmp_path, "user_id,product_id,rating,timestamp\na,x,5,1\n", **one).fingerprint for one in given}
    assert len(others | {found.fingerprint}) == 3
