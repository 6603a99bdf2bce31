"""What became of a raw file of reviews: where the prepared folder is, and its summary in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from rec_sys import columns
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.readers.formats import Order


@dataclass(frozen=True)
class PreparedReviews:
    """A prepared folder and what became of the raw rows; `read == kept + sum(rejected.values())`."""

    folder: Path  # holds reviews.parquet, products.parquet, rejects.jsonl and summary.json
    fingerprint: str  # hex, of the raw files, the settings and VERSION
    source: str  # the raw file
    format: str
    read: int  # rows that are not blank; of lists, their products
    unread: list[str]  # columns that are not looked at
    kept: int
    order: Order  # where the order of a person's reviews, their timestamps, comes from
    order_column: str  # its column; empty where there is none
    rated: int  # of the kept
    rejected: dict[str, int]  # by reason, the most frequent first
    without_text: int  # of the kept
    first: int  # timestamp of the oldest kept review
    last: int  # timestamp of the newest
    users: int  # distinct users of the kept reviews
    products: int  # distinct products of the kept reviews
    products_named: int  # of these, with a name or text
    metadata: dict[str, int]  # rows of the metadata file by what became of them; empty without one
    kind: str = ""  # of the file, with its encoding, in words
    columns: dict[str, list[str]] = field(default_factory=dict)  # taken for each field; empty for lists
    lines: dict[str, int] = field(default_factory=dict)  # physical lines of a text by what became of them
    newest_first: bool = False  # the file runs back in time
    rating_scale: list[float] | None = None  # lowest and best rating of the file; kept ratings are 1 to 5
    zero_is_none: bool = False  # there are ratings of 0, and they mean "not rated"
    collective: dict[str, int] = field(default_factory=dict)  # names that stand for many users, with their rows
    warnings: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)  # fingerprints that earlier versions give the same files

    def describe(self) -> str:
        """A block for a person: what was found, taken, left out, and what is suspicious."""
        left_out = sum(self.rejected.values())
        lines: list[tuple[str, str]] = [("read", f"{self.read:>12,}  {self.source} ({self.format})")]
        if self.kind:
            lines.append(("  file", f"{'':>12}  {self.kind}"))
        if self.lines:
            lines.append(("  lines", f"{self.lines['total']:>12,}  {self._lines()}"))
        lines += [(f"  {name}", f"{'':>12}  {', '.join(taken)}") for name, taken in self.columns.items()]
        if self.unread:
            lines.append(("  columns not read", f"{len(self.unread):>12,}  {_shortened(self.unread)}"))
        lines += [
            ("kept", f"{self.kept:>12,}  {self._order()}"),
            ("  with a rating", f"{self.rated:>12,}" + self._scale()),
            ("  with a text", f"{self.kept - self.without_text:>12,}"),
            ("left out", f"{left_out:>12,}" + (f"  {self.folder / columns.REJECTS_FILE}" if left_out else "")),
        ]
        lines += [(f"  {reason}", f"{count:>12,}") for reason, count in self.rejected.items()]
        lines.append(("users", f"{self.users:>12,}"))
        if self.collective:
            names = _shortened([f"{name!r} ({count:,})" for name, count in self.collective.items()])
            reviews = sum(self.collective.values())
            lines.append(("  names of many", f"{reviews:>12,}  reviews, each of a user of its own: {names}"))
        lines += [
            ("products", f"{self.products:>12,}"),
            ("  with a name or text", f"{self.products_named:>12,}"),
        ]
        if self.metadata.get("broken"):
            lines.append(("  broken metadata rows", f"{self.metadata['broken']:>12,}"))
        width = max(len(name) for name, _ in lines)
        block = [f"{name:<{width}} {value}".rstrip() for name, value in lines]
        return "\n".join([*block, *(f"warning: {warning}" for warning in self.warnings)])

    def _lines(self) -> str:
        parts = ((name.replace("_", " "), count) for name, count in self.lines.items() if name != "total")
        return "= " + " + ".join(f"{count:,} {name}" for name, count in parts if count or name == "kept")

    def _scale(self) -> str:
        said = []
        if self.rating_scale and self.rating_scale != [MIN_RATING, MAX_RATING]:
            low, high = self.rating_scale
            said.append(f"{low:g} to {high:g}, read as {MIN_RATING:g} to {MAX_RATING:g}")
        if self.zero_is_none:
            said.append("0 means not rated")
        return "  " + "; ".join(said) if said else ""

    def _order(self) -> str:
        if self.order == "time":
            days = " to ".join(f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}" for when in (self.first, self.last))
            return days + (", the newest first" if self.newest_first else "")
        return {
            "column": f"in the order of the column {self.order_column!r}, without dates",
            "list": "in the order of the lists, without dates",
            "file": "in the order of the file: it has no column for the time",
        }[self.order]


def prepared_folder(out: Path, fingerprint: str) -> Path:
    """Where the prepared folder of a fingerprint lies."""
    return out / fingerprint[:16]


def find_prepared(folder: Path, fingerprint: str) -> PreparedReviews | None:
    """The prepared folder if it is there and whole."""
    names = (columns.REVIEWS_FILE, columns.PRODUCTS_FILE, columns.REJECTS_FILE, columns.SUMMARY_FILE)
    if not all((folder / name).is_file() for name in names):
        return None
    try:
        prepared = PreparedReviews(folder=folder, **orjson.loads((folder / columns.SUMMARY_FILE).read_bytes()))
    except (ValueError, TypeError):
        return None
    return prepared if prepared.fingerprint == fingerprint else None


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")
