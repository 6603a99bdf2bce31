"""Properties of products as they were at each time, and the tree of categories: the two files of RetailRocket's shop.

`item_properties.csv` has a row `timestamp, itemid, property, value` whenever somebody looked: of twenty million rows
most are of products that nobody looked at, or of properties whose names are hidden, and are passed over as they are
read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from rec_sys.dataset.readers.column_aliases import ALIASES, Columns, all_columns
from rec_sys.dataset.readers.column_values import IdForm, as_texts, read_ids, read_times
from rec_sys.dataset.readers.columnar import BROKEN, Columnar, SpanningQuotes
from rec_sys.dataset.readers.date_columns import DateColumn, DateForm
from rec_sys.dataset.readers.rows import RawFile
from rec_sys.errors import DataError
from rec_sys.progress import ProgressCallback, Stage

PRODUCT, TIME, NAME, VALUE = "product", "time", "property", "value"
CATEGORY, AVAILABLE = "categoryid", "available"  # properties that are always kept
HEAD = 1_000  # rows by which the times are told

PROPERTY_ALIASES: dict[str, Columns] = {
    "product": ALIASES["product"],
    "timestamp": ALIASES["timestamp"],
    "property": ("property", "attribute", "property_name", "attribute_name", "key", "feature"),
    "value": ("value", "property_value", "attribute_value", "val"),
}
TREE_ALIASES: dict[str, Columns] = {
    "category": ("categoryid", "category_id", "category", "id", "node", "child"),
    "parent": ("parentid", "parent_id", "parent", "parent_category", "parent_category_id"),
}
SAME_AS: dict[str, str] = {
    "category": CATEGORY,
    "category_id": CATEGORY,
    "in_stock": AVAILABLE,
    "availability": AVAILABLE,
}


def read_properties(
    paths: Sequence[Path],
    products: Collection[str],
    more: Collection[str] = (),
    progress: ProgressCallback | None = None,
) -> tuple[pl.DataFrame, Counter[str]]:
    """The changes of properties of some products.

    Args:
        paths: the files, in any order.
        products: ids; rows of others are passed over.
        more: names of properties to keep beside category and availability.
        progress: told how much is read.

    Returns:
        Columns product, property, value, time (ms), sorted by the first two and the time, a row per change; and how
        many rows there were, by what became of them.

    Raises:
        DataError: a file cannot be read, or speaks of none of the products.
    """
    counts: Counter[str] = Counter()
    wanted = pl.DataFrame({PRODUCT: pl.Series(sorted(products), dtype=pl.String)})
    kept = [frame for path in paths for frame in _read(path, wanted, {CATEGORY, AVAILABLE, *more}, counts, progress)]
    names = ", ".join(map(str, paths))
    if paths and not counts["of these products"]:
        raise DataError(
            f"{names}: none of {counts['rows']:,} rows is of one of the {len(wanted):,} products of the events; do "
            f"both files name products the same way?"
        )
    schema = {PRODUCT: pl.String, NAME: pl.String, VALUE: pl.String, TIME: pl.Int64}
    rows = (pl.concat(kept) if kept else pl.DataFrame(schema=schema)).sort(PRODUCT, NAME, TIME)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in (PRODUCT, NAME, VALUE)).fill_null(False)
    changes = rows.filter(~rows.select(same).to_series())
    counts["changes"] = len(changes)
    return changes, counts


def _read(
    path: Path, wanted: pl.DataFrame, names: set[str], counts: Counter[str], progress: ProgressCallback | None
) -> list[pl.DataFrame]:
    """The wanted rows of one file."""
    reader = Columnar(RawFile(path))
    columns = _columns(path, reader.header, PROPERTY_ALIASES)
    try:
        return _kept(reader, columns, wanted, names, counts, progress)
    except SpanningQuotes:
        reader.way = "rows"
        return _kept(reader, columns, wanted, names, counts, progress)


def _kept(
    reader: Columnar,
    columns: dict[str, str],
    wanted: pl.DataFrame,
    names: set[str],
    counts: Counter[str],
    progress: ProgressCallback | None,
) -> list[pl.DataFrame]:
    file, found, form = reader.file, [], None
    stage = Stage(f"read {file.path.name}", file.size, "bytes", progress)
    seen: Counter[str] = Counter()
    for raw in reader.frames(list(columns.values())):
        seen["rows"] += len(raw)
        good = raw.filter(pl.col(BROKEN).is_null())
        seen["broken"] += len(raw) - len(good)
        if form is None and len(good):
            form = _form(good[columns["timestamp"]], columns["timestamp"])
        ids, _, _ = read_ids(good[columns["product"]], IdForm())
        short = as_texts(good[columns["property"]]).str.strip_chars()
        frame = good.with_columns(ids.alias("\0id"), short.replace(SAME_AS).alias("\0name"))
        frame = frame.join(wanted, left_on="\0id", right_on=PRODUCT, how="semi")
        seen["of these products"] += len(frame)
        frame = frame.filter(pl.col("\0name").is_in(sorted(names)))
        if len(frame) and form is not None:
            rows = pl.DataFrame(
                {
                    PRODUCT: frame["\0id"],
                    NAME: frame["\0name"],
                    VALUE: as_texts(frame[columns["value"]]).str.strip_chars().fill_null(""),
                    TIME: read_times(frame[columns["timestamp"]], form),
                }
            )
            seen["without a date"] += rows[TIME].null_count()
            found.append(rows.filter(pl.col(TIME).is_not_null()))
            seen["kept"] += len(found[-1])
        stage.reach(file.position)
    stage.reach(file.size)
    counts.update(seen)
    return found


def _form(values: pl.Series, name: str) -> DateForm:
    column = DateColumn(name)
    for value in values.head(HEAD).to_list():
        column.add(value)
    return column.form()


def read_category_tree(path: Path) -> pl.DataFrame:
    """Columns category, parent (null at a root), each category once.

    Raises:
        DataError: the file cannot be read, a category has two parents, or is above itself.
    """
    reader = Columnar(RawFile(path))
    columns = _columns(path, reader.header, TREE_ALIASES)
    rows = pl.concat(list(reader.frames(list(columns.values())))).filter(pl.col(BROKEN).is_null())
    category, parent = (read_ids(rows[columns[name]], IdForm())[0].alias(name) for name in ("category", "parent"))
    tree = pl.DataFrame([category, parent]).drop_nulls("category").unique(maintain_order=True)
    if not (twice := tree.filter(pl.col("category").is_duplicated())).is_empty():
        raise DataError(f"{path} gives the category {twice['category'][0]!r} two parents; expected a tree")
    above = dict(tree.iter_rows())
    for start in above:
        path_up, at = {start}, above[start]
        while at is not None and at not in path_up:
            path_up.add(at)
            at = above.get(at)
        if at is not None:
            raise DataError(f"{path}: the category {at!r} is above itself; expected a tree")
    return tree


def _columns(path: Path, header: Sequence[str], aliases: dict[str, Columns]) -> dict[str, str]:
    """The column of each field.

    Raises:
        DataError: one is missing.
    """
    found = all_columns(header, aliases=aliases)
    names: dict[str, str] = {}
    for field in aliases:
        left = [name for name in found.get(field, ()) if name not in names.values()]
        if not left:
            raise DataError(
                f"{path} has no column for the {field} ({', '.join(aliases[field][:4])}); it has "
                f"{', '.join(map(repr, header[:20]))}"
            )
        names[field] = left[0]
    return names
