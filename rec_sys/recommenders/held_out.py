"""A fitted recommender on the held-out reviews of its data, popularity beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.splits import Part
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from rec_sys.ids import IdMap
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.metrics.scorer import MostPopular, Scorer
from rec_sys.progress import ProgressCallback

ALL = "all"  # what a model has learned, as `info["fitted_on"]` has it


class FittedScorer(Scorer, Protocol):
    """What is needed of a recommender."""

    info: dict[str, Any]

    @property
    def fitted_products(self) -> IdMap: ...

    def table_of(self, dataset: Dataset) -> ReviewTable: ...


def evaluate_held_out(
    model: FittedScorer, data: Dataset, part: Part, cutoffs: Sequence[int], progress: ProgressCallback | None = None
) -> RankingReport:
    """Full ranking, as `Recommender.evaluate` documents it.

    Raises:
        NotFittedError: the model has not been fitted.
        DataError: the data has another catalogue, or the model has learned its held-out reviews.
    """
    products = model.fitted_products
    if model.info.get("fitted_on") == ALL:
        raise DataError(
            f"this {model.name} has learned all reviews, the held-out ones too, so evaluating it would say nothing; "
            f"the figures of its training are in its report, or train with train.fit_on=train"
        )
    if data.table.products.ids != products.ids:
        raise DataError(
            f"{model.name} was fitted on {len(products):,} other products than {data.name} holds "
            f"({data.table.num_products:,}); evaluate on the data set it was fitted on"
        )
    table, split = model.table_of(data), data.split
    popular = MostPopular(table.product[split.train], table.num_products)
    own, floor = (
        evaluate(
            scorer,
            table,
            data.targets(part),
            cutoffs=cutoffs,
            train=split.train,
            among=split.in_histories,
            progress=told,
        )
        for scorer, told in ((model, progress), (popular, None))
    )
    return replace(own, beside=floor)
