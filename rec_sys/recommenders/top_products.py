"""From scores to the table of the best products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.query import Query
from rec_sys.frames import Column, frame_of
from rec_sys.ids import IdMap
from rec_sys.metrics.ranking import check_scores, first_products
from rec_sys.recommenders.questions import Question, single_histories

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

AT_ONCE = 1024  # users whose scores of all products are in memory


@dataclass(frozen=True)
class Catalogue:
    """The products that a model ranks, by number."""

    products: IdMap
    names: list[str]  # empty where none is known
    as_pandas: bool  # how tables are given

    def columns(self, product: Ints) -> dict[str, list[str]]:
        """Ids and names of some products."""
        ids = self.products.ids
        return {"product_id": [ids[each] for each in product], "name": [self.names[each] for each in product]}


def top_products(
    score: Callable[[Query], Floats], question: Question, catalogue: Catalogue, k: int, exclude_seen: bool
) -> DataFrame:
    """Columns user_id, rank, product_id, name, score: at most k products per user, best first.

    Args:
        score: gives (len(query), num_products) scores.
        question: who asks.
        catalogue: of the model.
        k: products per user.
        exclude_seen: leave out the products of the whole histories.
    """
    _check_k(k)
    num_products = len(catalogue.products)
    rows, products, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for start in range(0, len(question.query), AT_ONCE):
        query = question.query.part(start, start + AT_ONCE)
        batch = score(query)
        check_scores(batch)
        seen = query.histories.matrix(num_products) if exclude_seen else None
        first = first_products(batch, k, seen)  # (n, k), what is seen comes last
        unseen = np.full(len(query), num_products) - (0 if seen is None else np.diff(seen.indptr))
        row, place = np.nonzero(np.arange(first.shape[1]) < unseen[:, None])
        rows.append(start + row)
        products.append(first[row, place])
        scores.append(batch[row, first[row, place]])
    row, product = np.concatenate(rows), np.concatenate(products)
    columns: dict[str, Column] = {
        "user_id": [question.ids[each] for each in row],
        "rank": np.arange(len(row)) - np.searchsorted(row, row) + 1,
        **catalogue.columns(product),
        "score": np.concatenate(scores),
    }
    return frame_of(columns, question.as_pandas or catalogue.as_pandas)


def similar_products(scores: Floats, number: int, catalogue: Catalogue, k: int) -> DataFrame:
    """Columns rank, product_id, name, score: at most k products, best first, without product `number` itself."""
    _check_k(k)
    check_scores(scores)
    itself = single_histories(np.array([number])).matrix(len(scores))
    product = first_products(scores[None], k, itself)[0]
    product = product[product != number]
    columns: dict[str, Column] = {
        "rank": np.arange(1, len(product) + 1),
        **catalogue.columns(product),
        "score": scores[product],
    }
    return frame_of(columns, catalogue.as_pandas)


def _check_k(k: int) -> None:
    if k < 1:
        raise ValueError(f"k={k}: give the number of products, at least 1")
