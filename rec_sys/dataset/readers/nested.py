"""Fields inside fields, as shops send them: `{"product": {"sku": 7}}` is read as the column `product.sku`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 4
MAX_NESTED = 64  # levels that are looked at; nothing that is read lies deeper
LIST_NAMES = frozenset(  # what the list of reviews is called in a document
    ("reviews", "data", "items", "results", "records", "rows", "documents", "response", "result", "hits", "comments")
)
# A value with its type, as MongoDB writes it (extended JSON).
_TYPED = ("$oid", "$date", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$uuid", "$symbol")


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the fields of inner objects beside its own; the inner objects themselves are left out."""
    return dict(_flat(row, "", MAX_DEPTH))


def _flat(row: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and value and depth:
            yield from _flat(value, f"{prefix}{name}.", depth - 1)
        else:
            yield prefix + name, value


def plain_values(value: Any, depth: int = MAX_NESTED) -> Any:
    """The value with `{"$oid": "..."}` and the like replaced by what they hold, `depth` levels down."""
    if not depth:
        return value
    if isinstance(value, dict):
        if len(value) == 1:
            name = next(iter(value))
            if name in _TYPED:
                return plain_values(value[name], depth - 1)
        return {name: plain_values(inner, depth - 1) for name, inner in value.items()}
    return [plain_values(inner, depth - 1) for inner in value] if isinstance(value, list) else value


def unrolled(row: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """A row per object of the list `name`; what stands beside the list belongs to each."""
    beside = {key: value for key, value in row.items() if key != name}
    for item in row.get(name) or ():
        yield {**beside, **item} if isinstance(item, dict) else beside
