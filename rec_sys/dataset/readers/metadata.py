"""What is known about products besides their reviews: names, and the texts the encoder reads.

Reads Amazon 2018 and 2023 metadata, RecBole's and UniSRec's texts, and any file with a product's id and a name or text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rec_sys.dataset.readers.column_aliases import PRODUCT_ALIASES, Columns, all_columns
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.review_reader import first_id
from rec_sys.dataset.readers.rows import RawFile, peek
from rec_sys.dataset.readers.texts import on_one_line, read_text
from rec_sys.errors import DataError

MAX_NAME = 300  # characters
MAX_DESCRIPTION = 1_000  # characters; the encoder reads about as many
MAX_RAW = 20_000  # characters of a field that are looked at


class Product(NamedTuple):
    """What one product is."""

    product_id: str
    name: str  # what a person reads; may be empty
    text: str  # title, categories, brand and description; what the encoder reads


def read_products(path: Path, counts: Counter[str] | None = None) -> Iterator[Product]:
    """Products of a file of JSON lines, CSV or Parquet, plain or gzip-packed, one at a time.

    Of several rows of one product the first that holds anything is taken; a product without any name and text is
    left out. Memory holds the ids only.

    Args:
        path: the file.
        counts: where rows are counted as "read", "broken", "no id", "empty" and "repeated".

    Raises:
        DataError: the file cannot be read, has no columns for an id and a name or text, or holds no usable product.
    """
    counts = Counter() if counts is None else counts
    header, rows = peek(RawFile(path))
    columns = all_columns(header, aliases=PRODUCT_ALIASES)
    for what, fields in (("id", ("id",)), ("name or text", ("name", "description"))):
        if not any(field in columns for field in fields):
            names = [alias for field in fields for alias in PRODUCT_ALIASES[field][:6]]
            raise DataError(
                f"{path} has no column for the {what} of a product; it has {', '.join(map(repr, header[:20]))}; "
                f"expected one of {', '.join(names)}, ...: rename the column"
            )
    seen: set[str] = set()
    for _, row, _ in rows:
        counts["read"] += 1
        if isinstance(row, str):
            counts["broken"] += 1
            continue
        product_id = first_id(row, columns["id"])
        if isinstance(product_id, Reason):
            counts["damaged id"] += 1
        elif not product_id:
            counts["no id"] += 1
        elif product_id in seen:
            counts["repeated"] += 1
        else:
            product = product_of(product_id, row, columns)
            if product.text:
                seen.add(product_id)
                yield product
            else:
                counts["empty"] += 1
    if not seen:
        found = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        raise DataError(f"{path} holds no usable product ({found}); expected rows with an id and a name or text")


def product_of(product_id: str, row: Mapping[str, Any], columns: Mapping[str, Columns] | None = None) -> Product:
    """The product of a raw row.

    Args:
        product_id: its id.
        row: the fields.
        columns: by field, the columns that may hold it; None: found by their names.
    """
    columns = all_columns(row, aliases=PRODUCT_ALIASES) if columns is None else columns
    name = _cut(_clean(next(_parts(row, columns.get("name", ())), "")), MAX_NAME)
    if "getTime(" in name:  # scripts of 2018's pages that were taken for titles
        name = ""
    categories = ", ".join(dict.fromkeys(filter(None, map(_clean, _parts(row, columns.get("categories", ()))))))
    brand = _clean(next(_parts(row, columns.get("brand", ())), ""))
    about = " ".join(filter(None, map(_clean, _parts(row, columns.get("description", ())))))
    known = (name, _cut(categories, MAX_NAME), brand, _cut(about, MAX_DESCRIPTION))
    return Product(product_id, name, ". ".join(part.rstrip(".") for part in known if part))


def _parts(row: Mapping[str, Any], names: Collection[str]) -> Iterator[str]:
    """The texts of the first of these columns that holds any; lists, also of lists, are opened."""
    for name in names:
        value = row.get(name)
        parts = value if isinstance(value, list) else [value]
        flat = [inner for part in parts for inner in (part if isinstance(part, list) else [part])]
        texts = [text for text in map(read_text, flat) if text]
        if texts:
            yield from texts
            return


def _clean(text: str) -> str:
    """With single spaces."""
    return on_one_line(text[:MAX_RAW])


def _cut(text: str, length: int) -> str:
    """Cut at a space where there is one."""
    return text if len(text) <= length else text[: length + 1].rsplit(" ", 1)[0][:length]
