"""Lines of invoices to interactions and sales: net of returns, of products alone, a code written one way.

A row of `reviews.parquet` is a customer and a product in an invoice. The sales have all lines, those without a customer
too; what came back is taken off on the day it was bought where that is known, else on the day it came back.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rec_sys import columns
from rec_sys.dataset.event_folder import write_events, write_interactions, write_sales
from rec_sys.dataset.event_preparation import Derived, name_counts, time_span
from rec_sys.dataset.events import PURCHASE
from rec_sys.dataset.readers.column_values import SECOND
from rec_sys.dataset.readers.date_columns import DAY
from rec_sys.dataset.readers.event_rows import (
    BASKET,
    KIND,
    NAME,
    PRICE,
    PRODUCT,
    QUANTITY,
    ROW_LINE,
    TIME,
    USER,
    EventRows,
    product_names,
)
from rec_sys.dataset.readers.not_products import codes_of_no_product
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.returns import Netted, net_returns

SHOWN = 8  # codes that are no products which are named
WEIGHT = 1.0  # of the one kind that orders have


def derive_orders(rows: pl.DataFrame, reader: EventRows, settings: ReadSettings, folder: Path) -> Derived:
    """Write `sales.parquet`, `events.parquet` and `reviews.parquet`.

    Args:
        rows: checked lines in the order of the file.
        reader: gets those that are left out.
        settings: `not_products` names what is no product.
        folder: where to write.
    """
    found: dict[str, list[str]] = {}
    rows = _with_one_spelling(rows, found)
    rows = _products_alone(rows, reader, settings, found)
    if reader.profile.columns.get("price") is not None:
        free = (pl.col(PRICE) <= 0) | pl.col(PRICE).is_null()
        reader.reject(rows.filter(free), Reason.NO_PRICE)
        rows = rows.filter(~free)
    if reader.profile.columns.get("quantity") is None:
        found["quantity"] = ["no column for it: each line is one piece"]
    if reader.profile.columns.get("basket") is None:
        found["invoices"] = ["no column for them: lines of one customer at one time are one"]
        rows = _with_baskets_by_time(rows)
    rows = rows.sort(TIME, ROW_LINE)
    netted = net_returns(rows)
    return _written(netted, found, folder)


def _with_one_spelling(rows: pl.DataFrame, found: dict[str, list[str]]) -> pl.DataFrame:
    """Codes that differ only by case become the most frequent spelling, the first in the alphabet of equals."""
    counts = rows[PRODUCT].cast(pl.String).value_counts().sort("count", PRODUCT, descending=[True, False])
    folded = counts.with_columns(pl.col(PRODUCT).str.to_lowercase().alias("folded"))
    folded = folded.with_columns(pl.col(PRODUCT).first().over("folded").alias("main"))
    merged = folded.filter(pl.col(PRODUCT) != pl.col("main"))
    if merged.is_empty():
        return rows
    example = merged.row(0, named=True)
    found["codes"] = [
        f"{len(merged):,} differ from another only by case ({example[PRODUCT]!r} and {example['main']!r}) and are one "
        f"with it, {merged['count'].sum():,} lines"
    ]
    spelling = rows[PRODUCT].cast(pl.String).replace(merged[PRODUCT], merged["main"])
    return rows.with_columns(spelling.cast(pl.Categorical).alias(PRODUCT))


def _products_alone(
    rows: pl.DataFrame, reader: EventRows, settings: ReadSettings, found: dict[str, list[str]]
) -> pl.DataFrame:
    """Leave out lines that are no products."""
    codes = rows.group_by(PRODUCT).agg(pl.len().alias("rows")).with_columns(pl.col(PRODUCT).cast(pl.String))
    names = product_names(name_counts(rows))
    codes = codes.with_columns(
        codes[PRODUCT]
        .replace_strict(list(names), list(names.values()), default=None, return_dtype=pl.String)
        .alias("name")
    ).sort("rows", PRODUCT, descending=[True, False])
    none = codes_of_no_product(codes, settings.not_products)
    if not none:
        return rows
    of_none = codes.filter(pl.col(PRODUCT).is_in(none))
    listed = [f"{code} {name or ''}".strip() + f" ({count:,})" for code, count, name in of_none.head(SHOWN).iter_rows()]
    more = f" and {len(of_none) - SHOWN:,} more" if len(of_none) > SHOWN else ""
    found["no products"] = [f"{', '.join(listed)}{more}; data.not_products=[CODE,NAME*] says it otherwise"]
    wrong = rows[PRODUCT].cast(pl.String).is_in(none)
    reader.reject(rows.filter(wrong), Reason.NOT_A_PRODUCT)
    return rows.filter(~wrong)


def _with_baskets_by_time(rows: pl.DataFrame) -> pl.DataFrame:
    """Lines of one customer at one time as an invoice of its own; those without a customer have none."""
    number = pl.concat_str(pl.col(USER).cast(pl.String), pl.lit("@"), pl.col(TIME).cast(pl.String))
    return rows.with_columns(number.cast(pl.Categorical).alias(BASKET))


def _written(netted: Netted, found: dict[str, list[str]], folder: Path) -> Derived:
    """Write what the netted lines become."""
    purchases, unmatched = netted.purchases, netted.unmatched
    if netted.returns:
        found["returns"] = [
            f"{netted.matched:,} lines took back {netted.pieces:,.0f} pieces of earlier lines; {len(unmatched):,} of "
            f"{unmatched[QUANTITY].sum():,.0f} pieces undo no purchase of a customer in the file and lower the sales "
            f"of their day"
        ]
    sold = purchases.filter(pl.col(QUANTITY) > 0)
    named = sold.filter(pl.col(USER).is_not_null())
    basket = (
        named.group_by(USER, PRODUCT, BASKET, maintain_order=True)
        .agg(
            pl.col(TIME).first(),
            pl.col(ROW_LINE).first(),
            ((pl.col(PRICE) * pl.col(QUANTITY)).sum() / pl.col(QUANTITY).sum()).alias(PRICE),
            pl.col(QUANTITY).sum(),
        )
        .sort(TIME, ROW_LINE)
        .with_columns(pl.lit(PURCHASE).cast(pl.Categorical).alias(KIND))
    )
    if purchases[PRICE].null_count() == len(purchases):
        basket = basket.with_columns(pl.lit(None, pl.Float64).alias(PRICE))
    write_interactions(folder / columns.REVIEWS_FILE, basket)
    write_events(folder / columns.EVENTS_FILE, basket)
    sales = _sales(sold, unmatched)
    write_sales(folder / columns.SALES_FILE, sales)
    first, last = time_span(basket) if len(basket) else (0, 0)
    otherwise = {
        "without a customer, in the sales": int(sold[USER].null_count()),
        "returns": netted.returns,
        "returned or cancelled whole": len(purchases) - len(sold),
        "further lines of a product in an invoice": len(named) - len(basket),
    }
    has_price = purchases[PRICE].null_count() < len(purchases)
    return Derived(
        kept=len(basket),
        users=basket[USER].n_unique(),
        products=basket[PRODUCT].unique(maintain_order=True).cast(pl.String).to_list(),
        first=first,
        last=last,
        kinds={PURCHASE: len(basket)},
        weights={PURCHASE: WEIGHT},
        names=product_names(name_counts(purchases)) if NAME in purchases.columns else {},
        otherwise={name: count for name, count in otherwise.items() if count},
        found=found,
        sales={
            "rows": len(sales),
            "products": sales[PRODUCT].n_unique(),
            "pieces": float(sales["pieces"].sum()),
            **({"revenue": float(sales["revenue"].sum())} if has_price else {}),
        },
    )


def _sales(sold: pl.DataFrame, unmatched: pl.DataFrame) -> pl.DataFrame:
    """Columns product, day, pieces, revenue: what was sold and kept, less what came back of other purchases."""
    taken = unmatched.with_columns(-pl.col(QUANTITY))
    lines = pl.concat([frame.select(PRODUCT, TIME, QUANTITY, PRICE) for frame in (sold, taken)])
    return (
        lines.with_columns((pl.col(TIME) // (DAY * SECOND)).alias("day"))
        .group_by(PRODUCT, "day")
        .agg(
            pl.col(QUANTITY).sum().alias("pieces"),
            pl.when(pl.col(PRICE).is_null().all())
            .then(None)
            .otherwise((pl.col(QUANTITY) * pl.col(PRICE)).sum())
            .alias("revenue"),
        )
        .with_columns(pl.col(PRODUCT).cast(pl.String))
        .sort(PRODUCT, "day")
    )
