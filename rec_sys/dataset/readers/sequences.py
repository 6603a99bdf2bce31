"""Files that hold each person's products as one list in time order, unrolled to a row per interaction.

A JSON object `{person: [products]}`, or RecBole's and UniSRec's "atomic" files with the columns `user_id:token`,
`item_id_list:token_seq` (the products before) and `item_id:token` (the one that follows).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from rec_sys import columns
from rec_sys.dataset.readers.column_aliases import find_columns
from rec_sys.dataset.readers.identities import read_id
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.readers.rows import PRODUCT_LIST, Kind, Row

PLACE = "place"  # in the list, from 0
HEADER = [columns.USER_ID, columns.PRODUCT_ID, PLACE]  # of the rows that come out


@dataclass(frozen=True)
class Sequences:
    """Which columns hold the lists."""

    user: str
    products: str  # a list, or ids with spaces between them
    last: str | None  # the product that follows the list

    def unrolled(self, rows: Iterator[Row]) -> Iterator[Row]:
        """A row per interaction, repetitions included; people in the order of their first row, with its line.

        Of several rows of one person the longest list counts; of lists that were cut to one length, the later one.
        Memory holds one list per person.
        """
        longest: dict[str, tuple[int, Any, Any]] = {}  # line, list, last
        for line, row, lines in rows:
            if isinstance(row, str):
                yield Row(line, row, lines)
                continue
            user, products, last = read_id(row.get(self.user)), row.get(self.products), row.get(self.last or "")
            if not user or isinstance(user, Reason):
                yield Row(line, {columns.USER_ID: row.get(self.user)}, lines)
            elif user not in longest or _goes_on((products, last), longest[user][1:]):
                longest[user] = (longest.get(user, (line,))[0], products, last)
        for user, (line, products, last) in longest.items():
            for place, product in enumerate(_whole(products, last)):
                yield Row(line, {columns.USER_ID: user, columns.PRODUCT_ID: product, PLACE: place}, 0)


def find_sequences(kind: Kind, header: Collection[str], user: str | None, product: str | None) -> Sequences | None:
    """How a file holds lists; None where it has a row per interaction.

    Args:
        kind: of the file.
        header: its columns.
        user: the column of the person, as the settings name it; None: found by its name.
        product: the column of the product, likewise.
    """
    if kind == "JSON object" and PRODUCT_LIST in header:
        return Sequences(columns.USER_ID, PRODUCT_LIST, None)
    found = find_columns(header)
    user, product = user or found.get("user"), product or found.get("product")
    if kind != "RecBole" or user is None or product is None or f"{product}_list" not in header:
        return None
    return Sequences(user, f"{product}_list", product)


def _whole(products: Any, last: Any) -> list[Any]:
    listed = products.split() if isinstance(products, str) else list(products or ())
    return [*listed, last] if last is not None else listed


def _goes_on(new: tuple[Any, Any], old: tuple[Any, Any]) -> bool:
    """Whether the new list is longer, or is the old one a step later."""
    later, earlier = _whole(*new), _whole(*old)
    return len(later) > len(earlier) or (len(later) == len(earlier) and later[:-1] == earlier[1:] and later != earlier)
