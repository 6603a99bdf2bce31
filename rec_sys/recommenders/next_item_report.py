"""What a report says of the next item: patterns by support, and next baskets of a split by time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from rec_sys.arrays import Floats
from rec_sys.dataset.query import Query
from rec_sys.metrics.next_basket import COLUMNS, Baskets, evaluate_baskets
from rec_sys.metrics.scorer import Scorer
from rec_sys.recommenders.next_item_patterns import Patterns
from rec_sys.tables import Section

LEVELS = (5, 10, 20, 50)  # supports of the table


class ChainCosine:
    """What was taken on a later day by those who had the products of a history: sums of support / sqrt(n(x) n(y)).

    A repeat is the pattern x, then x.

    Args:
        patterns: counted from a support of 1 on.
        max_history: newest entries of a history that are read.
    """

    name = "chain, cosine"

    def __init__(self, patterns: Patterns, max_history: int) -> None:
        norm = np.sqrt(np.maximum(patterns.customers, 1))
        counts = patterns.counts
        cosine = (counts.data / (norm[patterns.row] * norm[counts.indices])).astype(np.float32)
        ordered = sp.csr_matrix((cosine, counts.indices, counts.indptr), counts.shape)
        self.cosine = ordered + sp.diags((patterns.repeats / norm**2).astype(np.float32), format="csr")
        self.max_history = max_history

    def score(self, query: Query) -> Floats:
        """(len(query), num_products)"""
        scores: Floats = (query.histories.matrix(self.cosine.shape[0]) @ self.cosine).toarray()
        return scores


def pattern_section(patterns: Patterns) -> Section:
    """How many patterns there are at some supports, and how sure they are.

    Args:
        patterns: counted from the lowest of these supports on, with `min_support` that of the model.
    """
    rows = []
    for level in sorted({*LEVELS, patterns.min_support}):
        total, confidence = patterns.at(level)
        rows.append({"support": level, "patterns": total, "mean confidence": confidence if total else None})
    total, confidence = patterns.at(patterns.min_support)
    notes = [
        f"a pattern of the model has a support of at least {patterns.min_support}; {patterns.num_customers:,} customers"
    ]
    if not total:
        notes.append("there is none: too few customers took two products on different days")
    figures = {"patterns/total": float(total)} | ({"patterns/average_confidence": confidence} if total else {})
    return Section("Patterns x, then y on a later day", rows, notes, figures)


def time_section(models: Mapping[str, Scorer], baskets: Baskets) -> Section:
    """Both columns of the figures of next baskets.

    Args:
        models: learned before these baskets; the first is the one that the report is about.
        baskets: to be found.
    """
    title = "Next baskets, split by time within the training"
    if not len(baskets):
        return Section(title, notes=["nobody came back on a later day, so there is nothing to find"])
    rows: list[dict[str, object]] = []
    figures: dict[str, float] = {}
    for name, model in models.items():
        found = evaluate_baskets(model, baskets)
        row: dict[str, object] = {"model": name}
        for column in COLUMNS:
            row |= {f"{column} {kind}": found[column][f"{kind.lower()}@10"] for kind in ("HR", "Recall", "NDCG")}
            if not figures.keys() & {f"baskets/{column}/hr_at_10"}:
                names = {kind: found[column][f"{kind}@10"] for kind in ("hr", "recall", "ndcg")}
                figures |= {f"baskets/{column}/{kind}_at_10": value for kind, value in names.items()}
        rows.append(row)
    new = int((baskets.sizes("new") > 0).sum())
    note = (
        f"{len(baskets):,} baskets by what their customers had on earlier days, at 10; all: everything in them counts; "
        f"new: {new:,} of them, and only what the customer never had"
    )
    finite = {name: value for name, value in figures.items() if np.isfinite(value)}
    return Section(title, rows, [note], finite)
