"""A file of events becomes interactions and events; what is left out is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

import rec_sys
from rec_sys import columns
from rec_sys.dataset.event_log import derive_events
from rec_sys.dataset.event_preparation import prepare_log
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.errors import DataError

HEADER = "timestamp,visitorid,event,itemid,transactionid"
START = 1_430_623_510_000  # milliseconds


def line(user: object, item: object, kind: str = "view", minute: float = 0, basket: object = "") -> str:
    return f"{START + round(minute * 60_000)},{user},{kind},{item},{basket}"


def prepared(path: Path, lines: list[str], **settings: Any) -> PreparedReviews:
    """Read with these settings; whatever is left out is no reason to stop."""
    (path / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    chosen = ReadSettings.read({"format": "events", "check_dates": False, "max_left_out": 1, **settings}, "data")
    return prepare_log(path / "events.csv", path / "out", chosen, derive_events)


def interactions(found: PreparedReviews) -> list[tuple[Any, ...]]:
    frame = pl.read_parquet(found.folder / columns.REVIEWS_FILE)
    return frame.select(columns.USER_ID, columns.PRODUCT_ID, columns.TIMESTAMP, columns.WEIGHT, columns.LINE).rows()


def reasons(found: PreparedReviews) -> list[tuple[int, str]]:
    lines = (found.folder / columns.REJECTS_FILE).read_bytes().splitlines()
    return [(row["line"], row["reason"]) for row in map(orjson.loads, lines)]


def test_a_pair_is_one_interaction_at_its_first_event_as_strong_as_its_strongest(tmp_path: Path) -> None:
    found = prepared(
        tmp_path,
        [line("a", "x"), line("b", "x", minute=1), line("a", "x", "transaction", 3, 7), line("a", "x", "addtocart", 2)],
    )
    start = START // 1000
    assert interactions(found) == [("a", "x", start, 5.0, 2), ("b", "x", start + 60, 1.0, 3)]
    assert (found.read, found.kept, found.otherwise) == (4, 2, {"further events of the same user and product": 2})
    assert found.kinds == {"view": 2, "addtocart": 1, "transaction": 1}
    events = pl.read_parquet(found.folder / columns.EVENTS_FILE)
    assert events["time"].to_list() == [START, START + 60_000, START + 120_000, START + 180_000]


def test_every_row_is_kept_used_otherwise_or_left_out(tmp_path: Path) -> None:
    found = prepared(
        tmp_path,
        [
            *(line("a", "x"), line("a", "x"), line("", "x"), line("a", ""), line("a", "y", "wishlist")),
            *("soon,a,view,y,", "1,2", line("a", "x", "addtocart"), line("Amazon Customer", "x")),
        ],
    )
    assert found.rejected == {
        "repeated event": 1,
        "no user": 1,
        "no product": 1,
        "unknown kind of event: 'wishlist'": 1,
        "bad date": 1,
        "broken line": 1,
        "name that stands for many users": 1,
    }
    assert found.read == found.kept + sum(found.otherwise.values()) + sum(found.rejected.values())
    assert found.lines == {"total": 10, "header": 1, "blank": 0, "kept": 2, "left_out": 7}
    assert sorted(reasons(found))[:3] == [(3, "repeated event"), (4, "no user"), (5, "no product")]


def test_unknown_kinds_stop_the_reading_and_are_named(tmp_path: Path) -> None:
    lines = [line(f"u{n}", "x", "remove_from_cart" if n % 2 else "view", n) for n in range(40)]
    with pytest.raises(DataError, match=r"20 of 40 rows.*unknown kind of event.*remove_from_cart.*data.event_weights"):
        prepared(tmp_path, lines, max_left_out=None)


def test_kinds_have_other_names_and_own_weights(tmp_path: Path) -> None:
    lines = [
        line("a", "x", "pageview"),
        line("a", "y", "Add to Cart"),
        line("a", "z", "purchase"),
        line("b", "x", "fav"),
    ]
    found = prepared(tmp_path, lines, event_weights={"fav": 2, "cart": 2.5, "view": 0})
    assert found.kinds == {"fav": 1, "addtocart": 1, "transaction": 1}
    assert found.weights == {"fav": 2.0, "addtocart": 2.5, "transaction": 5.0}
    assert found.rejected == {"kind of event that is left out": 1}


def test_events_of_a_data_set(tmp_path: Path) -> None:
    lines = [line(user, f"p{n}", "view", 10 * n) for user in "ab" for n in range(4)]
    lines.append(line("b", "p3", "transaction", 31, 9))
    (tmp_path / "events.csv").write_text("\n".join([HEADER, *lines]))
    frame = pl.read_csv(tmp_path / "events.csv")
    data = rec_sys.load_dataset(frame, format="events", work_dir=tmp_path)
    assert data.events.kinds == ("view", "transaction")
    assert len(data.events) == 9
    assert data.events.basket.max() == 0
    assert data.learned_whole().table.weight.tolist() == [1, 1, 1, 1, 1, 1, 1, 5]
    assert data.training_events.timestamp.max() < data.table.timestamp[data.split.valid].max()
    assert np.isnan(data.table.rating).all()


def test_what_comes_after_the_held_out_interactions_makes_nothing_stronger(tmp_path: Path) -> None:
    lines = [line("a", f"p{n}", "view", 10 * n * 100) for n in range(5)]  # p3 validates, p4 tests
    lines += [line("a", "p0", "addtocart", 5), line("a", "p0", "transaction", 3500), line("a", "p1", "addtocart", 9999)]
    (tmp_path / "events.csv").write_text("\n".join([HEADER, *lines]))
    data = rec_sys.load_dataset(tmp_path / "events.csv", format="events", work_dir=tmp_path)
    assert data.table.products.ids == ["p0", "p1", "p2", "p3", "p4"]
    assert data.table.weight[data.split.train].tolist() == [3, 1, 1]
    assert data.learned_whole().table.weight.tolist() == [5, 3, 1, 1, 1]
