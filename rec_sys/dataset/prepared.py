"""What became of a raw file of reviews: where the prepared folder is, and its summary in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from rec_sys import columns
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.readers.formats import Order

INTERACTIONS = {  # what a row of reviews.parquet stands for
    "events": "a user and a product, at the time of their first event, with the weight of the strongest kind",
    "orders": "a customer and a product in an invoice, with what was not returned",
}

Line = tuple[str, int | None, str]  # what it is about, how many, and words


@dataclass(frozen=True)
class PreparedReviews:
    """A prepared folder and what became of the raw rows.

    `read == kept + sum(rejected.values())`; of events and orders `kept` are interactions, and `otherwise` comes to it.
    """

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
    examples: dict[str, str] = field(default_factory=dict)  # the first value of each column, taken or not
    lines: dict[str, int] = field(default_factory=dict)  # physical lines of a text by what became of them
    newest_first: bool = False  # the file runs back in time
    rating_scale: list[float] | None = None  # lowest and best rating of the file; kept ratings are 1 to 5
    zero_is_none: bool = False  # there are ratings of 0, and they mean "not rated"
    collective: dict[str, int] = field(default_factory=dict)  # names that stand for many users, with their rows
    warnings: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)  # fingerprints that earlier versions give the same files
    log: str = ""  # "events" or "orders"; empty for reviews
    otherwise: dict[str, int] = field(default_factory=dict)  # rows of events and orders that are used in another way
    kinds: dict[str, int] = field(default_factory=dict)  # events of each kind, the weakest first
    weights: dict[str, float] = field(default_factory=dict)  # of each kind
    found: dict[str, list[str]] = field(default_factory=dict)  # what else was found and done, in words, by what it is
    sales: dict[str, float] = field(default_factory=dict)  # of orders: products, days, pieces, revenue, all net

    def describe(self) -> str:
        """A block for a person: what was found, taken, left out, and last what is suspicious."""
        return "\n".join([aligned(self.account()), *(f"warning: {warning}" for warning in self.warnings)])

    def account(self, with_columns: bool = True) -> list[Line]:
        """What was found, taken and left out, line by line; details begin with blanks."""
        left_out = sum(self.rejected.values())
        lines: list[Line] = [
            *self._found(with_columns),
            ("kept", self.kept, self._order()),
            *self._of_events(),
            ("left out", left_out, str(self.folder / columns.REJECTS_FILE) if left_out else ""),
            *((f"  {reason}", count, "") for reason, count in self.rejected.items()),
            ("users", self.users, ""),
        ]
        if self.collective:
            names = _shortened([f"{name!r} ({count:,})" for name, count in self.collective.items()])
            reviews = sum(self.collective.values())
            lines.append(("  names of many", reviews, f"reviews, each of a user of its own: {names}"))
        lines += [("products", self.products, ""), ("  with a name or text", self.products_named, "")]
        if self.metadata.get("broken"):
            lines.append(("  broken metadata rows", self.metadata["broken"], ""))
        return lines

    def _of_events(self) -> list[Line]:
        """What the kept rows have; of events and orders their kinds, and the rows that are used in another way."""
        if not self.log:
            return [
                ("  with a rating", self.rated, self._scale()),
                ("  with a text", self.kept - self.without_text, ""),
            ]
        lines: list[Line] = [("  interactions of", self.kept, INTERACTIONS[self.log])]
        lines += [(f"  {name}", None, words) for name, each in self.found.items() for words in each]
        lines += [
            (f"  events: {kind}", count, f"weight {self.weights[kind]:g}")
            for kind, count in self.kinds.items()
            if self.log == "events"
        ]
        if self.sales:
            sold = f"{self.sales['pieces']:,.0f} pieces net of {self.sales['products']:,.0f} products"
            money = f" for {self.sales['revenue']:,.2f}" if self.sales.get("revenue") is not None else ""
            lines.append(("  sales", int(self.sales["rows"]), f"products and days: {sold}{money}"))
        if self.otherwise:
            lines.append(("used otherwise", sum(self.otherwise.values()), ""))
            lines += [(f"  {name}", count, "") for name, count in self.otherwise.items()]
        return lines

    def _found(self, with_columns: bool) -> list[Line]:
        """The file, its lines and its columns."""
        lines: list[Line] = [("read", self.read, f"{self.source} ({self.format})")]
        if self.kind:
            lines.append(("  file", None, self.kind))
        if self.lines:
            lines.append(("  lines", self.lines["total"], self._lines()))
        if not with_columns:
            return lines
        width = max(map(len, self.columns), default=0)
        for place, (name, taken) in enumerate(self.columns.items()):
            first = place == 0
            head = "  columns taken" if first else ""
            count = sum(map(len, self.columns.values())) if first else None
            lines.append((head, count, f"{name:<{width}}  {', '.join(taken)}"))
        if self.unread:
            lines.append(("  columns not read", len(self.unread), _shortened(self.unread)))
        return lines

    def _lines(self) -> str:
        """Where the lines of the file went."""
        parts = ((name.replace("_", " "), count) for name, count in self.lines.items() if name != "total")
        return "= " + " + ".join(f"{count:,} {name}" for name, count in parts if count or name == "kept")

    def _scale(self) -> str:
        """The scale of the file, where it is not 1 to 5."""
        said = []
        if self.rating_scale and self.rating_scale != [MIN_RATING, MAX_RATING]:
            low, high = self.rating_scale
            said.append(f"{low:g} to {high:g}, read as {MIN_RATING:g} to {MAX_RATING:g}")
        if self.zero_is_none:
            said.append("0 means not rated")
        return "; ".join(said)

    def _order(self) -> str:
        """Where the order of the reviews comes from."""
        if self.order == "time":
            days = " to ".join(f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}" for when in (self.first, self.last))
            return days + (", the newest first" if self.newest_first else "")
        return {
            "column": f"in the order of the column {self.order_column!r}, without dates",
            "list": "in the order of the lists, without dates",
            "file": "in the order of the file: it has no column for the time",
        }[self.order]


def aligned(lines: list[Line]) -> str:
    """Lines with their counts below each other."""
    width = max(len(name) for name, _, _ in lines)
    counts = ["" if count is None else f"{count:,}" for _, count, _ in lines]
    return "\n".join(
        f"{name:<{width}}  {count:>11}  {words}".rstrip() for (name, _, words), count in zip(lines, counts, strict=True)
    )


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
    more = {"events": (columns.EVENTS_FILE,), "orders": (columns.EVENTS_FILE, columns.SALES_FILE)}
    if not all((folder / name).is_file() for name in more.get(prepared.log, ())):
        return None
    return prepared if prepared.fingerprint == fingerprint else None


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")
