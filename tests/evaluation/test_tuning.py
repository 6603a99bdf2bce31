"""Every baseline by its name: fitted, its settings chosen on validation, or left out with the reason."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from rec_sys.arrays import Floats
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.evaluation.tuning import BASELINES, Fitted, Job, LeftOut, choose, fit_baselines
from rec_sys.metrics.protocol import evaluate
from rec_sys.recommenders.item_knn import ItemKNN, ItemKNNSettings
from tests.support.toy import checkerboard, histories_of

NAMES = {
    "popularity": r"most popular",
    "item_knn": r"item kNN \(shrink (0|10|30|100), decay (1|0\.9|0\.8)\)",
    "ease": r"EASE \(lambda (20|50|100|200|500), decay (1|0\.9|0\.8)\)",
    "als": r"ALS \(lambda (20|100), alpha (20|50), decay (1|0\.9|0\.8)\)",
    "bpr": r"BPR \(learning rate 0\.0[25], bias (1|0\.25), decay (1|0\.9|0\.8)\)",
    "sasrec": r"SASRec \(\d+ epochs\)",
    "ease_pairs": r"EASE with neighbours \(pairs (0\.5|1), lambda 100, decay (1|0\.9|0\.8)\)",
    "text_ease": r"EASE with texts \(texts (3|10|30|100), pairs (0|1), lambda (50|100), decay (1|0\.9|0\.8)\)",
    "text_cosine": r"text cosine \(decay (1|0\.9|0\.8)\)",
}


@pytest.fixture(scope="module")
def table() -> ReviewTable:
    return checkerboard(num_users=80)


@pytest.fixture(scope="module")
def product_text() -> Floats:
    """Parity is all that texts tell."""
    return np.eye(2, dtype=np.float32)[np.arange(40) % 2]


@pytest.mark.parametrize("name", BASELINES)
def test_each_says_what_was_chosen_and_gives_the_own_parity(
    name: str, table: ReviewTable, product_text: Floats
) -> None:
    split = split_by_time(table)
    [fitted] = fit_baselines(table, split, [name], product_text=product_text)
    assert isinstance(fitted, Fitted)
    assert BASELINES[name][0] == fitted.model.name
    assert re.fullmatch(NAMES[name], fitted.name)
    left = table.num_products // 2 - 9  # of the own parity, when nine have been had
    report = evaluate(fitted.model, table, split.test, cutoffs=(left,))
    assert report.filtered[f"recall@{left}"] == 1.0 or name == "popularity"


def test_by_default_the_three_that_are_fast(table: ReviewTable) -> None:
    fitted = list(fit_baselines(table, split_by_time(table)))
    assert [each.name.partition(" (")[0] for each in fitted] == ["most popular", "item kNN", "EASE"]


def test_unknown_names_are_refused_before_anything_is_fitted(table: ReviewTable) -> None:
    with pytest.raises(ConfigError, match="unknown baseline 'esae'; known: popularity, item_knn, ease"):
        fit_baselines(table, split_by_time(table), ["popularity", "esae"])


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_without_the_library_it_is_left_out(name: str, table: ReviewTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"implicit.cpu.{name}", None)
    first, second = fit_baselines(table, split_by_time(table), [name, "popularity"])
    assert isinstance(first, LeftOut)
    assert (first.name, first.reason.partition("; ")[2]) == (name.upper(), "install the extra rec-sys[baselines]")
    assert isinstance(second, Fitted)


@pytest.mark.parametrize(("name", "title"), [("text_cosine", "text cosine"), ("text_ease", "EASE with texts")])
def test_without_texts_what_reads_them_is_left_out(table: ReviewTable, name: str, title: str) -> None:
    split = split_by_time(table)
    [none] = fit_baselines(table, split, [name])
    [empty] = fit_baselines(table, split, [name], product_text=np.zeros((40, 3), dtype=np.float16))
    assert none == LeftOut(title, "no vectors of product texts were given")
    assert isinstance(empty, LeftOut)
    assert "none of 40 products has a text" in empty.reason


def test_the_best_combination_on_validation_is_kept() -> None:
    table = checkerboard(num_users=60, num_products=60, dislikes=3)
    split = split_by_time(table)
    model, chosen = choose(
        lambda values: ItemKNN(ItemKNNSettings.read(values)),
        {"shrink": (0, 50), "neighbours": (1, 10)},
        {"decay": (1, 0.3)},
        Job(table, split, 0, None),
    )
    tried = {
        f"shrink {s}, neighbours {n}, decay {r}": evaluate(
            ItemKNN(ItemKNNSettings(shrink=s, neighbours=n, decay=r)).fit(table, split.train), table, split.valid
        ).filtered["ndcg@10"]
        for s in (0, 50)
        for n in (1, 10)
        for r in (1, 0.3)
    }
    assert len(set(tried.values())) > 4
    assert chosen == max(tried, key=lambda name: tried[name])
    assert evaluate(model, table, split.valid).filtered["ndcg@10"] == max(tried.values())


@pytest.mark.parametrize("name", BASELINES)
def test_nothing_is_chosen_or_learned_by_what_judges(name: str, product_text: Floats) -> None:
    """The test reviews and all reviews of new people may say anything."""
    table = checkerboard(num_users=60)
    split = split_by_time(table, SplitSettings(held_out_users=0.2))
    seen = np.concatenate([split.train, split.valid])
    hidden = np.setdiff1d(np.arange(len(table)), seen)
    product = table.product.copy()
    product[hidden] = (product[hidden] + 1) % table.num_products
    other = replace(table, product=product)
    [one], [two] = (fit_baselines(each, split, [name], product_text=product_text) for each in (table, other))
    assert isinstance(one, Fitted)
    assert isinstance(two, Fitted)
    assert one.name == two.name
    histories = histories_of([[1, 3], [2]])
    np.testing.assert_array_equal(one.model.score(histories), two.model.score(histories))


def test_products_kept_out_of_training_stay_out_of_histories(table: ReviewTable) -> None:
    """Choosing looks at the same histories as judging does."""
    split = split_by_time(table, SplitSettings(held_out_products=0.2))
    job, model = Job(table, split, 0, None), ItemKNN().fit(table, split.train)
    expected = evaluate(model, table, split.valid, among=split.in_histories).filtered["ndcg@10"]
    assert job.value(model) == expected
    assert job.value(model, users=10) != expected
