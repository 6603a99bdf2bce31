from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.sasrec import SASRec
from rec_sys.recommenders.sasrec_network import padded, piece_batches, training_pieces
from rec_sys.recommenders.sasrec_settings import SASRecSettings
from tests.support.parity import part_of_own_parity_first
from tests.support.toy import Review, all_of, checkerboard, dataset_of, histories_of, query_of, table_of

TINY = SASRecSettings(dim=8, heads=2, blocks=2, max_history=4, batch_size=100, epochs=3, learning_rate=0.01)


def cycle(num_users: int = 60, length: int = 7, num_products: int = 9) -> ReviewTable:
    """After product p comes p + 1, after the last the first; users begin anywhere."""
    reviews: list[Review] = [
        (f"u{user}", f"p{(user * 5 + place) % num_products}", 5.0, place)
        for user in range(num_users)
        for place in range(length)
    ]
    return table_of(reviews, [f"p{product}" for product in range(num_products)])


@pytest.fixture(scope="module")
def of_cycle() -> SASRec:
    table = cycle()
    settings = TINY.model_copy(update={"dim": 16, "epochs": 40, "dropout": 0.1})
    return SASRec(settings).fit(all_of(table))


def test_learns_which_product_follows_which(of_cycle: SASRec) -> None:
    scores = of_cycle.score(query_of([[p] for p in range(9)]))
    np.testing.assert_array_equal(scores.argmax(axis=1), (np.arange(9) + 1) % 9)


def test_the_order_of_a_history_counts(of_cycle: SASRec) -> None:
    forwards, backwards = of_cycle.score(query_of([[3, 4, 5], [5, 4, 3]]))
    assert forwards.argmax() == 6
    assert forwards[6] > backwards[6]


def test_only_the_newest_products_are_looked_at(of_cycle: SASRec) -> None:
    long, short = of_cycle.score(query_of([[8, 0, 1, 2, 3, 4], [1, 2, 3, 4]]))
    np.testing.assert_allclose(long, short, atol=1e-5)


def test_no_place_sees_what_comes_after_it(of_cycle: SASRec) -> None:
    of_cycle.network.eval()
    with torch.inference_mode():
        one, two = of_cycle.network(torch.tensor([[9, 1, 2, 3, 4], [9, 1, 2, 8, 0]]))
    np.testing.assert_allclose(one[:3], two[:3], atol=1e-6)
    assert not np.allclose(one[3], two[3], atol=1e-2)


def test_an_empty_history_gets_what_users_begin_with() -> None:
    reviews: list[Review] = [
        (f"u{user}", product, 5.0, place) for user in range(40) for place, product in enumerate("abc")
    ]
    model = SASRec(TINY.model_copy(update={"epochs": 30})).fit(dataset_of(table_of(reviews), np.arange(120)))
    assert model.score(query_of([[], [0], [0, 1]])).argmax(axis=1).tolist() == [0, 1, 2]


def test_the_seed_decides_and_the_world_outside_does_not() -> None:
    table = checkerboard()
    histories = query_of([[1, 3], [2]])
    first = SASRec(TINY).fit(dataset_of(table, np.arange(300))).score(histories)
    torch.manual_seed(77)
    before = torch.get_rng_state()
    again = SASRec(TINY).fit(dataset_of(table, np.arange(300))).score(histories)
    np.testing.assert_array_equal(first, again)
    torch.testing.assert_close(torch.get_rng_state(), before)
    other = SASRec(TINY.model_copy(update={"seed": 1})).fit(dataset_of(table, np.arange(300))).score(histories)
    assert not np.allclose(first, other)


def test_the_best_epoch_is_kept_and_training_stops_after_patience() -> None:
    table, histories = checkerboard(), query_of([[1, 3]])
    values, seen = iter([0.1, 0.4, 0.4, 0.2, 0.3, 0.9]), []

    def validate(model: Recommender) -> float:
        seen.append(model.score(histories))
        return next(values)

    settings = TINY.model_copy(update={"epochs": 20, "patience": 3})
    model = SASRec(settings).fit(dataset_of(table, np.arange(300)), validate)
    assert len(seen) == 5  # 0.9 is never reached
    assert model.best_epoch == 2
    np.testing.assert_array_equal(model.score(histories), seen[1])
    without_test = SASRec(settings.model_copy(update={"epochs": 2})).fit(dataset_of(table, np.arange(300)))
    np.testing.assert_array_equal(without_test.score(histories), seen[1])  # validating leaves no trace


def test_pieces_hold_every_training_review_once_in_order() -> None:
    """Products 0 to 8 by a, 3 to 5 by b; b's last is held out: pieces of at most 4, cut from the end."""
    table = table_of([*(("a", f"p{n}", 5.0, n) for n in range(9)), *(("b", f"p{n}", 5.0, n) for n in (3, 4, 5))])
    pieces = training_pieces(table, np.arange(len(table) - 1), 4)
    cut = [pieces.product[start:stop].tolist() for start, stop in pairwise(pieces.indptr)]
    assert cut == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [3, 4]]


@pytest.mark.parametrize("size", [0, 1, 50, 10_000])
def test_batches_hold_every_piece_once_and_are_about_the_size(size: int) -> None:
    table = checkerboard(num_users=30, likes=7)
    pieces = training_pieces(table, np.arange(len(table)), 5)
    batches = list(piece_batches(pieces, size, np.random.default_rng(0)))
    got = [tuple(batch.review[start:stop]) for batch in batches for start, stop in pairwise(batch.indptr)]
    assert sorted(got) == [tuple(pieces.review[start:stop]) for start, stop in pairwise(pieces.indptr)]
    assert max(len(batch.review) for batch in batches) < max(size, 1) + 5


def test_padding_by_hand() -> None:
    products, is_product = padded(histories_of([[5, 2], [], [7]]))
    assert products.tolist() == [[5, 2], [0, 0], [7, 0]]
    assert is_product.tolist() == [[True, True], [False, False], [True, False]]


def test_ranks_the_own_parity_first() -> None:
    settings = TINY.model_copy(update={"dim": 16, "epochs": 20, "max_history": 20, "dropout": 0.1})
    assert part_of_own_parity_first(SASRec(settings)) > 0.99


def test_heads_have_to_divide_the_dimension() -> None:
    with pytest.raises(ConfigError, match="dim=10 cannot be shared by heads=4"):
        SASRecSettings.read({"dim": 10, "heads": 4}, "sasrec")
