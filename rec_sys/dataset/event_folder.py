"""A prepared folder of events or orders: what it is made of, and what it becomes in memory.

`reviews.parquet` holds interactions, so that all that reads reviews reads them; `events.parquet` and, of orders,
`sales.parquet` hold the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rec_sys import columns
from rec_sys.dataset.events import EventTable
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.properties import load_properties
from rec_sys.dataset.review_writer import REVIEWS_SCHEMA
from rec_sys.dataset.sales import SalesTable
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap

SECOND = 1_000  # milliseconds
PIECES = "pieces"  # what the sales of orders count


def write_interactions(path: Path, rows: pl.DataFrame) -> None:
    """Write `reviews.parquet`: columns user, product, time (ms), line and, of events, weight; in time order."""
    frame = rows.select(
        pl.col("user").cast(pl.String).alias(columns.USER_ID),
        pl.col("product").cast(pl.String).alias(columns.PRODUCT_ID),
        pl.lit(None, pl.Float32).alias(columns.RATING),
        (pl.col("time") // SECOND).alias(columns.TIMESTAMP),
        pl.lit("").alias(columns.TEXT),
        pl.col("line").alias(columns.LINE),
        *((pl.col("weight").cast(pl.Float32).alias(columns.WEIGHT),) if "weight" in rows.columns else ()),
    )
    assert frame.columns[: len(REVIEWS_SCHEMA)] == REVIEWS_SCHEMA.names  # noqa: S101
    frame.write_parquet(path)


def write_events(path: Path, rows: pl.DataFrame) -> None:
    """Write `events.parquet`: columns user, product, time (ms), kind, basket, quantity, price; in time order."""
    rows.select(
        pl.col("user").alias(columns.USER_ID),
        pl.col("product").alias(columns.PRODUCT_ID),
        "time",
        "kind",
        "basket",
        pl.col("quantity").cast(pl.Float32),
        pl.col("price").cast(pl.Float32),
    ).write_parquet(path)


def write_sales(path: Path, rows: pl.DataFrame) -> None:
    """Write `sales.parquet`: columns product, day, pieces, revenue."""
    rows.select(
        pl.col("product").cast(pl.String).alias(columns.PRODUCT_ID),
        pl.col("day").cast(pl.Int32),
        pl.col("pieces").cast(pl.Float64),
        pl.col("revenue").cast(pl.Float64),
    ).write_parquet(path)


def readers_of(prepared: PreparedReviews, table: ReviewTable) -> dict[str, Callable[[], Any]]:
    """What reads events, sales and properties of a prepared folder when they are asked for, as a `Dataset` takes it."""
    folder = prepared.folder
    readers: dict[str, Callable[[], Any]] = {"read_events": partial(load_events, folder, table, prepared.weights)}
    if prepared.log == "orders":
        readers["read_sales"] = partial(load_sales, folder)
    if (folder / columns.PROPERTIES_FILE).is_file():
        readers["read_properties"] = partial(load_properties, folder, table.products)
    return readers


def load_events(folder: Path, table: ReviewTable, weights: Mapping[str, float]) -> EventTable:
    """The events of the users and products of a table.

    Args:
        folder: that was prepared.
        table: the interactions, with the numbers of users and products.
        weights: of each kind, the weakest first.
    """
    frame = pl.read_parquet(folder / columns.EVENTS_FILE)
    kinds = list(weights)
    frame = frame.with_columns(
        _numbers(frame[columns.USER_ID], table.users).alias("user"),
        _numbers(frame[columns.PRODUCT_ID], table.products).alias("product"),
        frame["kind"].cast(pl.String).replace_strict(kinds, range(len(kinds)), return_dtype=pl.Int8).alias("kind"),
        frame["basket"].cast(pl.Categorical).to_physical().cast(pl.Int64).fill_null(-1).alias("basket"),
    )
    frame = frame.filter((pl.col("user") >= 0) & (pl.col("product") >= 0)).sort("user", "time", maintain_order=True)
    return EventTable(
        users=table.users,
        products=table.products,
        kinds=tuple(kinds),
        weights=np.array(list(weights.values()), dtype=np.float32),
        user=frame["user"].to_numpy(),
        product=frame["product"].to_numpy(),
        timestamp=(frame["time"] // SECOND).to_numpy(),
        kind=frame["kind"].to_numpy(),
        basket=_from_zero(frame["basket"].to_numpy()),
        quantity=frame["quantity"].to_numpy(),
        price=frame["price"].fill_null(float("nan")).to_numpy(),
    )


def load_sales(folder: Path) -> SalesTable:
    """The sales of a prepared folder of orders, with the names of their products."""
    frame = pl.read_parquet(folder / columns.SALES_FILE).sort(columns.PRODUCT_ID, "day")
    ids = frame[columns.PRODUCT_ID].unique(maintain_order=True)
    names = pl.read_parquet(folder / columns.PRODUCTS_FILE)
    known = pl.DataFrame({columns.PRODUCT_ID: ids}).join(
        names, on=columns.PRODUCT_ID, how="left", maintain_order="left"
    )
    products = IdMap(ids.to_list(), "product")
    return SalesTable(
        products=products,
        names=known[columns.PRODUCT_NAME].fill_null("").to_list(),
        unit=PIECES,
        product=_numbers(frame[columns.PRODUCT_ID], products).to_numpy(),
        day=frame["day"].cast(pl.Int64).to_numpy(),
        pieces=frame["pieces"].cast(pl.Float32).to_numpy(),
        revenue=frame["revenue"].cast(pl.Float32).fill_null(float("nan")).to_numpy(),
    )


def _numbers(ids: pl.Series, known: IdMap) -> pl.Series:
    """The numbers of ids, -1 where one is unknown; each different id is looked up once."""
    different = ids.cast(pl.String).unique()
    table = pl.DataFrame({"id": different, "number": known.known_numbers(different.to_list())})
    found = pl.DataFrame({"id": ids.cast(pl.String)}).join(table, on="id", how="left", maintain_order="left")
    return found["number"].cast(pl.Int64)


def _from_zero(baskets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of baskets from 0 upwards, without gaps; -1 stays."""
    has = baskets >= 0
    numbers = np.full(len(baskets), -1, dtype=np.int64)
    numbers[has] = np.unique(baskets[has], return_inverse=True)[1]
    return numbers
