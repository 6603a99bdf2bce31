"""What the comparison with other libraries gives out, and the figures of what it gets back; no library is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.peer_scripts import with_rec_sys, with_rec_sys_ratings
from benchmarks.peer_scripts.exchange import (
    NOTHING,
    Ints,
    Lists,
    Model,
    Question,
    Rank,
    Settings,
    Task,
    figures,
    first_items,
    fit_chosen,
    fit_default,
    padded,
    ranks,
)
from benchmarks.peer_scripts.folds import RatingModel, cross_predicted, rating_figures
from benchmarks.peers import LIBRARIES, ROOT, last_line, words
from benchmarks.peers_export import figures_of, rated_of, task_of
from rec_sys.dataset.dataset import Dataset
from rec_sys.metrics.protocol import evaluate
from rec_sys.metrics.ranking import metrics_of_ranks, rank_both_ways
from rec_sys.recommenders.cross_validation import cross_validate
from rec_sys.recommenders.registry import create
from tests.support.toy import Review, table_of

NUM_ITEMS = 40


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Thirty users with three to fourteen of forty products and ratings, and one user with two, who is not asked."""
    generator = np.random.default_rng(0)
    reviews: list[Review] = [("few", "p00", 4.0, 1), ("few", "p01", 3.0, 2)]
    for user in range(30):
        items = generator.permutation(NUM_ITEMS)[: 3 + user % 12]
        reviews += [
            (f"u{user:02d}", f"p{item:02d}", float(generator.integers(1, 6)), time) for time, item in enumerate(items)
        ]
    return Dataset.of_table(table_of(reviews))


def test_the_scripts_see_everything_but_the_test_items(dataset: Dataset, tmp_path: Path) -> None:
    task, held_out = task_of(dataset)
    task.save(tmp_path / "ranking.npz")
    read = Task.load(tmp_path / "ranking.npz")
    table, split = dataset.table, dataset.split
    assert len(read.user) + 2 * len(read.test_user) == len(table)
    for place, user in enumerate(read.test_user):
        of_user = table.product[table.user == user].tolist()  # in time order
        assert read.test.history[place].tolist() == of_user[:-1]
        assert read.valid.history[place].tolist() == of_user[:-2]
        assert (read.valid_item[place], held_out.target[place]) == (of_user[-2], of_user[-1])
    assert read.item.tolist() == table.product[split.train].tolist()
    assert (read.num_users, read.num_items) == (31, table.num_products)
    assert read.test.depth == 10 + 13  # the longest history that is asked with


def test_figures_of_lists_are_those_of_the_metrics() -> None:
    generator = np.random.default_rng(1)
    scores = generator.permuted(np.tile(np.arange(200.0), (500, 1)), axis=1)  # no two equal in a row
    target = generator.integers(0, 200, 500)
    length = generator.integers(0, 25, 500)
    seen = Lists(np.concatenate([[0], np.cumsum(length)]), generator.integers(0, 200, length.sum()))
    owned = sp.csr_matrix((np.ones(len(seen.item)), (seen.row, seen.item)), shape=scores.shape)
    filtered, unfiltered = rank_both_ways(scores, target, owned)
    assert (filtered != unfiltered).any()
    ranking = first_items(scores, 10 + int(length.max()))
    for expected, found in ((filtered, ranks(ranking, target, seen)), (unfiltered, ranks(ranking, target))):
        reference = metrics_of_ranks(expected, [10])
        assert figures(found) == pytest.approx((reference["recall@10"], reference["ndcg@10"]), abs=1e-12)
        assert reference["recall@10"] > 0.02


def test_the_target_is_never_left_out_and_empty_places_do_not_count() -> None:
    ranking = np.array([[4, NOTHING, 7, 5], [1, 2, NOTHING, NOTHING]])
    seen = Lists(np.array([0, 2, 2]), np.array([4, 7]))
    assert ranks(ranking, np.array([7, 3]), seen).tolist() == [1, np.inf]
    assert ranks(ranking, np.array([7, 2])).tolist() == [2, 2]


def test_first_items_leaves_out_what_has_no_score() -> None:
    scores = np.array([[1.0, np.nan, 3.0, 3.0], [-np.inf, 0.0, np.nan, 2.0]])
    assert first_items(scores, 3).tolist() == [[2, 3, 0], [3, 1, NOTHING]]
    assert padded([[5, 6, 7], []], 2).tolist() == [[5, 6], [NOTHING, NOTHING]]


def always(*items: int) -> Rank:
    def rank(question: Question) -> Ints:
        return np.tile(np.array(items), (len(question.history), 1))

    return rank


def by_setting(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    """Right about validation where `good` says so, and only in its second epoch."""
    right = int(task.valid_item[0])
    for epoch, item in ((1, NOTHING), (2, right if settings.get("good") else NOTHING), (3, NOTHING), (4, NOTHING)):
        yield {**settings, "epoch": epoch}, always(item)


def test_settings_are_chosen_on_validation(dataset: Dataset) -> None:
    task, _ = task_of(dataset)
    model = Model(by_setting, {}, {"good": (0, 1)})
    found = fit_chosen(model, task, np.inf)
    assert found.settings == {"good": 1, "epoch": 2}
    assert set(found.ranking.ravel().tolist()) == {int(task.valid_item[0])}
    assert (found.tried, found.at_limit) == (12, False)
    last = fit_default(model, task, np.inf)
    assert (last.settings, last.tried) == ({"epoch": 4}, 1)
    stopped = fit_default(Model(by_setting, {"good": 1}, patience=1, stops=True), task, np.inf)
    assert (stopped.settings, stopped.tried) == ({"good": 1, "epoch": 2}, 3)
    assert fit_chosen(model, task, 0).at_limit


@pytest.mark.parametrize("key", ["ease", "ease_pairs"])
def test_our_models_have_the_figures_of_the_protocol(dataset: Dataset, tmp_path: Path, key: str) -> None:
    """Fitted on the export, without the test items, and judged by lists, as when fitted and evaluated as usual."""
    task, held_out = task_of(dataset)
    task.save(tmp_path / "ranking.npz")
    with_rec_sys.main([str(tmp_path / "ranking.npz"), str(tmp_path / "out.json"), "--model", key])
    report = evaluate(create(key).fit(dataset), dataset.table, dataset.split.test)
    found = figures_of(tmp_path / "out.npz", held_out)
    for kind, values in (("filtered", report.filtered), ("unfiltered", report.unfiltered)):
        expected = (values["recall@10"], values["ndcg@10"])
        assert (found[f"R@10 {kind}"], found[f"N@10 {kind}"]) == pytest.approx(expected, abs=1e-4)


def test_our_models_of_ratings_have_the_figures_of_the_cross_validation(dataset: Dataset) -> None:
    rated = rated_of(dataset, 4, 0)
    model = RatingModel(with_rec_sys_ratings.predictions("biased_als"), {})
    found = rating_figures(cross_predicted(model, rated, [{}] * 4), rated)
    (expected,) = cross_validate([create("biased_als")], dataset, 4, 0)
    assert found == pytest.approx({"RMSE": expected.mean("rmse"), "MAE": expected.mean("mae")}, abs=1e-3)


def test_every_library_has_a_script_that_names_its_environment() -> None:
    for key, library in LIBRARIES.items():
        text = (ROOT / f"benchmarks/peer_scripts/{library.script}.py").read_text()
        assert text.startswith("# /// script") == (not key.startswith("ours")), key
        assert all(f'"{model}"' in text for model in library.models) or key == "ours", key


def test_what_scripts_share_needs_numpy_alone() -> None:
    code = (
        "import sys, benchmarks.peer_scripts.folds\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'scipy', 'polars', 'rec_sys', 'pydantic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_words_of_settings_and_errors() -> None:
    assert words({"K": 20, "fold 1": {"k": 3, "name": "msd"}}) == "K 20, fold 1 (k 3, name msd)"
    assert last_line("Traceback\n  File x\nValueError: wrong\n\n") == "ValueError: wrong"
    assert last_line("") == "failed without a word"
