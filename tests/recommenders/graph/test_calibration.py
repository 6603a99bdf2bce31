"""New products beside a memory on the checkerboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rec_sys.dataset.product_texts import with_texts_from
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import first_reviews, histories_before, split_by_time
from rec_sys.metrics.protocol import evaluate
from rec_sys.recommenders.graph.calibration import HISTORY, Trial, calibrate_cold_start, choose_scale, cold_start_texts
from rec_sys.recommenders.graph.checkpoint import load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.cold_start import Calibration, ColdItemEncoder, TextNeighbourBank
from rec_sys.recommenders.graph.fit_item_factors import fit_item_factors
from rec_sys.recommenders.graph.item_factors import Blend, low_rank_factors
from rec_sys.recommenders.graph.scorer import GraphScorer
from tests.recommenders.graph.test_fit_item_factors import INFO, RANK, data_of, saved
from tests.support.embedded_toy import Toy, toy


def with_item_factors(folder: Path, data: Toy) -> Path:
    path = saved(folder, data)
    kept = load_checkpoint(path)
    count = data.table.num_products
    factors = low_rank_factors(
        torch.rand(count, count, generator=torch.Generator().manual_seed(0)), torch.ones(count), RANK
    )
    kept.network.blend = Blend(rank=RANK, weight=0.1)
    save_checkpoint(path, kept.network, kept.states.with_item_factors(factors), kept.products, kept.names, INFO)
    return path


def test_new_products_cost_no_more_than_allowed_and_nothing_else_changes(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=120)
    path = with_item_factors(tmp_path, data)
    before = load_checkpoint(path)
    lengths = []
    for cost in (0.0, 0.1, 0.5):
        found = calibrate_cold_start(path, data_of(data), data.split, data.split.valid, data.product_text, cost)
        assert found is not None
        assert found.ndcg is not None
        assert found.ndcg_as_known is not None
        assert found.ndcg >= (1 - cost) * found.ndcg_as_known - 1e-9
        assert f"scale {found.scale:.3f} are recommended {found.exposure:.1f} times" in found.note
        lengths.append(found.scale)
    assert 0 < lengths[0] < lengths[-1] <= 1
    assert lengths == sorted(lengths)
    after = load_checkpoint(path)
    assert after.bank is not None
    assert after.bank.calibration.scale == lengths[-1]
    torch.testing.assert_close(after.network.state_dict(), before.model.state_dict(), atol=0, rtol=0)
    reviewed = np.unique(data.table.product[data.split.train])
    torch.testing.assert_close(after.states.target[reviewed], before.states.target[reviewed], atol=0, rtol=0)


def test_the_figure_is_that_of_the_protocol(tmp_path: Path) -> None:
    """One fold put into the states as if it were new, judged by the protocol on everybody else's target."""
    data = toy(num_users=60, num_products=120, likes=28)
    kept = load_checkpoint(with_item_factors(tmp_path, data))
    text = torch.nn.functional.normalize(torch.from_numpy(data.product_text), dim=1)
    new = ColdItemEncoder(
        kept.network.product_tower,
        kept.states,
        TextNeighbourBank(text, torch.ones(120, dtype=torch.bool), Calibration(scale=1.0)),
    ).eval()
    ours = GraphScorer(kept.network, kept.states, data.table, data.review_text)
    valid = data.split.valid
    histories = histories_before(data.table, valid, data.split.in_histories)
    assert histories.lengths.max() > HISTORY  # what is owned is filtered however old
    with torch.inference_mode():
        trial = Trial(
            new, kept.states, ours.user_vectors(histories.last(HISTORY)), histories, data.table.product[valid], text
        )
        figures = []
        for place in [fold.place for fold in trial.folds]:
            target = kept.states.target.clone()
            parts = new.parts(text[new.numbers[place]], leave_out=place)
            target[new.numbers[place]] = new.of_parts(*parts, 0.4).target
            others = valid[~np.isin(data.table.product[valid], new.numbers[place])]
            asked = replace(ours, states=replace(kept.states, target=target))
            figures.append(evaluate(asked, data.table, others, among=data.split.in_histories).filtered["ndcg@10"])
        asked_for = torch.cat([fold.place for fold in trial.folds])
        assert len(trial.folds) == 20
        assert asked_for.sort().values.tolist() == list(range(120))
        assert trial.ndcg(0.4) == pytest.approx(np.mean(figures), abs=1e-6)
        assert trial.ndcg(0.0) == pytest.approx(trial.ndcg(1e-12), abs=1e-6)
        assert trial.ndcg(1.0) < 0.9 * trial.as_known
        longest = choose_scale(trial, 0.1)
        assert trial.ndcg(longest) >= 0.9 * trial.as_known > trial.ndcg(longest + 0.01)


def test_products_kept_out_of_training_are_placed_by_their_texts_and_are_no_examples(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=40)
    split = split_by_time(data.table, SplitSettings(held_out_products=0.2))
    kept_out = Toy(data.table, split, data.review_text, data.product_text)
    path = with_item_factors(tmp_path, kept_out)
    found = calibrate_cold_start(path, data_of(kept_out), split, split.valid, data.product_text, 0.05)
    after = load_checkpoint(path)
    new = np.setdiff1d(np.arange(40), data.table.product[split.train])
    assert found is not None
    assert found.count == len(new) > 0
    assert after.bank is not None
    np.testing.assert_array_equal(after.bank.cold_items, new)
    assert not np.isin(after.bank.examples, new).any()
    with torch.no_grad():
        described = after.describe_cold_items(torch.from_numpy(data.product_text[new]))
    torch.testing.assert_close(after.states.target[new], described.target)
    torch.testing.assert_close(after.states.history[new], described.history)


def test_without_texts_nothing_is_done(tmp_path: Path) -> None:
    data = replace(toy(), review_text=np.zeros_like(toy().review_text))
    path = with_item_factors(tmp_path, data)
    before = path.read_bytes()
    nothing = np.zeros_like(data.product_text)
    assert calibrate_cold_start(path, data_of(data), data.split, data.split.valid, nothing, 0.05) is None
    assert path.read_bytes() == before


def test_one_without_a_text_of_its_own_is_asked_for_by_its_first_reviews_as_a_new_one_would_be(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=120)
    own = data.product_text.copy()
    own[::2] = 0
    found = cold_start_texts(data_of(data), data.split, own)
    np.testing.assert_array_equal(found[1::2], own[1::2])
    for product in range(0, 120, 2):
        reviews = data.split.train[data.table.product[data.split.train] == product]
        first = sorted(reviews, key=lambda review: (data.table.timestamp[review], data.table.row[review]))[:3]
        mean = data.review_text[first].sum(axis=0)
        np.testing.assert_allclose(found[product], mean / max(np.linalg.norm(mean), 1e-9), atol=1e-6)
    path = with_item_factors(tmp_path, data)
    kept = load_checkpoint(path)
    calibrated = calibrate_cold_start(path, data_of(data), data.split, data.split.valid, own, 0.1)
    assert calibrated is not None
    ours = GraphScorer(kept.network, kept.states, data.table, data.review_text)
    histories = histories_before(data.table, data.split.valid)
    users, wanted = ours.user_vectors(histories.last(HISTORY)), data.table.product[data.split.valid]
    new = load_checkpoint(path).new_products
    with torch.inference_mode():
        figures = [
            Trial(new, kept.states, users, histories, wanted, torch.from_numpy(text)).ndcg(calibrated.scale)
            for text in (found, with_texts_from(data.table, data.split.train, data.review_text, own))
        ]
    assert calibrated.ndcg == pytest.approx(figures[0], abs=1e-3)  # examples are kept in half precision
    assert calibrated.ndcg != pytest.approx(figures[1], abs=1e-3)


def test_nothing_is_chosen_where_nobody_could_lose(tmp_path: Path) -> None:
    """One person, who takes one of the only part that has products with first reviews that say something."""
    data = toy(num_users=60, num_products=120)
    one = data.split.valid[:1]
    own = np.zeros_like(data.product_text)
    text = data.review_text.copy()
    first = first_reviews(data.table, data.split.train)
    text[first[data.table.product[first] != data.table.product[one[0]]]] = 0
    each = replace(data, review_text=text)
    found = calibrate_cold_start(with_item_factors(tmp_path, each), data_of(each), data.split, one, own, 0.1)
    assert found is not None
    assert (found.scale, found.exposure, found.ndcg) == (0.5, None, None)  # as long as a known product's taste


def test_parts_that_everybody_takes_next_do_not_spoil_the_figure(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=120)
    found = calibrate_cold_start(
        with_item_factors(tmp_path, data), data_of(data), data.split, data.split.valid[:1], data.product_text, 0.1
    )
    assert found is not None
    assert found.scale > 0
    assert found.ndcg is not None
    assert found.ndcg >= 0.9 * (found.ndcg_as_known or 0)


def test_a_part_that_everybody_owns_is_never_shown(tmp_path: Path) -> None:
    """One person owns all products but the next: in parts of one product each, some have nobody to be shown to."""
    data = toy(num_users=10, num_products=8, likes=3)
    path, one = with_item_factors(tmp_path, data), data.split.valid[:1]
    found = calibrate_cold_start(path, data_of(data), data.split, one, data.product_text, 0.1)
    assert found is not None
    assert found.exposure is not None
    assert 0 <= found.exposure <= 8


def test_how_often_new_ones_are_shown_is_counted_by_hand(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=120)
    kept = load_checkpoint(with_item_factors(tmp_path, data))
    text = torch.nn.functional.normalize(torch.from_numpy(data.product_text), dim=1)
    bank = TextNeighbourBank(text, torch.ones(120, dtype=torch.bool), Calibration(scale=1.0))
    new = ColdItemEncoder(kept.network.product_tower, kept.states, bank).eval()
    ours = GraphScorer(kept.network, kept.states, data.table, data.review_text)
    valid = data.split.valid
    histories = histories_before(data.table, valid)
    users = ours.user_vectors(histories.last(HISTORY))
    shown = possible = 0
    with torch.inference_mode():
        trial = Trial(new, kept.states, users, histories, data.table.product[valid], text)
        for fold in trial.folds:
            number = new.numbers[fold.place]
            asked = new.of_parts(*new.parts(text[number], leave_out=fold.place), 0.5).target.numpy()
            for user, target in enumerate(data.table.product[valid]):
                owned = set(histories.product[histories.indptr[user] : histories.indptr[user + 1]]) - {target}
                free = [product for product in range(120) if product not in owned]
                last = np.sort(kept.states.target.numpy()[free] @ users[user])[-50]
                mine = [place for place, product in enumerate(number.tolist()) if product not in owned]
                shown += int((asked[mine] @ users[user] > last).sum())
                possible += len(mine)
        assert trial.exposure(0.5) == pytest.approx(shown / possible * 120 / 50, rel=1e-3)
    assert shown > 0


def test_a_set_without_product_texts_has_those_of_its_reviews(tmp_path: Path) -> None:
    data = toy()
    none = np.zeros((data.table.num_products, 0), dtype=np.float32)
    assert (
        calibrate_cold_start(with_item_factors(tmp_path, data), data_of(data), data.split, data.split.valid, none, 0.1)
        is not None
    )


def test_without_anything_beside_the_graph_nothing_is_chosen_and_the_note_says_so(tmp_path: Path) -> None:
    data = toy()
    path = saved(tmp_path, data)
    found = calibrate_cold_start(path, data_of(data), data.split, data.split.valid, data.product_text, 0.02)
    assert found is not None
    assert (found.scale, found.exposure, found.ndcg, found.ndcg_as_known) == (1.0, None, None, None)
    assert found.note.startswith("new products have length 1.000, and nothing to choose another by")


def test_going_on_starts_from_what_the_network_says(tmp_path: Path) -> None:
    """Memory, colours and places of new products are made again; none is made from what they were before."""
    data = toy(num_users=60, num_products=40)
    split = split_by_time(data.table, SplitSettings(held_out_products=0.3))
    kept_out = Toy(data.table, split, data.review_text, data.product_text)
    path = saved(tmp_path, kept_out)
    plain = load_checkpoint(path).states
    found = []
    for _ in range(2):
        fitted = fit_item_factors(path, data_of(kept_out), split, split.valid, RANK, 8)
        calibrated = calibrate_cold_start(path, data_of(kept_out), split, split.valid, data.product_text, 0.1)
        alone = load_checkpoint(path).graph_alone()
        torch.testing.assert_close(vars(alone), vars(plain), atol=2e-3, rtol=0)  # texts are kept in half precision
        found.append((fitted, calibrated))
    assert found[0][1] is not None
    assert found[0][1].count > 0
    np.testing.assert_allclose(list(found[1][0].ndcg.values()), list(found[0][0].ndcg.values()), atol=1e-3)
    assert found[1][0].blend == found[0][0].blend


def test_the_test_reviews_are_not_looked_at(tmp_path: Path) -> None:
    data = toy(num_users=60, num_products=120)
    product = data.table.product.copy()
    product[data.split.test] = 0
    others = replace(data, table=replace(data.table, product=product))
    found, same = (
        calibrate_cold_start(
            with_item_factors(tmp_path / name, data),
            data_of(each),
            data.split,
            data.split.valid,
            data.product_text,
            0.1,
        )
        for name, each in (("a", data), ("b", others))
    )
    assert found == same
