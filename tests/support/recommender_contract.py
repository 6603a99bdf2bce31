"""What the contract of all recommenders is tested with: small settings of each, and one small data set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Split, histories_before, split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders import registry
from rec_sys.recommenders.base import Recommender
from tests.support.toy import checkerboard

TEXT_DIM = 12

# So small that fitting takes a moment; a model that is not named here is fitted with its defaults.
SMALL: dict[str, dict[str, Any]] = {
    "item_knn": {"shrink": 2, "decay": 0.8},
    "ease": {"regularisation": 5},
    "ease_pairs": {"regularisation": 5, "pairs": 1},
    "text_ease": {"regularisation": 5, "text_weight": 2},
    "als": {"factors": 8, "regularisation": 1, "alpha": 10, "iterations": 8},
    "bpr": {"factors": 8, "iterations": 20},
    "svd": {"factors": 8, "epochs": 10},
    "biased_als": {"factors": 4, "iterations": 5, "regularisation": 0.5},
    "sasrec": {
        "dim": 8,
        "heads": 2,
        "blocks": 2,
        "max_history": 4,
        "batch_size": 100,
        "epochs": 3,
        "learning_rate": 0.01,
    },
    "neumf": {"factors": 4, "epochs": 4, "batch_size": 300, "learning_rate": 0.02},
    "two_stage": {
        "sources": ["item_knn", "als"],
        "source_settings": {"als": {"factors": 4, "iterations": 4}},
        "windows": 4,
        "window_share": 0.12,
        "rounds": 20,
        "min_leaf": 10,
        "leaves": 4,
    },
    "graph": {"dim": 16, "heads": 2, "max_history": 8, "item_factors": 8, "exclusion_codes": 4, "max_epochs": 2},
}

# Models that look at the validation reviews while they are fitted; the test reviews nobody looks at.
CHOOSE_ON_VALIDATION = ("graph",)

# How far scores may drift where only the batch differs.
TOLERANCE = 1e-4


def small(name: str, **settings: Any) -> Recommender:
    """A new, unfitted model of the registry with its small settings."""
    return registry.create(name, **{**SMALL.get(name, {}), **settings})


def contract_dataset(table: ReviewTable | None = None, split: Split | None = None) -> Dataset:
    """The checkerboard with ratings, times and texts; three products have no text of their own."""
    table = checkerboard() if table is None else table
    generator = np.random.default_rng(0)
    of_products, of_reviews = (_unit(generator.normal(size=(n, TEXT_DIM))) for n in (table.num_products, len(table)))
    of_products[:3] = 0
    return Dataset.of_table(
        table,
        split_by_time(table) if split is None else split,
        review_text=of_reviews,
        product_text=of_products,
        names=[f"product {number}" for number in range(table.num_products)],
        name="contract",
        encoder={"name": "none", "backend": "random", "fingerprint": "toy"},
    )


def with_other_reviews(dataset: Dataset, reviews: Ints) -> Dataset:
    """The same data set but for some reviews, which say something else."""
    table = dataset.table
    product, rating, timestamp = table.product.copy(), table.rating.copy(), table.timestamp.copy()
    product[reviews] = (product[reviews] * 7 + 3) % table.num_products
    rating[reviews] = 1
    timestamp[reviews] += 1_000_000
    return contract_dataset(replace(table, product=product, rating=rating, timestamp=timestamp), dataset.split)


def query_before(model: Recommender, dataset: Dataset, targets: Ints) -> Query:
    """What the users of some reviews had done before these, as the model is asked by the protocol."""
    table = dataset.table
    histories = histories_before(table, targets).last(model.max_history)
    return Query(histories, model.table_of(dataset), table.user[targets], table.timestamp[targets])


def _unit(vectors: np.ndarray[Any, Any]) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
