import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rec_sys.dataset.readers.metadata import MAX_DESCRIPTION, Product, product_of, read_products
from rec_sys.errors import DataError

META_2018 = {
    "category": ["Musical Instruments", "Microphones &amp; Accessories", "</span></span>", "Musical Instruments"],
    "description": ["<b>Filters</b> the pop<br/>sounds.", "Fits  all stands &gt; 1 inch."],
    "title": "Pop Filter, 6&quot;",
    "brand": "by\n    \n    Nady",
    "price": "$13.09",
    "asin": "1384719342",
}
META_2023 = {
    "parent_asin": "B00P",
    "main_category": "All Beauty",
    "title": "Face Cream",
    "features": ["Soft", "Light"],
    "description": [],
    "categories": ["Beauty", "Creams"],
    "store": "Acme",
    "price": 12.5,
    "details": {"Color": "red"},
}


def json_lines(path: Path, *rows: Any) -> Path:
    path.write_bytes(b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows))
    return path


def test_amazon_2018(tmp_path: Path) -> None:
    (product,) = read_products(json_lines(tmp_path / "meta", META_2018))
    assert product == Product(
        "1384719342",
        'Pop Filter, 6"',
        'Pop Filter, 6". Musical Instruments, Microphones & Accessories. by Nady. '
        "Filters the pop sounds. Fits all stands > 1 inch",
    )


def test_amazon_2023(tmp_path: Path) -> None:
    (product,) = read_products(json_lines(tmp_path / "meta", META_2023))
    assert product == Product("B00P", "Face Cream", "Face Cream. Beauty, Creams. Acme. Soft Light")


def test_texts_of_unisrec(tmp_path: Path) -> None:
    """Tab-separated, columns with a type, quotes that are inches."""
    path = tmp_path / "Shop.text.gz"
    rows = 'B1\t"6" Pop Filter, 1/2". Microphones. Nady. \nB2\t\n'
    path.write_bytes(gzip.compress(f"item_id:token\ttext:token_seq\n{rows}".encode()))
    assert list(read_products(path)) == [Product("B1", "", '"6" Pop Filter, 1/2". Microphones. Nady')]


def test_names_are_compared_without_case_and_punctuation(tmp_path: Path) -> None:
    row = {"ProductID": 7, "Product Name": "Pen", "Product-Type": "Office", "VENDOR": "Bic", "Body HTML": "<p>blue</p>"}
    assert list(read_products(json_lines(tmp_path / "meta", row))) == [Product("7", "Pen", "Pen. Office. Bic. blue")]


@pytest.mark.parametrize("name", ["itemId", "Item ID", "movieId", "StockCode", "sku", "artikelnummer"])
def test_usual_names_of_the_id(tmp_path: Path, name: str) -> None:
    assert list(read_products(json_lines(tmp_path / "meta", {name: 7, "title": "Pen"}))) == [Product("7", "Pen", "Pen")]


def test_csv_packed(tmp_path: Path) -> None:
    path = tmp_path / "meta"
    path.write_bytes(gzip.compress(b'id,name,description\r\n 7 ,Pen,"writes\r\nblue"\r\n8,Ink,\r\n'))
    assert list(read_products(path)) == [Product("7", "Pen", "Pen. writes blue"), Product("8", "Ink", "Ink")]


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"product_id": [7, 8], "title": ["Pen", None], "categories": [["a", "b"], None]})
    pq.write_table(table, tmp_path / "meta")
    assert list(read_products(tmp_path / "meta")) == [Product("7", "Pen", "Pen. a, b")]


def test_the_first_row_that_holds_anything_wins_and_all_are_counted(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "meta",
        {"asin": "a", "title": ""},
        {"asin": "a", "title": "First"},
        b'{"asin": "b", ',
        {"asin": "a", "title": "Second"},
        {"asin": None, "title": "Nobody"},
        {"asin": "c", "description": "only words"},
    )
    counts: Counter[str] = Counter()
    assert list(read_products(path, counts)) == [Product("a", "First", "First"), Product("c", "", "only words")]
    assert counts == {"read": 6, "empty": 1, "broken": 1, "repeated": 1, "no id": 1}


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("<script>var a = '<b>';\n</script>Pen", "Pen"),
        ("<STYLE type='x'>p {}</STYLE >Pen <!-- old -->", "Pen"),
        ("&lt;b&gt;Pen&lt;/b&gt;", "Pen"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("Pen\0\u00a0 \n x", "Pen x"),
    ],
)
def test_html_is_stripped(raw: str, clean: str) -> None:
    assert product_of("a", {"title": raw}).name == clean


def test_scripts_taken_for_titles_are_no_names() -> None:
    product = product_of("a", {"title": "var aPageStart = (new Date()).getTime();", "brand": "Nady"})
    assert product == Product("a", "", "Nady")


def test_long_descriptions_are_cut_at_a_word() -> None:
    text = product_of("a", {"description": ["word " * 1_000]}).text
    assert MAX_DESCRIPTION - 10 < len(text) <= MAX_DESCRIPTION
    assert text.endswith("word")
    assert len(product_of("a", {"description": "x" * 5_000}).text) == MAX_DESCRIPTION


def test_hostile_html_is_cleaned_in_time() -> None:
    assert product_of("a", {"title": "Pen", "description": "<script " * 200_000}).name == "Pen"


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column for the id of a product; it has 'x'; expected one of parent_asin"):
        list(read_products(json_lines(tmp_path / "meta", {"x": 1})))
    with pytest.raises(DataError, match="no column for the name or text"):
        list(read_products(json_lines(tmp_path / "meta", {"asin": "a", "overall": 5.0})))
    with pytest.raises(DataError, match=r"no usable product \(2 read, 1 empty, 1 no id\)"):
        list(read_products(json_lines(tmp_path / "meta", {"asin": "a", "title": " "}, {"title": "Pen"})))
    with pytest.raises(DataError, match="does not exist"):
        list(read_products(tmp_path / "nothing"))


def test_python_literals_of_2014_are_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the first 1 rows can be read as JSON lines; line 1: not JSON"):
        list(read_products(json_lines(tmp_path / "meta", b"{'asin': 'a', 'title': 'Pen'}")))
