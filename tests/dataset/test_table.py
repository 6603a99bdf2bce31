from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_sys import columns
from rec_sys.dataset.table import ReviewTable, load_table
from rec_sys.errors import DataError
from tests.support.toy import table_of

Row = tuple[str, str, float | None, int, str]


def prepared(folder: Path, rows: list[Row]) -> Path:
    """A folder with the reviews file, as preparation leaves it."""
    names = [columns.USER_ID, columns.PRODUCT_ID, columns.RATING, columns.TIMESTAMP, columns.TEXT]
    kinds = [pl.String, pl.String, pl.Float32, pl.Int64, pl.String]
    frame = pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")
    frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(columns.LINE)).write_parquet(
        folder / columns.REVIEWS_FILE, row_group_size=2
    )
    return folder


ROWS: list[Row] = [
    ("zoe", "strings", 5, 300, "bright"),
    ("adam", "strings", None, 100, ""),
    ("zoe", "tuner", 2, 100, "slow"),
    ("adam", "pick", 4, 100, "soft"),
    ("adam", "tuner", 1, 50, "broke"),
    ("zoe", "pick", 3, 300, "so so"),
]


def reviews_of(table: ReviewTable) -> list[tuple[str, str, int]]:
    """(user id, product id, row) in the table's order."""
    return [
        (table.users.id(user), table.products.id(product), row)
        for user, product, row in zip(table.user.tolist(), table.product.tolist(), table.row.tolist(), strict=True)
    ]


def test_reviews_are_sorted_by_person_then_time_then_place_in_the_file(tmp_path: Path) -> None:
    table = load_table(prepared(tmp_path, ROWS), "f")
    assert reviews_of(table) == [
        ("zoe", "tuner", 2),
        ("zoe", "strings", 0),  # the same second as the pick, but earlier in the file
        ("zoe", "pick", 5),
        ("adam", "tuner", 4),
        ("adam", "strings", 1),
        ("adam", "pick", 3),
    ]
    assert table.timestamp.tolist() == [100, 300, 300, 50, 100, 100]
    np.testing.assert_array_equal(table.rating, np.array([2, 5, 3, 1, np.nan, 4], dtype=np.float32))


def test_numbers_follow_the_first_appearance_in_the_file(tmp_path: Path) -> None:
    table = load_table(prepared(tmp_path, ROWS), "f")
    assert table.users.ids == ["zoe", "adam"]
    assert table.products.ids == ["strings", "tuner", "pick"]
    assert (table.num_users, table.num_products, len(table)) == (2, 3, 6)
    assert table.indptr().tolist() == [0, 3, 6]


def test_rows_added_at_the_end_keep_the_old_numbers(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    old = load_table(prepared(tmp_path, ROWS), "f")
    new = load_table(prepared(tmp_path / "more", [*ROWS, ("abe", "amp", 5.0, 1, "loud")]), "f")
    assert new.users.ids[:2] == old.users.ids
    assert new.products.ids[:3] == old.products.ids


def test_arrays_have_the_promised_kinds(tmp_path: Path) -> None:
    table = load_table(prepared(tmp_path, ROWS), "f")
    assert {array.dtype for array in (table.user, table.product, table.timestamp, table.row)} == {np.dtype(np.int64)}
    assert table.rating.dtype == np.float32
    assert (table.folder, table.fingerprint) == (tmp_path, "f")


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_texts_come_with_the_review_they_belong_to(tmp_path: Path, batch_size: int) -> None:
    table = load_table(prepared(tmp_path, ROWS), "f")
    batches = list(table.texts(batch_size))
    assert all(len(numbers) == len(texts) <= batch_size for numbers, texts in batches)
    found = {int(number): text for numbers, texts in batches for number, text in zip(numbers, texts, strict=True)}
    assert found == {review: ROWS[row][4] for review, row in enumerate(table.row.tolist())}


@pytest.fixture
def groups_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the row groups that are read from Parquet files, as they are read."""
    read: list[int] = []
    one, several, batches = pq.ParquetFile.read_row_group, pq.ParquetFile.read_row_groups, pq.ParquetFile.iter_batches

    def read_row_group(file: Any, i: int, *rest: Any, **named: Any) -> Any:
        read.append(i)
        return one(file, i, *rest, **named)

    def read_row_groups(file: Any, row_groups: list[int], *rest: Any, **named: Any) -> Any:
        read.extend(row_groups)
        return several(file, row_groups, *rest, **named)

    def iter_batches(file: Any, *rest: Any, **named: Any) -> Any:
        read.extend(named.get("row_groups") or range(file.num_row_groups))
        return batches(file, *rest, **named)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", read_row_groups)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    return read


@pytest.mark.parametrize(
    ("rows", "groups"),
    [([0], [0]), ([1, 0, 1], [0]), ([5, 4], [2]), ([3, 0, 3, 2, 1], [0, 1]), ([4, 1, 5, 0, 4, 2], [0, 1, 2]), ([], [])],
)
def test_texts_of_some_reviews_read_only_the_row_groups_that_hold_them(
    tmp_path: Path, groups_read: list[int], rows: list[int], groups: list[int]
) -> None:
    """Six reviews lie in three row groups; they may be asked for in any order, and twice."""
    table = load_table(prepared(tmp_path, ROWS), "f")
    number_of_row = np.argsort(table.row)
    groups_read.clear()
    assert table.text_of(number_of_row[rows]) == [ROWS[row][4] for row in rows]
    assert sorted(groups_read) == groups  # each once


@given(st.lists(st.integers(0, 99), max_size=30), st.integers(1, 40))
def test_texts_of_some_reviews_whatever_the_row_groups(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int], group_size: int
) -> None:
    folder = tmp_path_factory.mktemp("table")
    texts = [f"text {row}" if row % 3 else "" for row in range(100)]
    pl.DataFrame({columns.TEXT: texts}).write_parquet(folder / columns.REVIEWS_FILE, row_group_size=group_size)
    table = replace(table_of([("a", f"p{row}", 5.0, row) for row in range(100)]), folder=folder)
    assert table.text_of(np.array(rows, dtype=np.int64)) == [texts[row] for row in rows]


def test_whether_there_are_texts(tmp_path: Path) -> None:
    assert load_table(prepared(tmp_path, ROWS), "f").has_texts()
    assert not load_table(prepared(tmp_path, [(*row[:4], "") for row in ROWS]), "f").has_texts()
    assert not table_of([("a", "x", 5, 1)]).has_texts()


def test_texts_of_a_few_reviews_come_in_the_order_asked(tmp_path: Path) -> None:
    table = load_table(prepared(tmp_path, ROWS), "f")
    assert table.text_of(np.array([3, 0, 5])) == ["broke", "slow", "soft"]


def test_the_core_filter_repeats_until_nothing_falls_out(tmp_path: Path) -> None:
    """Dropping the lone product leaves c with one review, and dropping c leaves z with one, and so on."""
    pairs = ["ax", "ay", "bx", "by", "cz", "cw", "dx", "dz"]
    rows: list[Row] = [(pair[0], pair[1], 5.0, place, pair) for place, pair in enumerate(pairs)]
    table = load_table(prepared(tmp_path, rows), "f", min_reviews=2)
    assert [user + product for user, product, _ in reviews_of(table)] == ["ax", "ay", "bx", "by"]
    assert table.row.tolist() == [0, 1, 2, 3]
    assert table.users.ids == ["a", "b"]
    assert table.products.ids == ["x", "y"]
    assert table.fingerprint == "f-core2"


def test_texts_of_a_filtered_table_skip_what_fell_out(tmp_path: Path) -> None:
    rows: list[Row] = [("a", "lone", 5, 0, "gone")]
    rows += [(user, product, 5.0, 1, user + product) for user in "ab" for product in "xy"]
    table = load_table(prepared(tmp_path, rows), "f", min_reviews=2)
    found = [text for _, texts in table.texts(1) for text in texts]
    assert found == ["ax", "ay", "bx", "by"]
    assert table.text_of(np.array([3, 0])) == ["by", "ax"]


def test_a_core_without_reviews_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no review is left of 6: .* at least 4 reviews each; lower data\.k_core"):
        load_table(prepared(tmp_path, ROWS), "f", min_reviews=4)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40), st.integers(1, 3))
def test_a_core_has_enough_reviews_on_both_sides_and_is_the_largest(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], k: int
) -> None:
    rows: list[Row] = [(f"u{user}", f"p{product}", 5.0, 0, "") for user, product in pairs]
    kept = list(pairs)  # one review at a time, the slow way
    while drop := [
        pair for pair in kept if sum(p[0] == pair[0] for p in kept) < k or sum(p[1] == pair[1] for p in kept) < k
    ]:
        kept.remove(drop[0])
    folder = prepared(tmp_path_factory.mktemp("core"), rows)
    if kept:
        table = load_table(folder, "f", min_reviews=k)
        assert sorted((u, p) for u, p, _ in reviews_of(table)) == sorted((f"u{u}", f"p{p}") for u, p in kept)
    else:
        with pytest.raises(DataError):
            load_table(folder, "f", min_reviews=k)


def test_the_toy_builder_agrees_with_a_loaded_table(tmp_path: Path) -> None:
    loaded = load_table(prepared(tmp_path, ROWS), "f")
    toy = table_of(
        [(user, product, np.nan if stars is None else stars, when) for user, product, stars, when, _ in ROWS]
    )
    assert (toy.users.ids, toy.products.ids) == (loaded.users.ids, loaded.products.ids)
    for name in ("user", "product", "rating", "timestamp", "row"):
        np.testing.assert_array_equal(getattr(toy, name), getattr(loaded, name))
    assert list(toy.texts()) == []
