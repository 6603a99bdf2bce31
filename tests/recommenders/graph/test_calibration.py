"""Cold items beside item factors on the checkerboard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.product_texts import with_texts_from
from rec_sys.dataset.query import Query
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import first_reviews, histories_before, split_by_time
from rec_sys.metrics.protocol import evaluate
from rec_sys.recommenders.graph.calibration import (
    CalibrationReport,
    ColdStartTrial,
    calibrate_cold_start,
    choose_scale,
    cold_start_texts,
)
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.cold_start import ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.fit_item_factors import fit_item_factors
from rec_sys.recommenders.graph.item_factors import low_rank_factors
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Blend, Calibration
from tests.support.embedded_toy import Toy, toy

RANK = 8


def with_item_factors(data: Toy, cost: float = 0.1) -> TrainedGraph:
    """An untrained network beside random item factors."""
    plain = data.untrained(new_product_cost=cost)
    count = data.table.num_products
    factors = low_rank_factors(
        torch.rand(count, count, generator=torch.Generator().manual_seed(0)), torch.ones(count), RANK
    )
    return replace(plain, states=plain.states.with_item_factors(factors), blend=Blend(rank=RANK, weight=0.1))


def calibrate(data: Toy, cost: float = 0.1, valid: Ints | None = None) -> tuple[TrainedGraph, CalibrationReport]:
    valid = data.split.valid if valid is None else valid
    after, found = calibrate_cold_start(with_item_factors(data, cost), data.dataset, valid)
    assert found is not None
    return after, found


def unit(text: Floats) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(text), dim=1)


def all_known(model: TrainedGraph, text: torch.Tensor) -> ColdItemEncoder:
    """What describes cold items where every product is an example."""
    bank = TextNeighbourBank(text, torch.ones(len(text), dtype=torch.bool), Calibration(scale=1.0))
    return replace(model, bank=bank).cold_items


def asked(model: TrainedGraph, data: Toy) -> tuple[Histories, Floats]:
    """Histories before the validation reviews, and the vectors of their users."""
    histories = histories_before(data.table, data.split.valid, data.split.in_histories)
    return histories, GraphScorer.of(model).user_vectors(Query(histories, data.dataset.features))


def places_of(encoder: ColdItemEncoder) -> list[torch.Tensor]:
    """Examples by fold, as `ColdStartTrial` draws them."""
    order = torch.randperm(len(encoder.numbers), generator=torch.Generator().manual_seed(0))
    return list(order.chunk(20))


def test_cold_items_cost_no_more_than_allowed_and_nothing_else_changes() -> None:
    data = toy(num_users=60, num_products=120)
    before = with_item_factors(data)
    scales = []
    for cost in (0.0, 0.1, 0.5):
        after, found = calibrate(data, cost)
        assert found.ndcg is not None
        assert found.ndcg_as_known is not None
        assert found.ndcg >= (1 - cost) * found.ndcg_as_known - 1e-9
        assert found.exposure is not None
        assert found.facts["scale"] == found.scale
        assert after.bank is not None
        assert after.bank.calibration.scale == found.scale
        scales.append(found.scale)
    assert 0 < scales[0] < scales[-1] <= 1
    assert scales == sorted(scales)
    torch.testing.assert_close(after.network.state_dict(), before.network.state_dict(), atol=0, rtol=0)
    assert after.blend == before.blend
    reviewed = np.unique(data.table.product[data.split.train])
    torch.testing.assert_close(after.states.target[reviewed], before.states.target[reviewed], atol=0, rtol=0)
    assert before.bank is None


def test_the_figure_is_that_of_the_protocol() -> None:
    """One fold put into the states as if it were cold, evaluated by the protocol on everybody else's target."""
    data = toy(num_users=60, num_products=120, likes=28)
    model, text, valid = with_item_factors(data), unit(data.product_text), data.split.valid
    cold, scorer = all_known(model, text), GraphScorer.of(model)
    histories, users = asked(model, data)
    assert histories.lengths.max() > scorer.max_history  # what is seen is filtered however old
    with torch.inference_mode():
        trial = ColdStartTrial(cold, model.states, users, histories, data.table.product[valid], text)
        figures, places = [], places_of(cold)
        for place in places:
            target = model.states.target.clone()
            number = cold.numbers[place]
            target[number] = cold.of_parts(cold.parts(text[number], leave_out=place), 0.4).target
            others = valid[~np.isin(data.table.product[valid], number)]
            with_cold = replace(scorer, states=replace(model.states, target=target))
            report = evaluate(with_cold, data.dataset.features, others, among=data.split.in_histories)
            figures.append(report.filtered["ndcg@10"])
        assert len(trial.folds) == len(places) == 20
        assert torch.cat(places).sort().values.tolist() == list(range(120))
        assert trial.ndcg(0.4) == pytest.approx(np.mean(figures), abs=1e-6)
        assert trial.ndcg(0.0) == pytest.approx(trial.ndcg(1e-12), abs=1e-6)
        assert trial.ndcg(1.0) < 0.9 * trial.ndcg_as_known
        largest = choose_scale(trial, 0.1)
        assert trial.ndcg(largest) >= 0.9 * trial.ndcg_as_known > trial.ndcg(largest + 0.01)


def held_out(data: Toy, part: float) -> Toy:
    split = split_by_time(data.table, SplitSettings(held_out_products=part))
    return Toy(data.table, split, data.review_text, data.product_text)


def test_products_kept_out_of_training_have_vectors_of_their_texts_and_are_no_examples() -> None:
    data = held_out(toy(num_users=60, num_products=40), 0.2)
    after, found = calibrate(data, 0.05)
    new = np.setdiff1d(np.arange(40), data.table.product[data.split.train])
    assert found.count == len(new) > 0
    assert after.bank is not None
    np.testing.assert_array_equal(after.bank.cold_items, new)
    assert not np.isin(after.bank.examples, new).any()
    with torch.no_grad():
        described = after.describe_cold_items(torch.from_numpy(data.dataset.product_text[new]))
    torch.testing.assert_close(after.states.target[new], described.target)
    torch.testing.assert_close(after.states.history[new], described.history)


def test_without_texts_nothing_is_done() -> None:
    plain = toy()
    data = replace(plain, review_text=np.zeros_like(plain.review_text), product_text=np.zeros_like(plain.product_text))
    before = with_item_factors(data)
    after, found = calibrate_cold_start(before, data.dataset, data.split.valid)
    assert found is None
    assert after is before


def test_one_without_a_text_of_its_own_is_asked_for_by_its_first_reviews_as_a_cold_one_would_be() -> None:
    plain = toy(num_users=60, num_products=120)
    own = plain.product_text.copy()
    own[::2] = 0
    data = replace(plain, product_text=own)
    dataset = data.dataset
    found = cold_start_texts(dataset)
    np.testing.assert_array_equal(found[1::2], own[1::2])
    for product in range(0, 120, 2):
        reviews = data.split.train[data.table.product[data.split.train] == product]
        first = sorted(reviews, key=lambda review: (data.table.timestamp[review], data.table.row[review]))[:3]
        mean = data.review_text[first].sum(axis=0)
        np.testing.assert_allclose(found[product], mean / max(np.linalg.norm(mean), 1e-9), atol=1e-6)
    model = with_item_factors(data)
    after, calibrated = calibrate(data)
    histories, users = asked(model, data)
    target = data.table.product[data.split.valid]
    with torch.inference_mode():
        figures = [
            ColdStartTrial(after.cold_items, model.states, users, histories, target, unit(text)).ndcg(calibrated.scale)
            for text in (
                np.asarray(found, dtype=np.float32),
                with_texts_from(data.table, data.split.train, data.review_text, own),
            )
        ]
    assert calibrated.ndcg == pytest.approx(figures[0], abs=1e-6)
    assert calibrated.ndcg != pytest.approx(figures[1], abs=1e-4)


def test_nothing_is_chosen_where_nobody_could_lose() -> None:
    """One user, who takes one of the only fold whose products have first reviews that say something."""
    data = toy(num_users=60, num_products=120)
    one = data.split.valid[:1]
    text = data.review_text.copy()
    first = first_reviews(data.table, data.split.train)
    text[first[data.table.product[first] != data.table.product[one[0]]]] = 0
    _, found = calibrate(replace(data, review_text=text, product_text=np.zeros_like(data.product_text)), valid=one)
    assert (found.scale, found.exposure, found.ndcg) == (0.5, None, None)  # of a known product's preference


def test_folds_that_everybody_takes_next_do_not_spoil_the_figure() -> None:
    data = toy(num_users=60, num_products=120)
    _, found = calibrate(data, valid=data.split.valid[:1])
    assert found.scale > 0
    assert found.ndcg is not None
    assert found.ndcg >= 0.9 * (found.ndcg_as_known or 0)


def test_a_fold_that_everybody_has_seen_is_never_shown() -> None:
    """One user has seen all products but the next: in folds of one product each, some have nobody to be shown to."""
    data = toy(num_users=10, num_products=8, likes=3)
    _, found = calibrate(data, valid=data.split.valid[:1])
    assert found.exposure is not None
    assert 0 <= found.exposure <= 8


def test_the_exposure_of_cold_items_is_counted_by_hand() -> None:
    data = toy(num_users=60, num_products=120)
    model, text, valid = with_item_factors(data), unit(data.product_text), data.split.valid
    cold = all_known(model, text)
    histories, users = asked(model, data)
    shown = possible = 0
    with torch.inference_mode():
        trial = ColdStartTrial(cold, model.states, users, histories, data.table.product[valid], text)
        for place in places_of(cold):
            number = cold.numbers[place]
            described = cold.of_parts(cold.parts(text[number], leave_out=place), 0.5).target.numpy()
            for user, target in enumerate(data.table.product[valid]):
                seen = set(histories.product[histories.indptr[user] : histories.indptr[user + 1]]) - {target}
                free = [product for product in range(120) if product not in seen]
                last = np.sort(model.states.target.numpy()[free] @ users[user])[-50]
                unseen = [row for row, product in enumerate(number.tolist()) if product not in seen]
                shown += int((described[unseen] @ users[user] > last).sum())
                possible += len(unseen)
        assert trial.exposure(0.5) == pytest.approx(shown / possible * 120 / 50, rel=1e-3)
    assert shown > 0


def test_a_set_without_product_texts_has_those_of_its_reviews() -> None:
    data = toy()
    without = replace(data, product_text=np.zeros((data.table.num_products, 0), dtype=np.float32))
    after, found = calibrate_cold_start(with_item_factors(data), without.dataset, data.split.valid)
    assert found is not None
    assert after.bank is not None
    assert len(after.bank.examples) > 30


def test_without_anything_beside_the_network_nothing_is_chosen() -> None:
    data = toy()
    after, found = calibrate_cold_start(data.untrained(), data.dataset, data.split.valid)
    assert found is not None
    assert (found.scale, found.exposure, found.ndcg, found.ndcg_as_known) == (1.0, None, None, None)
    assert after.bank is not None
    assert after.bank.calibration.scale == 1.0


def test_what_cold_items_are_made_of_is_a_setting() -> None:
    data = toy(num_users=60, num_products=120)
    own = {"neighbours": 3, "sharpness": 5.0, "factor_weight": 0.4, "folds": 4}
    plain = data.untrained(cold_start=own)
    model = replace(with_item_factors(data), network=plain.network)
    after, found = calibrate_cold_start(model, data.dataset, data.split.valid)
    assert found is not None
    assert after.bank is not None
    expected = Calibration(scale=found.scale, neighbours=3, sharpness=5.0, factor_weight=0.4)
    assert after.bank.calibration == expected


def test_fitting_again_starts_from_what_the_network_says() -> None:
    """Item factors, codes and cold items are made again; none is made from what they were before."""
    data = held_out(toy(num_users=60, num_products=40), 0.3)
    plain = data.untrained(item_factors=RANK, exclusion_codes=8, item_factor_texts=False, new_product_cost=0.1)
    model, reports = plain, []
    for _ in range(2):
        fitted, factors = fit_item_factors(model, data.dataset, data.split.valid)
        done, calibrated = calibrate_cold_start(fitted, data.dataset, data.split.valid)
        model = replace(done.network_alone(), bank=None)
        assert model.blend is None
        torch.testing.assert_close(vars(model.states), vars(plain.states), atol=2e-3, rtol=0)  # texts are halves
        reports.append((factors, calibrated))
    assert reports[0][1] is not None
    assert reports[0][1].count > 0
    np.testing.assert_allclose(list(reports[1][0].ndcg.values()), list(reports[0][0].ndcg.values()), atol=1e-3)
    assert reports[1][0].blend == reports[0][0].blend


def test_the_test_reviews_are_not_looked_at() -> None:
    data = toy(num_users=60, num_products=120)
    product = data.table.product.copy()
    product[data.split.test] = 0
    others = replace(data, table=replace(data.table, product=product))
    assert calibrate(data)[1] == calibrate(others)[1]
