"""Fields inside fields, as shops send them: `{"product": {"sku": 7}}` is read as the column `product.sku`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 4


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the fields of inner objects beside its own; the inner objects themselves are left out."""
    return dict(_flat(row, "", MAX_DEPTH))


def _flat(row: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and value and depth:
            yield from _flat(value, f"{prefix}{name}.", depth - 1)
        else:
            yield prefix + name, value
