"""A file of invoice lines becomes interactions and sales, net of returns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import rec_sys
from rec_sys import columns
from rec_sys.dataset.event_preparation import prepare_log
from rec_sys.dataset.order_lines import derive_orders
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.errors import DataError

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID"


def line(
    invoice: object,
    code: str,
    pieces: object = 1,
    day: int = 1,
    customer: object = "17.0",
    price: object = 2,
    name: str = "",
) -> str:
    return f"{invoice},{code},{name or 'THING ' + code.upper()},{pieces},2011-03-{day:02d} 10:00:00,{price},{customer}"


def prepared(path: Path, lines: list[str], header: str = HEADER, **settings: Any) -> PreparedReviews:
    """Read with these settings; whatever is left out is no reason to stop."""
    (path / "orders.csv").write_text("\n".join([header, *lines]) + "\n")
    chosen = ReadSettings.read({"format": "orders", "check_dates": False, "max_left_out": 1, **settings}, "data")
    return prepare_log(path / "orders.csv", path / "out", chosen, derive_orders)


def bought(found: PreparedReviews) -> list[tuple[Any, ...]]:
    events = pl.read_parquet(found.folder / columns.EVENTS_FILE).with_columns(pl.col(pl.Categorical).cast(pl.String))
    return events.select(columns.USER_ID, columns.PRODUCT_ID, "basket", "quantity", "price").rows()


def sales(found: PreparedReviews) -> list[tuple[Any, ...]]:
    """Product, day of the month, pieces, revenue."""
    frame = pl.read_parquet(found.folder / columns.SALES_FILE)
    day = pl.from_epoch("day", time_unit="d").dt.day().alias("day")
    return frame.select(columns.PRODUCT_ID, day, "pieces", "revenue").rows()


def test_a_customer_and_a_product_in_an_invoice_is_one_row(tmp_path: Path) -> None:
    found = prepared(tmp_path, [line(1, "10A", 2), line(1, "10A", 3, price=4), line(2, "10A", 1, 2), line(1, "11", 1)])
    assert bought(found) == [
        ("17", "10A", "1", 5.0, pytest.approx(3.2)),
        ("17", "11", "1", 1, 2),
        ("17", "10A", "2", 1, 2),
    ]
    assert found.otherwise == {"further lines of a product in an invoice": 1}
    assert (found.users, found.products, found.kept) == (1, 2, 3)
    assert "4 of the user ended in .0" in found.found["ids"][0]


def test_returns_are_taken_off_the_latest_earlier_purchase_on_its_day(tmp_path: Path) -> None:
    lines = [
        *(line(1, "10", 80_995, 1), line("C2", "10", -80_995, 1)),  # cancelled at once
        *(line(3, "11", 5, 1), line(4, "11", 5, 2), line("C5", "11", -6, 9), line(6, "11", 4, 10)),
        *(line("C7", "12", -3, 4), line(8, "12", 1, 5, customer=""), line("C9", "12", -1, 6, customer="")),
    ]
    found = prepared(tmp_path, lines)
    assert bought(found) == [("17", "11", "3", 4, 2), ("17", "11", "6", 4, 2)]
    assert sales(found) == [
        *(("11", 1, 4, 8), ("11", 10, 4, 8)),
        *(("12", 4, -3, -6), ("12", 5, 1, 2), ("12", 6, -1, -2)),
    ]
    assert found.otherwise == {"returns": 4, "returned or cancelled whole": 2, "without a customer, in the sales": 1}
    assert found.read == found.kept + sum(found.otherwise.values()) + sum(found.rejected.values())


def test_what_is_no_product_or_has_no_price_is_left_out_and_counted(tmp_path: Path) -> None:
    goods = [line(n, f"2{n:03}", 1, 1 + n % 20) for n in range(40)]
    others = [
        *(
            line(50, "POST", 1, name="POSTAGE"),
            line(51, "C2", 1, name="CARRIAGE"),
            line(52, "gift_0001_20", 1, name="Dotcomgiftshop Gift Voucher £20.00"),
        ),
        *(line(53, "2001", -9, price=0, name="damages"), line(54, "2002", 1, price=-3)),
        *(line(55, "2003", "many"), line(56, "2004", 0), line(57, "2005", 1, name="POSTAGE STAMP ALBUM")),
    ]
    found = prepared(tmp_path, goods + others)
    assert found.rejected == {
        "no product: postage, fees and the like": 3,
        "price is not above 0: gifts and adjustments": 2,
        "quantity is not a number above 0": 2,
    }
    assert "POST POSTAGE (1)" in found.found["no products"][0]


def test_a_list_says_what_is_no_product(tmp_path: Path) -> None:
    lines = [line(1, "POST", name="POSTAGE"), line(1, "A1", name="Box"), line(1, "A2", name="Bag of sand")]
    found = prepared(tmp_path, lines, not_products=["a1", "bag*"])
    assert [row[1] for row in bought(found)] == ["POST"]


def test_codes_that_differ_by_case_are_one_and_names_are_the_most_frequent(tmp_path: Path) -> None:
    lines = [line(1, "85a", name="OLD"), line(2, "85A", name="NEW"), line(3, "85A", name="NEW")]
    found = prepared(tmp_path, lines)
    assert {row[1] for row in bought(found)} == {"85A"}
    assert pl.read_parquet(found.folder / columns.PRODUCTS_FILE).rows() == [("85A", "NEW", "NEW")]
    assert found.found["codes"][0].startswith("1 differ from another only by case")


def test_without_columns_for_quantity_price_and_invoice(tmp_path: Path) -> None:
    header = "customer_id,product_id,order_date"
    found = prepared(tmp_path, ["a,x,2011-03-01", "a,y,2011-03-01", "a,x,2011-03-02", ",x,2011-03-02"], header)
    assert [row[:3] for row in bought(found)] == [
        *(("a", "x", "a@1298937600000"), ("a", "y", "a@1298937600000"), ("a", "x", "a@1299024000000")),
    ]
    assert sales(found) == [("x", 1, 1, None), ("x", 2, 2, None), ("y", 1, 1, None)]
    assert set(found.found) == {"quantity", "invoices"}


def test_all_returned_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of 2 rows 2 returns"):
        prepared(tmp_path, [line(1, "10", -2), line(2, "11", -1)])


def test_sales_of_a_data_set(tmp_path: Path) -> None:
    lines = [line(n, f"{10 + n % 3}", 2, 1 + n, customer="" if n % 4 == 3 else "17.0") for n in range(12)]
    (tmp_path / "orders.csv").write_text("\n".join([HEADER, *lines]))
    data = rec_sys.load_dataset(tmp_path / "orders.csv", format="orders", work_dir=tmp_path)
    assert data.sales.unit == "pieces"
    assert data.sales.pieces.sum() == 24
    assert data.training_sales.pieces.sum() == 24 - 2 * 2  # without validation and test
    assert data.names[data.table.products.number("10")] == "THING 10"
    assert data.events.quantity.tolist() == [2.0] * 9
