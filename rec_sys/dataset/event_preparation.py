"""From a raw file of events or orders to a prepared folder, as `reviews` makes one of reviews.

The same rules: what is left out is counted by reason and listed, so much of one reason stops the reading, and the same
input is read once. Memory holds the rows that are kept, about 60 bytes each, and every id once.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews, find_prepared, prepared_folder
from rec_sys.dataset.readers.accounting import LineAccount, check_again, check_left_out, remedy
from rec_sys.dataset.readers.column_values import SECOND, shown_time
from rec_sys.dataset.readers.columnar import Columnar
from rec_sys.dataset.readers.date_columns import DAY
from rec_sys.dataset.readers.event_profile import EventProfile, find_event_profile
from rec_sys.dataset.readers.event_rows import LISTED, NAME, PRODUCT, TIME, EventRows
from rec_sys.dataset.readers.metadata import read_products
from rec_sys.dataset.readers.metadata_join import check_join
from rec_sys.dataset.readers.property_rows import PRODUCT as PROPERTY_OF
from rec_sys.dataset.readers.property_rows import read_category_tree, read_properties
from rec_sys.dataset.readers.reading_settings import ReadSettings
from rec_sys.dataset.readers.rejects import Rejects
from rec_sys.dataset.readers.rows import RawFile
from rec_sys.dataset.review_writer import write_products
from rec_sys.dataset.reviews import fingerprints_of
from rec_sys.errors import ConfigError, DataError
from rec_sys.files import atomic_folder, write_json
from rec_sys.progress import ProgressCallback

A_DAY_OF = 20  # rows within one day from which it is suspicious


@dataclass
class Derived:
    """What a file of events or orders becomes."""

    kept: int  # interactions
    users: int
    products: list[str]
    first: int  # milliseconds
    last: int
    kinds: dict[str, int]  # the weakest first
    weights: dict[str, float]
    names: dict[str, str]  # of products that have one
    otherwise: dict[str, int] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)
    sales: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Derive(Protocol):
    """Makes interactions, events and sales of checked rows, and writes them into a folder."""

    def __call__(self, rows: pl.DataFrame, reader: EventRows, settings: ReadSettings, folder: Path, /) -> Derived:
        """Of rows in the order of the file; what it leaves out goes to `reader.reject`."""


def prepare_log(
    path: Path,
    out: Path,
    settings: ReadSettings,
    derive: Derive,
    metadata: Path | None = None,
    progress: ProgressCallback | None = None,
) -> PreparedReviews:
    """Read a raw file into `out/<fingerprint>`, or find it read already; the folder appears whole or not at all.

    Args:
        path: CSV, Parquet, JSON or a workbook, plain or gzip-packed.
        out: the folder in which prepared folders are kept.
        settings: how to read; `format` says what the file is.
        derive: makes what is written of the rows.
        metadata: file with names and texts of the products.
        progress: told how much of the file is read.

    Raises:
        DataError: the file cannot be read, is none of events or orders, holds nothing usable, or so much is left out
            that the rest would mislead. What was left out stays in `out/<fingerprint>-rejects.jsonl`.
    """
    for name in ("user_ids", "product_ids"):
        if getattr(settings, name) is not None:
            raise ConfigError(f"data.{name} is for reviews that number their users or products; leave it out")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; expected a folder for prepared data: give another place")
    file = RawFile(path, settings.encoding)
    if metadata is not None:
        RawFile(metadata)
    fingerprint = fingerprints_of(path, metadata, settings)[0]
    folder = prepared_folder(out, fingerprint)
    found = find_prepared(folder, fingerprint)
    if found is not None:
        check_again(path, found.read, found.rejected, settings, folder / columns.REJECTS_FILE)
        return found
    raw, profile = find_event_profile(file, settings, progress)
    refused = out / f"{folder.name}-{columns.REJECTS_FILE}"
    with atomic_folder(folder) as temporary:
        with Rejects(temporary / columns.REJECTS_FILE, LISTED) as rejects:
            rows = EventRows(raw, profile, rejects)
            frame = pl.concat(list(rows.frames(progress)))
            derived = _derived(frame, rows, settings, temporary, derive)
        try:
            warnings = _check(path, derived, rows, settings, refused)
        except DataError as error:
            if not rejects.counts:
                raise
            shutil.copyfile(rejects.path, refused)
            listed = "" if str(refused) in str(error) else f"; the rows left out are listed in {refused}"
            raise DataError(f"{error}{listed}", error.remedy) from None
        assert derived is not None  # noqa: S101  `_check` has refused it
        names = dict.fromkeys(derived.products, "") | derived.names
        counts: Counter[str] = Counter()
        unmatched: list[str] = []
        products = read_products(metadata, counts) if metadata is not None else ()
        named = write_products(temporary / columns.PRODUCTS_FILE, names, products, counts, unmatched)
        if metadata is None:
            named = sum(bool(names[product]) for product in derived.products)  # the sales may have more products
        else:
            warnings += check_join(metadata, names, counts["reviewed"], unmatched)
        _write_properties(settings, temporary, derived, progress)
        prepared = _summary(folder, fingerprint, raw, profile, rows, derived, named, counts, warnings)
        summary = {name: value for name, value in asdict(prepared).items() if name != "folder"}
        write_json(temporary / columns.SUMMARY_FILE, summary)
    refused.unlink(missing_ok=True)
    return prepared


def _derived(
    frame: pl.DataFrame, rows: EventRows, settings: ReadSettings, folder: Path, derive: Derive
) -> Derived | None:
    """What the rows become; None where no row is usable."""
    if frame.is_empty():
        return None
    return derive(frame, rows, settings, folder)


def _write_properties(
    settings: ReadSettings, folder: Path, derived: Derived, progress: ProgressCallback | None
) -> None:
    """Write the properties of the products and the tree of their categories, where there are files of them."""
    if settings.category_tree is None and not settings.item_properties:
        return
    changes, counts = read_properties(settings.item_properties, derived.products, settings.properties or (), progress)
    changes.write_parquet(folder / columns.PROPERTIES_FILE)
    tree = pl.DataFrame(schema={"category": pl.String, "parent": pl.String})
    if settings.category_tree is not None:
        tree = read_category_tree(settings.category_tree)
    tree.write_parquet(folder / columns.CATEGORIES_FILE)
    said = [f"{counts[name]:,} {name}" for name in ("rows", "of these products", "kept", "changes")]
    said += [f"{counts[name]:,} {name}" for name in ("broken", "without a date") if counts[name]]
    derived.found["properties"] = [
        f"{', '.join(said)}; {changes[PROPERTY_OF].n_unique():,} of {len(derived.products):,} products; "
        f"{len(tree):,} categories"
    ]


def _check(path: Path, derived: Derived | None, rows: EventRows, settings: ReadSettings, kept_as: Path) -> list[str]:
    """Refuse what would mislead; returns what is to be said.

    Raises:
        DataError: nothing is usable, too much was left out, or a line was lost.
    """
    rejects, read, log = rows.rejects, rows.counts.read, rows.profile.columns.log
    if derived is None or not derived.kept:
        raise _nothing_usable(path, derived, rows, kept_as)
    warnings = check_left_out(path, read, rejects, None, settings, kept_as)
    file = rows.reader.file
    if file.in_lines:
        _account(rows).check(path)
    if settings.check_dates and read >= A_DAY_OF and derived.last - derived.first < DAY * SECOND:
        raise DataError(
            f"{path}: all rows are of one day, {shown_time(derived.first)}, by the column "
            f"{rows.profile.columns['timestamp']!r}; name the right one with data.columns.timestamp=..., or give "
            f"data.check_dates=false if they are right"
        )
    if rejects.limit is not None and (cut := [r for r, count in rejects.counts.items() if count > rejects.limit]):
        warnings.append(f"the list of rows left out holds the first {rejects.limit:,} of: {', '.join(cut)}")
    if derived.users == 1:
        warnings.append(f"all {log} are of one user; nothing can be learned from what others do")
    if len(derived.products) == 1:
        warnings.append(f"all {log} are of one product; there is nothing to choose from")
    return [*rows.profile.warnings, *derived.warnings, *warnings]


def _nothing_usable(path: Path, derived: Derived | None, rows: EventRows, kept_as: Path) -> DataError:
    """What to say where no interaction is left."""
    rejects, log = rows.rejects, rows.profile.columns.log
    became = {str(reason): count for reason, count in rejects.counts.most_common()}
    became |= derived.otherwise if derived else {}
    said = ", ".join(f"{count:,} {what}" for what, count in became.items()) or "none"
    start = f"{path} (of {log}) holds nothing usable: of {rows.counts.read:,} rows {said}"
    if rejects.counts:
        usual = rejects.counts.most_common(1)[0][0]
        return DataError(f"{start}; {rejects.first}; {remedy(usual, None)}; they are listed in {kept_as}")
    customer = rows.profile.columns["user"]
    return DataError(
        f"{start}; recommendations need purchases of customers that were not returned: is {customer!r} the column of "
        f"the customer (data.columns.user=...)?"
    )


def _account(rows: EventRows) -> LineAccount:
    """Where the physical lines of a text went."""
    file = rows.reader.file
    account = LineAccount(file.scan.lines)
    if file.kind in ("CSV", "RecBole"):
        account.header = file.layout.skipped
    account.blank, account.kept = rows.reader.blank, rows.counts.lines
    account.left_out = rows.counts.lines_left_out
    return account


def _summary(
    folder: Path,
    fingerprint: str,
    raw: Columnar,
    profile: EventProfile,
    rows: EventRows,
    derived: Derived,
    named: int,
    metadata: Counter[str],
    warnings: list[str],
) -> PreparedReviews:
    file, log = raw.file, profile.columns.log
    if file.stray_quotes:
        warnings = [
            *warnings,
            f"{file.stray_quotes:,} rows have quotes that close nothing; they were read as they stand",
        ]
    if file.is_text and (damaged := file.scan.damaged):
        warnings = [
            *warnings,
            f"{damaged:,} lines or more hold bytes that {file.scan.name} does not have; their letters are lost",
        ]
    found = dict(derived.found)
    for name, count in rows.counts.point_zero.items():
        if count:
            found.setdefault("ids", []).append(f"{count:,} of the {name} ended in .0, such as 17850.0, which is 17850")
    return PreparedReviews(
        folder=folder,
        fingerprint=fingerprint,
        source=file.path.name,
        kind=file.described,
        format=log,
        columns={name: [column] for name, column in profile.columns.names.items()},
        examples=profile.examples,
        read=rows.counts.read,
        lines=asdict(_account(rows)) if file.in_lines else {},
        unread=profile.unread,
        kept=derived.kept,
        order="time",
        order_column=profile.columns["timestamp"],
        rated=0,
        rejected=rows.rejects.by_kind,
        without_text=derived.kept,
        first=derived.first // SECOND,
        last=derived.last // SECOND,
        users=derived.users,
        products=len(derived.products),
        products_named=named,
        metadata=dict(metadata),
        warnings=warnings,
        log=log,
        otherwise=derived.otherwise,
        kinds=derived.kinds,
        weights=derived.weights,
        found=found,
        sales=derived.sales,
    )


def name_counts(rows: pl.DataFrame) -> pl.DataFrame:
    """How often each product bears each name: columns product, name, rows."""
    if NAME not in rows.columns:
        schema = {PRODUCT: pl.Categorical, NAME: pl.Categorical, "rows": pl.UInt32}
        return pl.DataFrame(schema=schema)
    return rows.group_by(PRODUCT, NAME).agg(pl.len().alias("rows"))


def time_span(rows: pl.DataFrame) -> tuple[int, int]:
    """The first and the last time of rows, milliseconds."""
    first, last = rows.select(pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")).row(0)
    return int(first), int(last)
