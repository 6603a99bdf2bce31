"""Even users like even products: what a personal model must find, and popularity cannot."""

from __future__ import annotations

import numpy as np
import pytest

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import histories_before, split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.metrics.protocol import evaluate
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.ease import EASE, EASESettings
from rec_sys.recommenders.item_knn import ItemKNN, ItemKNNSettings
from rec_sys.recommenders.popularity import Popularity
from tests.support.toy import checkerboard, table_of

PERSONAL = [
    pytest.param(ItemKNN(), id="item_knn"),
    pytest.param(ItemKNN(ItemKNNSettings(shrink=5, decay=0.9)), id="item_knn_shrunk"),
    pytest.param(EASE(EASESettings(regularisation=100)), id="ease"),
]
EVERY = [*PERSONAL, pytest.param(Popularity(), id="popularity")]


def left_of_own_parity(table: ReviewTable, targets: Ints) -> int:
    """How many products of their own parity users have not had yet, the target among them."""
    return table.num_products // 2 - int(histories_before(table, targets).lengths[0])


@pytest.mark.parametrize("model", PERSONAL)
@pytest.mark.parametrize("held_out_users", [0.0, 0.3], ids=["known", "new"])
def test_personal_models_rank_the_own_parity_first(model: Recommender, held_out_users: float) -> None:
    table = checkerboard(num_users=200)
    split = split_by_time(table, SplitSettings(held_out_users=held_out_users))
    data = Dataset.of_table(table, split)
    targets = split.held_out_users if held_out_users else split.test
    left = left_of_own_parity(table, targets)
    report = evaluate(model.fit(data), table, targets, cutoffs=(left,))
    assert report.filtered[f"recall@{left}"] == 1.0
    scores = model.score(Query(histories_before(table, targets)))
    own = table.user[targets][:, None] % 2 == np.arange(table.num_products) % 2
    assert np.where(own, scores, np.inf).min(axis=1).min() > 0
    assert np.where(own, -np.inf, scores).max(axis=1).max() < 0.02


def test_popularity_is_about_chance() -> None:
    table = checkerboard(num_users=400)
    data = Dataset.of_table(table)
    left = left_of_own_parity(table, data.split.test)
    report = Popularity().fit(data).evaluate(cutoffs=(left,))
    chance = left / (left + table.num_products // 2)
    assert report.filtered[f"recall@{left}"] == pytest.approx(chance, abs=0.1)


@pytest.mark.parametrize("model", EVERY)
def test_the_order_of_users_in_the_file_does_not_matter(model: Recommender) -> None:
    table = checkerboard(dislikes=2)
    reviews = list(zip(table.user, table.product, table.rating, table.timestamp, strict=True))
    ids = table.products.ids
    turned = table_of([(f"u{u}", f"p{p}", float(r), int(t)) for u, p, r, t in reviews[::-1]], ids)

    def metrics(table: ReviewTable) -> dict[str, float]:
        return model.fit(Dataset.of_table(table)).evaluate().filtered

    assert metrics(turned) == pytest.approx(metrics(table), abs=1e-6)


@pytest.mark.parametrize("model", EVERY)
def test_renaming_products_moves_their_scores_along(model: Recommender) -> None:
    table = checkerboard(dislikes=2)
    new_number = np.random.default_rng(1).permutation(table.num_products)
    names = [""] * table.num_products
    for old, new in enumerate(new_number):
        names[new] = f"p{old}"
    rows = zip(table.user, table.product, table.rating, table.timestamp, strict=True)
    renamed = table_of([(f"u{u}", f"p{p}", float(r), int(t)) for u, p, r, t in rows], names)

    def scores(table: ReviewTable) -> Floats:
        data = Dataset.of_table(table)
        return model.fit(data).score(Query(histories_before(table, data.split.test)))

    before = scores(table).copy()
    np.testing.assert_allclose(scores(renamed)[:, new_number], before, atol=1e-5)
