"""Item factors beside an untrained network on the checkerboard, where what goes together is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import histories_before
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.exclusion_codes import assign_codes
from rec_sys.recommenders.graph.fit_item_factors import (
    FACTORS_NEARLY_ALONE,
    BlendSearch,
    ItemFactorReport,
    fit_item_factors,
)
from rec_sys.recommenders.graph.item_factors import ItemFactors, low_rank_factors
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Blend, ItemFactorSettings
from rec_sys.recommenders.graph.vector_layout import CONTENT, RATING_BIAS
from tests.support.embedded_toy import Toy, toy

RANK = 8
FACTORS = ItemFactorSettings()


def untrained(data: Toy, rank: int = RANK, codes: int = 0, texts: bool = False, **settings: object) -> TrainedGraph:
    return data.untrained(item_factors=rank, exclusion_codes=codes, item_factor_texts=texts, **settings)


def fit(
    data: Toy, rank: int = RANK, codes: int = 0, texts: bool = False, **settings: object
) -> tuple[TrainedGraph, ItemFactorReport]:
    return fit_item_factors(untrained(data, rank, codes, texts, **settings), data.dataset, data.split.valid)


def on_validation(model: TrainedGraph, dataset: Dataset, valid: Ints) -> RankingReport:
    return evaluate(GraphScorer.of(model), dataset.features, valid, among=dataset.split.in_histories)


def test_validation_chooses_and_the_network_stays_as_it_was() -> None:
    data = toy()
    before = untrained(data)
    weights = {name: value.clone() for name, value in before.network.state_dict().items()}
    states = replace(before.states)
    after, found = fit_item_factors(before, data.dataset, data.split.valid)
    assert list(found.ndcg) == [0.0, *FACTORS.weights, FACTORS_NEARLY_ALONE]
    best = max(found.ndcg[weight] for weight in FACTORS.weights)
    assert found.ndcg[0.0] < 0.6 * best  # the network has learned nothing, the item factors know the two kinds
    weight = min(weight for weight in FACTORS.weights if found.ndcg[weight] == best)
    assert found.blend is not None
    assert found.blend.decay in FACTORS.decays
    assert found.blend == after.blend == Blend(rank=RANK, weight=weight, decay=found.blend.decay)
    assert on_validation(after, data.dataset, data.split.valid).filtered["ndcg@10"] == pytest.approx(best, abs=1e-9)
    assert after.network is before.network
    torch.testing.assert_close(after.network.state_dict(), weights, atol=0, rtol=0)
    assert before.blend is None
    torch.testing.assert_close(vars(before.states), vars(states), atol=0, rtol=0)
    assert found.left_out == ""
    assert found.facts == {
        "text_weight": 0.0,
        "rank": RANK,
        "weight": weight,
        "decay": found.blend.decay,
        "penalty": 0.0,
        "ndcg@10": {f"{key:g}": value for key, value in found.ndcg.items()},
        "unfiltered_ndcg@10": {},
        "left_out": "",
    }


@pytest.mark.parametrize("rating_bias", [0.0, 0.99])
def test_the_figures_of_the_one_pass_are_those_of_the_protocol(rating_bias: float) -> None:
    """Each weight, decay and penalty: the whole model with that blend, asked by the protocol."""
    data = toy(num_users=60)
    dataset, valid, train = data.dataset, data.split.valid, data.split.train
    model = untrained(data, rating_bias=rating_bias, max_history=6)
    generator = torch.Generator().manual_seed(0)
    count = data.table.num_products
    target = torch.randn(count, RANK, generator=generator)
    target[:3] = 0  # some are not known to the factors
    factors = ItemFactors(torch.randn(count, RANK, generator=generator), target / target.norm(dim=1).max())
    search = BlendSearch(model, dataset, valid, factors)
    assert histories_before(data.table, valid).lengths.min() > 6  # what is seen is more than what is read
    chosen, by_weight = search.weights()
    assert chosen is not None
    states = model.states.with_item_factors(factors)
    whole = {
        (weight, decay): on_validation(
            replace(model, states=states, blend=Blend(rank=RANK, weight=weight, decay=decay)), dataset, valid
        ).filtered["ndcg@10"]
        for weight in (0.0, *FACTORS.weights, FACTORS_NEARLY_ALONE)
        for decay in FACTORS.decays
    }
    assert by_weight.keys() == {weight for weight, _ in whole}
    for weight, figure in by_weight.items():
        best = max(whole[weight, decay] for decay in FACTORS.decays)
        assert figure == pytest.approx(best, abs=1e-6), weight
    assert whole[chosen.weight, chosen.decay] == pytest.approx(max(by_weight.values()), abs=1e-6)
    code = assign_codes(data.table.user[train], data.table.product[train], count, 5)
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(code), 5).float()
    for blend in (chosen, None):
        penalty, by_penalty = search.penalties(blend, code)
        assert list(by_penalty) == [0.0, *FACTORS.penalties]
        assert by_penalty[penalty] == max(by_penalty.values())
        for each, figure in by_penalty.items():
            beside = factors if blend else ItemFactors(target[:, :0], target[:, :0])
            values = {"num_codes": 5, "penalty": each}
            asked = replace(
                model,
                states=model.states.with_item_factors(beside, one_hot, each),
                blend=(blend or Blend(rank=0, weight=0.0)).model_copy(update=values),
            )
            report = on_validation(asked, dataset, valid)
            assert report.unfiltered["ndcg@10"] == pytest.approx(figure, abs=1e-6), each


def test_the_rank_follows_the_catalogue_and_the_matrix_counts_neighbours() -> None:
    """40 products: a dimension for eight of them would be 5, which is more than twice the 2 that were asked for."""
    data = toy()
    after, found = fit(data, rank=2)
    assert found.blend is not None
    assert found.blend.rank == 4
    settings = EASESettings(regularisation=FACTORS.regularisation, pairs=FACTORS.pairs)
    weights = EASE(settings).fit(data.dataset).weights
    reads = np.bincount(data.table.product[data.split.train], minlength=40)
    expected = low_rank_factors(torch.from_numpy(weights), torch.from_numpy(reads), 4)
    torch.testing.assert_close(after.states.history[:, after.layout.history_factors], expected.history)


def test_what_is_tried_is_a_setting() -> None:
    data = toy()
    own = {"weights": [0.3], "decays": [0.7], "penalties": [0.05], "products_per_dimension": 20, "text_weights": [7.0]}
    _, found = fit(data, rank=2, codes=8, texts=True, factors=own)
    assert list(found.ndcg) == [0.0, 0.3, FACTORS_NEARLY_ALONE]
    assert list(found.unfiltered_ndcg) == [0.0, 0.05]
    assert found.blend is not None
    assert (found.blend.rank, found.blend.decay) == (2, 0.7)
    assert found.text_weight in (0.0, 7.0)


def test_texts_are_read_where_they_help() -> None:
    """They tell the two kinds here; texts drawn by lot tell nothing."""
    data = toy(num_users=30, num_products=60, likes=5)
    kinds = np.eye(2, dtype=np.float32)[np.arange(60) % 2]
    noise = np.random.default_rng(0).normal(size=(60, 50)).astype(np.float32)
    network = untrained(data, rank=20, texts=True)

    def fitted(item_text: Vectors | None) -> ItemFactorReport:
        dataset = data.dataset
        chosen = network if item_text is not None else untrained(data, rank=20, texts=False)
        dataset.__dict__["item_text"] = item_text  # texts in the place of the toy's, which are random
        return fit_item_factors(chosen, dataset, data.split.valid)[1]

    described, undescribed, without = fitted(kinds), fitted(noise), fitted(None)
    assert described.text_weight in FACTORS.text_weights
    assert described.facts["text_weight"] == described.text_weight
    assert without.text_weight == 0
    assert described.ndcg[FACTORS_NEARLY_ALONE] > without.ndcg[FACTORS_NEARLY_ALONE] + 0.02
    assert described.ndcg[FACTORS_NEARLY_ALONE] > undescribed.ndcg[FACTORS_NEARLY_ALONE]


def test_the_test_reviews_are_not_looked_at() -> None:
    data = toy()
    product = data.table.product.copy()
    product[data.split.test] = 0
    others = replace(data, table=replace(data.table, product=product))
    assert fit(data, codes=8)[1] == fit(others, codes=8)[1]


def test_the_penalty_is_the_best_unfiltered_one_and_the_filtered_figure_does_not_know_it() -> None:
    data = toy(num_users=60)
    model, found = fit(data, codes=16)
    report = on_validation(model, data.dataset, data.split.valid)
    assert found.blend is not None
    assert found.blend.penalty > 0
    assert found.unfiltered_ndcg[found.blend.penalty] == max(found.unfiltered_ndcg.values())
    assert report.unfiltered["ndcg@10"] == pytest.approx(max(found.unfiltered_ndcg.values()), abs=1e-6)
    assert found.unfiltered_ndcg[found.blend.penalty] > 1.2 * found.unfiltered_ndcg[0.0]
    assert report.filtered["ndcg@10"] == pytest.approx(max(found.ndcg[weight] for weight in FACTORS.weights), abs=1e-6)
    assert list(found.unfiltered_ndcg) == [0.0, *FACTORS.penalties]


def test_codes_alone_stand_beside_the_network_where_no_item_factors_are_asked_for() -> None:
    data = toy(num_users=60)
    model, found = fit(data, rank=0, codes=16)
    assert found.ndcg == {}
    assert found.blend is not None
    assert (found.blend.rank, found.blend.num_codes) == (0, 16)
    assert model.layout.rank == 0
    assert model.states.target.shape[1] == model.layout.vector_dim


def test_where_the_network_alone_is_as_good_nothing_is_changed() -> None:
    data = toy()
    model, valid = untrained(data), data.split.valid[:1]
    # A user whose next product is the nearest already: nothing can be better.
    query = Query(histories_before(data.table, valid), data.dataset.features)
    vector = torch.from_numpy(GraphScorer.of(model).user_vectors(query))
    preference = torch.nn.functional.normalize(vector[:, CONTENT], dim=1)
    target = model.states.target.clone()
    target[data.table.product[valid], CONTENT] = preference * (1 - target[:1, RATING_BIAS].square()).sqrt()
    nearest = replace(model, states=replace(model.states, target=target))
    after, found = fit_item_factors(nearest, data.dataset, valid)
    assert found.ndcg[0.0] == 1.0
    assert found.blend is None
    assert found.facts["rank"] == 0
    assert after is nearest


def test_the_same_network_is_given_the_same_item_factors() -> None:
    """As after a run that was resumed without a better epoch."""
    data = toy()
    first, again = fit(data), fit(data)
    assert again[1] == first[1]
    torch.testing.assert_close(vars(again[0].states), vars(first[0].states), atol=0, rtol=0)


def test_a_catalogue_too_large_for_it_has_none() -> None:
    data = toy()
    many = type(data.table.products)([f"p{n}" for n in range(1_000_000)], "product")
    # Only the matrix is as large as the catalogue says: the network and its products are the toy's.
    large = replace(data, table=replace(data.table, products=many))
    before = untrained(data)
    after, found = fit_item_factors(before, large.dataset, data.split.valid)
    assert (found.blend, found.ndcg, found.text_weight) == (None, {}, 0.0)
    assert "1,000,000" in found.left_out
    assert found.facts["left_out"] == found.left_out
    assert after is before
