"""Files of events and orders that are wrong: what came, what was expected, what to do; or a result that is defined."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

import rec_sys
from rec_sys.dataset.dataset import Dataset
from rec_sys.errors import DataError

START = 1_430_623_510_000  # milliseconds
HOURS = 3_600_000
EVENTS, ORDERS = "timestamp,visitorid,event,itemid", "invoice,customer,product,date,quantity"


def events(user: str = "u{i5}", kind: str = "view", item: str = "p{i7}", hours: int = 5) -> str:
    """Sixty events; {i5} stands for the number of the row modulo 5."""
    return _rows(EVENTS, "{time}," + f"{user},{kind},{item}", hours)


def orders(customer: str = "{i5}", quantity: str = "2", day: str = "2020-01-{day}") -> str:
    return _rows(ORDERS, "{i}," + f"{customer},1{{i7}},{day},{quantity}")


def _rows(header: str, pattern: str, hours: int = 5) -> str:
    lines = []
    for i in range(60):
        words = {"i": i, "i5": i % 5, "i7": i % 7, "time": START + i * hours * HOURS, "day": f"{i % 28 + 1:02d}"}
        lines.append(pattern.format(**words))
    return "\n".join([header, *lines]) + "\n"


def loaded(folder: Path, text: str, kind: str = "events") -> Dataset:
    (folder / "file.csv").write_text(text)
    return rec_sys.load_dataset(folder / "file.csv", format=kind, work_dir=folder)


def warnings(folder: Path) -> list[str]:
    (summary,) = (folder / "data/prepared").glob("*/summary.json")
    said: list[str] = orjson.loads(summary.read_bytes())["warnings"]
    return said


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("events", events(hours=0), r"all rows are of one day, 2015-05-03.*data.check_dates=false"),
        ("events", events(kind="wibble"), r"60 unknown kind of event; line 2: .*'wibble'; .*data.event_weights="),
        ("events", EVENTS + "\n", "holds no row that can be read; expected events"),
        ("events", "", "is empty"),
        ("events", EVENTS.replace("event,", "") + "\n1430623510000,a,x\n", r"no column for the kind of event"),
        ("events", "visitorid,itemid,event\na,x,view\n", r"no column for the time.*data=interactions"),
        ("events", events(user=""), r"60 no user; line 2"),
        ("orders", orders(quantity="-1"), r"of 60 rows 60 returns; .*data.columns.user"),
        ("orders", orders(customer=""), r"60 without a customer, in the sales; .*is 'customer' the column"),
        ("orders", orders(quantity="many"), r"60 quantity is not a number.*data.columns.quantity"),
        ("orders", orders(day="{i}"), r"'date' is called like a time and holds no dates \('0'"),
        (
            "orders",
            orders(day="0{i5}/0{i5}/2020").replace("00/00", "01/02"),
            r"nothing in it tells the day from the month",
        ),
        ("orders", events(), r"has a column 'event' of kinds of events \(view\).*data=events"),
        ("events", "7,8,9\n" * 5, r"has no header.*data.columns.user=1"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, kind: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        loaded(tmp_path, text, kind)
    assert list((tmp_path / "data/prepared").glob("*/")) == []


@pytest.mark.parametrize(
    ("text", "users", "products", "warning"),
    [
        (events(item="x"), 5, 1, "all events are of one product"),
        (events(user="u"), 1, 7, "all events are of one user"),
        (
            events(user="{i5}@x.org").replace("1@x.org", "1"),
            5,
            7,
            "holds several kinds of ids: e-mail addresses such as",
        ),
    ],
)
def test_what_is_odd_is_read_and_said(tmp_path: Path, text: str, users: int, products: int, warning: str) -> None:
    data = loaded(tmp_path, text)
    assert (data.table.num_users, data.table.num_products) == (users, products)
    assert warning in warnings(tmp_path)[0]


def test_a_file_of_events_read_as_interactions_is_told(tmp_path: Path) -> None:
    loaded(tmp_path, events(kind="view").replace("u1,view", "u1,addtocart"), "auto")
    assert "data=events reads them" in warnings(tmp_path)[0]


def test_lines_of_invoices_read_as_interactions_are_told(tmp_path: Path) -> None:
    loaded(tmp_path, orders(), "auto")
    assert "data=orders nets returns" in warnings(tmp_path)[0]
