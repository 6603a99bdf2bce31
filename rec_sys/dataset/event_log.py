"""Events to interactions: a user and a product, at the time of their first event, as strong as the strongest kind."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from rec_sys import columns
from rec_sys.dataset.event_folder import write_events, write_interactions
from rec_sys.dataset.event_preparation import Derived, name_counts, time_span
from rec_sys.dataset.readers.event_rows import BASKET, KIND, PRODUCT, ROW_LINE, TIME, USER, EventRows, product_names
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.readers.rejects import Reason


def derive_events(rows: pl.DataFrame, reader: EventRows, _: ReadSettings, folder: Path) -> Derived:
    """Write `events.parquet` and `reviews.parquet`.

    Two events of one user, product, kind and moment, and of the same basket, are one.

    Args:
        rows: checked rows in the order of the file.
        reader: gets the repeated ones.
        folder: where to write.
    """
    rows = rows.sort(TIME, ROW_LINE)
    again = ~rows.select(pl.struct(USER, PRODUCT, KIND, TIME, BASKET).is_first_distinct()).to_series()
    if again.any():
        reader.reject(rows.filter(again).sort(ROW_LINE), Reason.REPEATED_EVENT)
        rows = rows.filter(~again)
    counts = dict(rows[KIND].cast(pl.String).value_counts().iter_rows())
    weights = reader.profile.kinds.weights
    kinds = sorted(counts, key=lambda kind: (weights[kind], kind))
    strength = rows[KIND].cast(pl.String).replace_strict(kinds, [weights[kind] for kind in kinds])
    pairs = (
        rows.select(USER, PRODUCT, TIME, ROW_LINE, strength.cast(pl.Float32).alias("weight"))
        .group_by(USER, PRODUCT, maintain_order=True)
        .agg(pl.col(TIME).first(), pl.col(ROW_LINE).first(), pl.col("weight").max())
    )
    write_events(folder / columns.EVENTS_FILE, rows)
    write_interactions(folder / columns.REVIEWS_FILE, pairs)
    further = len(rows) - len(pairs)
    first, last = time_span(rows)
    return Derived(
        kept=len(pairs),
        users=pairs[USER].n_unique(),
        products=pairs[PRODUCT].unique(maintain_order=True).cast(pl.String).to_list(),
        first=first,
        last=last,
        kinds={kind: counts[kind] for kind in kinds},
        weights={kind: weights[kind] for kind in kinds},
        names=product_names(name_counts(rows)),
        otherwise={"further events of the same user and product": further} if further else {},
    )
