"""`model.max_history` is read wherever histories are: beyond it nothing counts, up to it everything does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from rec_sys.arrays import Ints
from rec_sys.inference.local import recommender_of
from rec_sys.inference.users import known_users
from rec_sys.metrics.protocol import evaluate
from rec_sys.metrics.validation import validation_ranks
from rec_sys.recommenders.graph.batches import UserDataset, batches
from rec_sys.recommenders.graph.calibration import calibrate_cold_start
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.fit_item_factors import BlendSearch
from rec_sys.recommenders.graph.item_factors import ItemFactors
from rec_sys.recommenders.graph.model import GraphRecommender
from rec_sys.recommenders.graph.product_tower import ProductStates
from rec_sys.recommenders.graph.scorer import GRAPH_MODEL, GraphScorer
from rec_sys.recommenders.graph.settings import TrainSettings
from rec_sys.recommenders.graph.task import GraphTask
from rec_sys.text.text_encoder import NoTexts
from rec_sys.train.final_test import final_test
from rec_sys.vector_database.index import VectorBase
from tests.support.embedded_toy import Toy, toy

READ = 25
Values = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def data() -> Toy:
    """Users with 42 reviews."""
    return toy(num_users=60, num_products=120, likes=40)


@pytest.fixture(scope="module")
def fitted(data: Toy) -> GraphRecommender:
    return GraphRecommender(
        dim=16, heads=2, max_history=READ, max_epochs=1, item_factors=8, exclusion_codes=8, accelerator="cpu"
    ).fit(data.dataset)


def trained_of(fitted: GraphRecommender) -> TrainedGraph:
    assert fitted.trained is not None
    return fitted.trained


def changed(data: Toy, targets: Ints, place: int) -> Toy:
    """Another rating and another text of each user's review so many places before the target."""
    chosen = targets - place
    np.testing.assert_array_equal(data.table.user[chosen], data.table.user[targets])
    rating, text = data.table.rating.copy(), data.review_text.copy()
    rating[chosen] = 6 - rating[chosen]
    text[chosen] = np.roll(text[chosen], 5, axis=1) + np.float32(0.5)
    return replace(data, table=replace(data.table, rating=rating), review_text=text)


def by_protocol(fitted: GraphRecommender, data: Toy) -> Values:
    report = evaluate(GraphScorer.of(trained_of(fitted)), data.dataset.features, data.split.test)
    assert report.history_limit == READ
    assert report.ranks is not None
    return report.ranks.unfiltered


def by_evaluate(fitted: GraphRecommender, data: Toy) -> Values:
    """As the command `evaluate` asks a trained model."""
    report = fitted.evaluate(data.dataset)
    assert report.ranks is not None
    return report.ranks.unfiltered


def by_final_test(fitted: GraphRecommender, data: Toy) -> Values:
    figures = final_test(trained_of(fitted), data.dataset, [], 0)
    ranks = figures.ranking[GRAPH_MODEL].ranks
    assert ranks is not None
    return np.concatenate([ranks.unfiltered.ravel(), [figures.ratings[GRAPH_MODEL].mae]])


def by_infer(fitted: GraphRecommender, data: Toy) -> Values:
    """Known users without their last review, through the vector base."""
    stored = trained_of(fitted).stored()
    table, recommender = data.table, recommender_of(stored, VectorBase.of_model(stored), NoTexts())
    users = known_users(table, np.arange(table.num_users), data.review_text, with_texts=False)
    answer = recommender.answer([replace(user, reviews=user.reviews[:-1]) for user in users], 5)
    return np.concatenate([answer.score, answer.stars], dtype=np.float64)


def by_validation(fitted: GraphRecommender, data: Toy) -> Values:
    scorer = GraphScorer.of(trained_of(fitted))
    ratings = scorer.predict_ratings(data.dataset.features, data.split.valid)
    return np.concatenate([validation_ranks(scorer, data.dataset.features, data.split.valid), ratings])


class TaskOfKnownProducts(GraphTask):
    """Evaluates an epoch with product states that are given."""

    given: ProductStates

    def product_states(self) -> ProductStates:
        return self.given


def by_epoch(fitted: GraphRecommender, data: Toy) -> Values:
    trained = trained_of(fitted).network_alone()
    task = TaskOfKnownProducts(trained.network, data.dataset, TrainSettings(), {}, 1)
    task.given = trained.states
    return np.array(list(task.validate().values()))


def by_item_factors(fitted: GraphRecommender, data: Toy) -> Values:
    trained = trained_of(fitted).network_alone()
    generator = torch.Generator().manual_seed(0)
    factors = ItemFactors(torch.randn(120, 8, generator=generator), torch.randn(120, 8, generator=generator) / 8)
    search = BlendSearch(trained, data.dataset, data.split.valid, factors)
    blend, ndcg = search.weights()
    penalties = search.penalties(blend, np.arange(120) % 8)[1]
    return np.array([*ndcg.values(), *penalties.values()])


def by_calibration(fitted: GraphRecommender, data: Toy) -> Values:
    trained = replace(trained_of(fitted), bank=None)
    report = calibrate_cold_start(trained, data.dataset, data.split.valid)[1]
    assert report is not None
    return np.array([report.scale, report.exposure, report.ndcg, report.ndcg_as_known], dtype=np.float64)


WAYS: dict[str, tuple[Callable[[GraphRecommender, Toy], Values], str]] = {
    "protocol": (by_protocol, "test"),
    "evaluate": (by_evaluate, "test"),
    "final test": (by_final_test, "test"),
    "infer": (by_infer, "test"),
    "validation": (by_validation, "valid"),
    "epoch": (by_epoch, "valid"),
    "item factors": (by_item_factors, "valid"),
    "calibration": (by_calibration, "valid"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_newest_max_history_reviews_are_read_and_no_others(data: Toy, fitted: GraphRecommender, way: str) -> None:
    value, part = WAYS[way]
    targets = data.split.part(part)  # type: ignore[arg-type]
    before = value(fitted, data)
    np.testing.assert_array_equal(value(fitted, data), before)  # nothing but the review is another
    for place in (1, 22, READ):
        assert not np.array_equal(value(fitted, changed(data, targets, place)), before), place
    for place in (READ + 1, 40):
        np.testing.assert_array_equal(value(fitted, changed(data, targets, place)), before, err_msg=str(place))


@pytest.mark.parametrize("context", ["around", "before"])
def test_training_reads_as_many(data: Toy, context: str) -> None:
    dataset = UserDataset(data.dataset.features, data.split.train, READ, context)  # type: ignore[arg-type]

    def ages() -> Iterator[int]:
        for batch in batches(dataset, TrainSettings()):
            yield int(batch.histories.age.max())

    assert max(ages()) == READ - 1


def test_the_network_knows_as_many_places(fitted: GraphRecommender) -> None:
    assert trained_of(fitted).network.user_tower.age.num_embeddings == READ
