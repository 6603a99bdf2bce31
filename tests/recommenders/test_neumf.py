from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.errors import DataError, RecSysError
from rec_sys.progress import Progress
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.neumf import NeuMF
from rec_sys.recommenders.neumf_network import NeuMFNetwork
from rec_sys.recommenders.neumf_scorer import NeuMFScorer
from rec_sys.recommenders.neumf_settings import NeuMFSettings
from tests.support.parity import part_of_own_parity_first
from tests.support.toy import all_of, checkerboard, dataset_of, histories_of, query_of

TINY = NeuMFSettings(factors=4, depth=2, epochs=3, batch_size=300, learning_rate=0.02, candidates=15)


def tiny(**values: object) -> NeuMF:
    return NeuMF(TINY.model_copy(update=values))


@pytest.fixture(scope="module")
def data() -> Dataset:
    return dataset_of(checkerboard())


@pytest.fixture(scope="module")
def model(data: Dataset) -> NeuMF:
    return tiny(epochs=8, own=0.25, decay=0.5, stretch=2.0).fit(data)


# ---- what it learns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"loss": "bce"}, {"depth": 1}, {"pretrain": 3}, {"candidates": 1_000}])
def test_ranks_the_own_parity_first_by_own_factors_and_by_alike_users(settings: dict[str, object]) -> None:
    model = tiny(epochs=20, factors=8, **settings)
    assert part_of_own_parity_first(model) > 0.99  # asked without user numbers
    everybody = Query(histories_of([[]] * 200), users=np.arange(200))  # without histories: by own factors
    first = np.argsort(-model.score(everybody), axis=1)[:, :20]
    assert (first % 2 == np.arange(200)[:, None] % 2).mean() > 0.9


def test_heavy_pairs_count_more() -> None:
    """Everybody has all products of the own parity; with weights, those below 4 count more."""
    table = checkerboard(num_users=60, num_products=8, likes=4)
    heavy = np.where(table.product < 4, 10, 0.1).astype(np.float32)

    def gap(weights: Floats | None) -> float:
        scores = tiny(epochs=15).fit(all_of(replace(table, weights=weights))).score(query_of([[]]))[0]
        return float(scores[:4].mean() - scores[4:].mean())

    assert gap(heavy) > gap(None) + 1
    assert gap(np.full(len(table), 3, dtype=np.float32)) == gap(None)


def test_what_weighs_nothing_is_not_learned() -> None:
    table = checkerboard()
    with pytest.raises(DataError, match="none of 600 training reviews has a weight above 0"):
        tiny().fit(all_of(replace(table, weights=np.zeros(600, dtype=np.float32))))


def test_the_best_epoch_is_kept_and_training_stops_after_patience(data: Dataset) -> None:
    values, seen, told = iter([0.1, 0.4, 0.4, 0.2, 0.3, 0.9]), [], []

    def validate(asked: Recommender) -> float:
        seen.append(asked.score(query_of([[1, 3]])))
        return next(values)

    def tell(progress: Progress) -> None:
        told.append(progress)

    model = tiny(epochs=20, patience=3).fit(data, validate, tell)
    assert len(seen) == 5  # 0.9 is never reached
    assert model.chosen == "2 epochs"
    np.testing.assert_array_equal(model.score(query_of([[1, 3]])), seen[1])
    assert [(each.done, each.figures["validation"]) for each in told][1] == (2, 0.4)
    assert told[-1].is_last
    without = tiny(epochs=2).fit(data)
    np.testing.assert_array_equal(without.score(query_of([[1, 3]])), seen[1])  # validating leaves no trace


def test_a_training_that_diverges_is_an_error(data: Dataset) -> None:
    with pytest.raises(RecSysError, match="give a lower learning_rate"):
        tiny(learning_rate=1e30).fit(data)


def test_the_training_says_and_writes_nothing(
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Warnings are errors here anyway."""
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        tiny(pretrain=1).fit(data)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


# ---- how it answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 3])
def test_numpy_scores_as_the_network_does(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = NeuMFNetwork(7, 23, NeuMFSettings(factors=4, depth=depth)).eval()
    for name, weight in network.named_parameters():  # so that each of them matters
        torch.nn.init.normal_(weight, std=0.5 if "weight" in name else 0.2)
    arrays = network.arrays()
    users = np.concatenate([arrays.pop("user_gmf"), arrays.pop("user_mlp")], axis=1)
    with torch.inference_mode():
        grid = network.grid(torch.arange(7), None)
        by_pairs = network.pairs(torch.arange(7).repeat_interleave(23), torch.arange(23).repeat(7)).view(7, 23)
    torch.testing.assert_close(grid, by_pairs, atol=1e-5, rtol=1e-5)
    expected = (grid - network.out_gmf.bias).detach().numpy()  # the bias is the same for all products
    for at_once in (1, 100, 500_000):  # one product, several products, several users at once
        monkeypatch.setattr("rec_sys.recommenders.neumf_scorer.NUMBERS_AT_ONCE", at_once)
        np.testing.assert_allclose(NeuMFScorer(arrays).scores(users), expected, atol=1e-5)


def test_a_new_user_is_the_mean_of_those_who_took_the_products(model: NeuMF, data: Dataset) -> None:
    table, train = data.table, data.split.train
    takers = [np.unique(table.user[train][table.product[train] == product]) for product in (4, 6)]
    roots = np.sqrt([len(each) for each in takers]) * [0.5, 1]  # the newest is the last
    means = np.stack([model.users[each].mean(axis=0) for each in takers])
    everybody = model.users.mean(axis=0)
    expected = everybody + 2 * (roots @ means / roots.sum() - everybody)
    np.testing.assert_allclose(model.user_vectors(query_of([[4, 6]]))[0], expected, atol=1e-5)


def test_a_known_user_is_partly_the_learned_one(model: NeuMF) -> None:
    histories = histories_of([[4, 6], [4, 6], []])
    new, known, without = model.user_vectors(Query(histories, users=np.array([-1, 3, 3])))
    np.testing.assert_allclose(known, 0.25 * model.users[3] + 0.75 * new, atol=1e-6)
    np.testing.assert_allclose(without, model.users[3], atol=1e-6)  # nobody to be alike


def test_numbers_beyond_the_training_are_new_users(model: NeuMF) -> None:
    histories = histories_of([[4, 6], [4, 6]])
    asked = Query(histories, users=np.array([10_000, -1]))
    np.testing.assert_array_equal(*model.user_vectors(asked))


def test_users_without_training_reviews_are_new_users() -> None:
    table = checkerboard()
    model = tiny().fit(dataset_of(table, np.flatnonzero(table.user != 5)))
    asked = Query(histories_of([[4, 6], [4, 6]]), users=np.array([5, -1]))
    np.testing.assert_array_equal(*model.user_vectors(asked))
    assert model.answered_by(asked) == ["folded in: mean of users alike, by 2 products"] * 2


def test_an_empty_history_is_answered_close_to_popularity() -> None:
    """Of 40 products the first are taken by most."""
    random = np.random.default_rng(0)
    table = checkerboard(num_users=200)
    product = np.minimum(random.geometric(0.08, len(table)) - 1, 39)
    model = tiny(epochs=10).fit(all_of(replace(table, product=product)))
    counts = np.bincount(product, minlength=40)
    assert spearmanr(model.score(query_of([[]]))[0], counts).statistic > 0.9


def test_how_each_user_is_answered_is_said(model: NeuMF, data: Dataset) -> None:
    histories = histories_of([[4, 6], [4, 6], [], [], [4] * 60])
    query = Query(histories, users=np.array([3, -1, 3, -1, -1]))
    assert model.answered_by(query) == [
        "own factors (25%) and mean of users alike, by 2 products",
        "folded in: mean of users alike, by 2 products",
        "own factors",
        "mean user, close to popularity: no history",
        "folded in: mean of users alike, by 50 products",
    ]
    assert model.with_settings(own=1.0).answered_by(query)[0] == "own factors"
    assert model.with_settings(own=0.0).answered_by(query)[0] == "folded in: mean of users alike, by 2 products"
    untaken = tiny().fit(dataset_of(data.table, np.flatnonzero(data.table.product != 4)))
    asked = query_of([[4], []])
    assert untaken.answered_by(asked)[0] == "mean user, close to popularity: nobody took its products"
    np.testing.assert_array_equal(*untaken.score(asked))


def test_asking_a_loaded_model_needs_no_torch(model: NeuMF, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    script = (
        "import sys\nimport rec_sys\nmodel = rec_sys.load(sys.argv[1])\n"
        "print(model.recommend(history=['p4'], k=3)['product_id'].to_list())\n"
        "assert not {'torch', 'lightning'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(model.recommend(history=["p4"], k=3)["product_id"].to_list())


# ---- its report -----------------------------------------------------------------------------------------------------


def test_the_report_shows_both_protocols_of_validation_beside_popularity(model: NeuMF, data: Dataset) -> None:
    (section,) = model.sections(data)
    assert [row["model"] for row in section.rows] == ["NeuMF", "its users as new", "most popular"]
    own, _, popular = section.rows
    assert own["N@10, all products"] == pytest.approx(model.evaluate(data, part="valid").filtered["ndcg@10"])
    assert own["HR@10, sampled 99"] == section.figures["valid_sampled/hr_at_10"]
    assert own["N@10, all products"] > popular["N@10, all products"]
    assert "valid, 60 users" in section.title
    assert any("60 users lack fewer" in note for note in section.notes)  # 30 products are left of 40
    assert model.sections(all_of(data.table)) == []  # nothing is held out
