"""Every model by its name: fitted, its settings chosen on validation, or left out with the reason."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.evaluation.tuning import Fitted, LeftOut, chosen, fit_baselines, fit_best, valid_ndcg
from rec_sys.metrics.protocol import evaluate
from rec_sys.progress import Progress
from rec_sys.recommenders import registry
from rec_sys.recommenders.base import Grid
from rec_sys.recommenders.item_knn import ItemKNN
from tests.support.toy import checkerboard, query_of

TITLES = {
    "popularity": r"most popular",
    "item_knn": r"item kNN \(shrink (0|10|30|100), decay (1|0\.9|0\.8)\)",
    "ease": r"EASE \(lambda (20|50|100|200|500), decay (1|0\.9|0\.8)\)",
    "als": r"ALS \(lambda (20|100), alpha (20|50), decay (1|0\.9|0\.8)\)",
    "bpr": r"BPR \(learning rate 0\.0[25], bias (1|0\.25), decay (1|0\.9|0\.8)\)",
    "sasrec": r"SASRec \(\d+ epochs\)",
    "ease_pairs": r"EASE with consecutive pairs \(pairs (0\.5|1), lambda 100, decay (1|0\.9|0\.8)\)",
    "text_ease": r"EASE with texts \(texts (3|10|30|100), pairs (0|1), lambda (50|100), decay (1|0\.9|0\.8)\)",
    "text_cosine": r"text cosine \(decay (1|0\.9|0\.8)\)",
}
SIBLINGS = [name for name in registry.names() if name != registry.GRAPH]


@pytest.fixture(scope="module")
def table() -> ReviewTable:
    return checkerboard(num_users=80)


@pytest.fixture(scope="module")
def product_text() -> Floats:
    """Parity is all that texts tell."""
    return np.eye(2, dtype=np.float32)[np.arange(40) % 2]


# Its weights are chosen by time, on the few who came later; some products of the own parity are left below 0.
NEARLY = {"next_item": 0.85}


@pytest.mark.parametrize("name", SIBLINGS)
def test_each_says_what_was_chosen_and_gives_the_own_parity(
    name: str, table: ReviewTable, product_text: Floats
) -> None:
    data = Dataset.of_table(table, product_text=product_text)
    [fitted] = fit_baselines(data, [name])
    assert isinstance(fitted, Fitted)
    assert re.fullmatch(TITLES.get(name, re.escape(registry.recommender_class(name).name) + ".*"), fitted.name)
    left = table.num_products // 2 - 9  # of the own parity, when nine have been had
    report = evaluate(fitted.model, table, data.split.test, cutoffs=(left,))
    if fitted.model.is_personal and not fitted.model.predicts_ratings:  # what was taken tells the others nothing
        assert report.filtered[f"recall@{left}"] >= NEARLY.get(name, 1.0)


def test_by_default_the_three_that_are_fast(table: ReviewTable) -> None:
    fitted = list(fit_baselines(Dataset.of_table(table)))
    assert [each.name.partition(" (")[0] for each in fitted] == ["most popular", "item kNN", "EASE"]


def test_unknown_names_are_refused_before_anything_is_fitted(table: ReviewTable) -> None:
    with pytest.raises(ConfigError, match="unknown model 'esae'; did you mean 'ease'"):
        fit_baselines(Dataset.of_table(table), ["popularity", "esae"])


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_without_the_library_it_is_left_out(name: str, table: ReviewTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"implicit.cpu.{name}", None)
    first, second = fit_baselines(Dataset.of_table(table), [name, "popularity"])
    assert isinstance(first, LeftOut)
    assert (first.name, first.reason.partition("; ")[2]) == (name.upper(), "install the extra rec-sys[baselines]")
    assert isinstance(second, Fitted)


@pytest.mark.parametrize(("name", "title"), [("text_cosine", "text cosine"), ("text_ease", "EASE with texts")])
def test_without_texts_what_reads_them_is_left_out(table: ReviewTable, name: str, title: str) -> None:
    [none] = fit_baselines(Dataset.of_table(table), [name])
    [empty] = fit_baselines(Dataset.of_table(table, product_text=np.zeros((40, 3), dtype=np.float16)), [name])
    assert isinstance(none, LeftOut)
    assert isinstance(empty, LeftOut)
    assert none.name == empty.name == title
    assert "needs texts" in none.reason
    assert "none of 40 products has a text" in empty.reason


def test_the_best_combination_on_validation_is_kept() -> None:
    data = Dataset.of_table(checkerboard(num_users=60, num_products=60, dislikes=3))
    grid = Grid(fitted={"shrink": (0, 50), "neighbours": (1, 10)}, scored={"decay": (1, 0.3)})
    model = fit_best(ItemKNN, data, grid=grid)
    tried = {
        f"shrink {s}, neighbours {n}, decay {r}": valid_ndcg(ItemKNN(shrink=s, neighbours=n, decay=r).fit(data))
        for s in (0, 50)
        for n in (1, 10)
        for r in (1, 0.3)
    }
    assert len(set(tried.values())) > 4
    assert chosen(model, grid) == max(tried, key=lambda name: tried[name])
    assert valid_ndcg(model) == max(tried.values())


@pytest.mark.parametrize("name", SIBLINGS)
def test_nothing_is_chosen_or_learned_by_what_is_reported_on(name: str, product_text: Floats) -> None:
    """The test reviews and all reviews of held-out users may say anything."""
    table = checkerboard(num_users=60)
    split = split_by_time(table, SplitSettings(held_out_users=0.2))
    seen = np.concatenate([split.train, split.valid])
    hidden = np.setdiff1d(np.arange(len(table)), seen)
    product = table.product.copy()
    product[hidden] = (product[hidden] + 1) % table.num_products
    other = replace(table, product=product)
    one, two = (
        next(iter(fit_baselines(Dataset.of_table(each, split, product_text=product_text), [name])))
        for each in (table, other)
    )
    assert isinstance(one, Fitted)
    assert isinstance(two, Fitted)
    assert one.name == two.name
    query = query_of([[1, 3], [2]])
    np.testing.assert_array_equal(one.model.score(query), two.model.score(query))


def test_products_kept_out_of_training_stay_out_of_histories(table: ReviewTable) -> None:
    """Choosing looks at the same histories as reporting does."""
    split = split_by_time(table, SplitSettings(held_out_products=0.2))
    model = ItemKNN().fit(Dataset.of_table(table, split))
    expected = evaluate(model, table, split.valid, among=split.in_histories).filtered["ndcg@10"]
    assert valid_ndcg(model) == expected
    assert valid_ndcg(model, max_users=10) != expected


@pytest.mark.parametrize("max_history", [5, 30])
def test_choosing_reads_as_much_of_a_history_as_the_model(max_history: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The epochs of SASRec are chosen with what it reads, however much that is."""
    data = Dataset.of_table(checkerboard(num_users=20, num_products=80, likes=40))
    [fitted] = fit_baselines(data, ["popularity"])
    assert isinstance(fitted, Fitted)
    model = fitted.model
    lengths: list[int] = []
    score = model._score

    def recorded(query: object) -> Floats:
        lengths.append(int(query.histories.lengths.max()))  # type: ignore[attr-defined]
        return score(query)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "_score", recorded)
    monkeypatch.setattr(type(model), "max_history", max_history)
    valid_ndcg(model)
    assert lengths == [max_history]


def test_progress_is_told_of_epochs(table: ReviewTable) -> None:
    told: list[Progress] = []
    [fitted] = fit_baselines(Dataset.of_table(table), ["sasrec"], progress=told.append)
    assert isinstance(fitted, Fitted)
    assert [each.done for each in told] == list(range(1, len(told) + 1))
    assert told[-1].is_last
    assert all(0 <= each.figures["validation"] <= 1 for each in told)
