"""Review tables of the optional real data, read directly; the fixture `shared_data` gives the folders."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np

from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap
from tests.support.toy import Review, table_of


def instruments_2018(folder: Path) -> ReviewTable:
    """24,772 people, 9,922 products, 206,153 reviews: positions as timestamps, no ratings, no texts."""
    path = folder / "Instruments.inter.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        histories: dict[str, list[int]] = json.load(file)
    lengths = np.array([len(products) for products in histories.values()])
    product = np.concatenate([np.array(products, dtype=np.int64) for products in histories.values()])
    number = np.arange(len(product))
    return ReviewTable(
        users=IdMap(histories, "user"),
        products=IdMap(map(str, range(int(product.max()) + 1)), "product"),
        user=np.repeat(np.arange(len(histories)), lengths),
        product=product,
        rating=np.full(len(product), np.nan, dtype=np.float32),
        timestamp=number - np.repeat(np.cumsum(lengths) - lengths, lengths),
        row=number,
        fingerprint="instruments_2018",
    )


def scientific_2018(folder: Path) -> ReviewTable:
    """8,442 people, 4,385 products, 59,384 reviews: positions as timestamps, no ratings, no texts; ids are Amazon's.

    The file of the test holds the whole list of each person, cut to the last 51 products.
    """

    def ids(name: str) -> dict[str, str]:
        with gzip.open(folder / name, "rt", encoding="utf-8") as file:
            return {number: given for given, number in csv.reader(file, delimiter="\t")}

    users, products = ids("Scientific.user2index.gz"), ids("Scientific.item2index.gz")
    reviews: list[Review] = []
    with gzip.open(folder / "Scientific.test.inter.gz", "rt", encoding="utf-8") as file:
        for user, before, last in list(csv.reader(file, delimiter="\t"))[1:]:
            for place, product in enumerate([*before.split(), last]):
                reviews.append((users[user], products[product], np.nan, place))
    return table_of(reviews)


def musical_instruments_2014(folder: Path) -> ReviewTable:
    """1,429 people, 900 products, 10,261 reviews with ratings; texts are left out."""
    path = folder / "Musical_instruments_reviews.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        reviews: list[Review] = [
            (row["reviewerID"], row["asin"], float(row["overall"]), int(row["unixReviewTime"]))
            for row in csv.DictReader(file)
        ]
    return table_of(reviews)
