"""Properties of products as they were: which category a product was in at a time, and whether it could be had.

Nothing is known of a product before its first row, and nothing of a later row is used: a model that asks for the time
of an event sees the shop of that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rec_sys import columns
from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.readers.property_rows import AVAILABLE, CATEGORY, NAME, PRODUCT, TIME, VALUE
from rec_sys.errors import DataError
from rec_sys.ids import IdMap

SECOND = 1_000  # milliseconds
YES, NO = ("1", "true", "yes", "y", "t"), ("0", "false", "no", "n", "f")


@dataclass(frozen=True)
class ProductProperties:
    """Changes of properties, sorted by product, then property, then time.

    Products are numbered as in the review table of the same data set.
    """

    products: IdMap
    names: tuple[str, ...]  # of the properties
    values: list[str]  # every different value
    product: Ints  # (num_changes,) product numbers, ascending
    name: Ints  # (num_changes,) places in `names`
    value: Ints  # (num_changes,) places in `values`
    time: Ints  # (num_changes,) seconds since 1970 UTC from which the value holds
    categories: IdMap  # of the tree and of the products
    parent: Ints  # (num_categories,) category numbers; -1: a root, or not in the tree

    def __len__(self) -> int:
        return len(self.product)

    def value_at(self, name: str, product: Ints, time: Ints) -> Ints:
        """(n,) place in `values` of a property of products at times; -1 where nothing is known yet.

        Args:
            name: of the property.
            product: (n,) product numbers.
            time: (n,) or one, seconds since 1970 UTC.

        Raises:
            DataError: the property was not kept.
        """
        if name not in self.names:
            raise DataError(
                f"the data holds no property {name!r} of its products; it has {', '.join(self.names) or 'none'}: "
                f"data.properties=[{name}] keeps it when it is read"
            )
        rows = np.flatnonzero(self.name == self.names.index(name))
        # One number sorts by product and time: times are less than 2^33 seconds.
        key = self.product[rows] * (1 << 33) + self.time[rows]
        if not len(rows):
            return np.full(len(product), -1, dtype=np.int64)
        place = np.searchsorted(key, product * (1 << 33) + np.asarray(time), side="right") - 1
        before = rows[place.clip(0)]
        found = (place >= 0) & (self.product[before] == product)
        values: Ints = np.where(found, self.value[before], -1)
        return values

    def category_of(self, product: Ints, time: Ints) -> Ints:
        """(n,) category number of products at times; -1 where none is known yet."""
        if CATEGORY not in self.names:
            return np.full(len(product), -1, dtype=np.int64)
        number = np.append(self.categories.known_numbers(self.values), -1)  # the last one for -1
        found: Ints = number[self.value_at(CATEGORY, product, time)]
        return found

    def availability_of(self, product: Ints, time: Ints) -> Floats:
        """(n,) 1 where a product could be had at a time, 0 where it could not; nan where nothing is known yet."""
        if AVAILABLE not in self.names:
            return np.full(len(product), np.nan, dtype=np.float32)
        said = [1.0 if value.lower() in YES else 0.0 if value.lower() in NO else np.nan for value in self.values]
        found: Floats = np.array([*said, np.nan], dtype=np.float32)[self.value_at(AVAILABLE, product, time)]
        return found

    def category_at(self, time: int) -> Ints:
        """(num_products,) category number of every product at a time; -1 where none is known yet."""
        return self.category_of(np.arange(len(self.products)), np.int64(time))  # type: ignore[arg-type]

    def available_at(self, time: int) -> Floats:
        """(num_products,) 1: can be had at a time, 0: cannot, nan: nothing is known yet."""
        return self.availability_of(np.arange(len(self.products)), np.int64(time))  # type: ignore[arg-type]

    def ancestor(self, category: Ints, levels: int = 1) -> Ints:
        """(n,) the category so many levels above each, or the root where that is nearer; -1 stays."""
        up = np.append(self.parent, -1)
        for _ in range(levels):
            above = up[category]
            category = np.where(above >= 0, above, category)
        return category


def load_properties(folder: Path, products: IdMap) -> ProductProperties:
    """The properties of a prepared folder, of the products of a table."""
    frame = pl.read_parquet(folder / columns.PROPERTIES_FILE)
    numbers = dict(zip(products.ids, range(len(products)), strict=True))
    product = frame[PRODUCT].replace_strict(numbers, default=-1, return_dtype=pl.Int64)
    frame = frame.with_columns(product.alias("number")).filter(pl.col("number") >= 0).sort("number", NAME, TIME)
    names = frame[NAME].unique().sort().to_list()
    values = frame[VALUE].unique(maintain_order=True)
    tree = pl.read_parquet(folder / columns.CATEGORIES_FILE)
    used = frame.filter(pl.col(NAME) == CATEGORY)[VALUE].unique(maintain_order=True).to_list()
    every = [*tree["category"].to_list(), *tree["parent"].drop_nulls().to_list(), *used]
    categories = IdMap(dict.fromkeys(every), "category")
    parent = np.full(len(categories), -1, dtype=np.int64)
    for category, above in tree.drop_nulls("parent").iter_rows():
        parent[categories.number(category)] = categories.number(above)
    return ProductProperties(
        products=products,
        names=tuple(names),
        values=values.to_list(),
        product=frame["number"].to_numpy(),
        name=frame[NAME].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy(),
        value=frame[VALUE].replace_strict(values, range(len(values)), return_dtype=pl.Int64).to_numpy(),
        time=(frame[TIME] // SECOND).to_numpy(),
        categories=categories,
        parent=parent,
    )
