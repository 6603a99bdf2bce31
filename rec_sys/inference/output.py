"""Recommendations for a person to read, and for other programs: JSON lines or Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from rec_sys import columns
from rec_sys.errors import ConfigError
from rec_sys.files import atomic_file
from rec_sys.inference.recommend import Recommendations, excerpt

JSON_LINES, PARQUET = (".jsonl", ".json", ".ndjson"), (".parquet",)
NAME_WIDTH = 60  # characters

SCHEMA = pa.schema(
    [
        (columns.USER_ID, pa.string()),
        ("rank", pa.int32()),  # from 1
        (columns.PRODUCT_ID, pa.string()),
        (columns.PRODUCT_NAME, pa.string()),
        ("score", pa.float32()),  # of the graph model the cosine of user and product
        ("stars", pa.float32()),  # predicted rating; null of a model that predicts none
    ]
)


def check_output(path: Path) -> None:
    """Refuse a file of unknown kind before any work is done.

    Raises:
        ConfigError: the suffix is not known, or the path is a folder.
    """
    if path.suffix not in JSON_LINES + PARQUET:
        raise ConfigError(f"output={path}: unknown suffix {path.suffix!r}; expected .jsonl or .parquet")
    if path.is_dir():
        raise ConfigError(f"output={path} is a folder; name a file in it")


def write_recommendations(path: Path, batches: Iterable[list[Recommendations]]) -> int:
    """Write recommendations as they come; the file appears whole or not at all.

    Args:
        path: JSON lines hold one user a line, with why and note; Parquet holds one product a row.
        batches: read one at a time.

    Returns:
        The number of users.
    """
    check_output(path)
    users = 0
    with atomic_file(path) as temporary:
        if path.suffix in PARQUET:
            with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
                for batch in batches:
                    users += len(batch)
                    rows = [row for result in batch for row in _rows(result)]
                    writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
        else:
            with temporary.open("wb") as file:
                for batch in batches:
                    users += len(batch)
                    file.writelines(orjson.dumps(asdict(result), option=orjson.OPT_APPEND_NEWLINE) for result in batch)
    return users


def _rows(result: Recommendations) -> list[dict[str, Any]]:
    return [
        {columns.USER_ID: result.user_id, "rank": rank, **asdict(item)}
        | ({"stars": None} if math.isnan(item.stars) else {})
        for rank, item in enumerate(result.items, 1)
    ]


def describe(result: Recommendations) -> str:
    """A table of one user's recommendations, and why."""
    width = max([len(item.product_id) for item in result.items] + [len("product")])
    name_width = max([len(excerpt(item.name, NAME_WIDTH)) for item in result.items] + [len("name")])
    lines = [result.user_id]
    if result.items:
        rated = not all(math.isnan(item.stars) for item in result.items)  # most models predict none
        lines.append(
            f"  {'':>3}  {'product':<{width}}  {'name':<{name_width}}  {'score':>6}" + ("  stars" if rated else "")
        )
        lines += [
            f"  {rank:>3}  {item.product_id:<{width}}  {excerpt(item.name, NAME_WIDTH):<{name_width}}  "
            f"{item.score:>6.3f}" + (f"  {item.stars:>5.2f}" if rated else "")
            for rank, item in enumerate(result.items, 1)
        ]
    if result.why:
        lines.append("  why")
        lines += [
            f"  {reason.attention:>4.0%}  {excerpt(reason.name, NAME_WIDTH) or reason.product_id}"
            + (f': "{reason.excerpt}"' if reason.excerpt else "")
            for reason in result.why
        ]
    if result.note:
        lines.append(f"  note: {result.note}")
    return "\n".join(lines)
