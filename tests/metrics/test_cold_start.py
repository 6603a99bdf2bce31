from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rec_sys.dataset.product_texts
from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.product_texts import describe_held_out_products, with_texts_from
from rec_sys.dataset.query import Query
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import Split, split_by_time
from rec_sys.errors import DataError
from rec_sys.metrics.cold_start import chance_of_recall, evaluate_held_out_products
from rec_sys.metrics.protocol import evaluate
from tests.support.fixed_scorer import FixedScorer
from tests.support.toy import checkerboard, table_of

# m and n are new; four people reviewed n, at times 2, 3, 4 and 5, and one m
TABLE = table_of(
    [
        *[(f"u{user}", "p", 5, 1) for user in range(4)],
        *[(f"u{user}", "n", 5, 2 + user) for user in range(4)],
        ("u0", "q", 5, 6),
        ("u0", "m", 5, 7),
    ]
)  # review numbers: u0 has 0 p, 1 n, 2 q, 3 m; u1 4 p, 5 n; u2 6 p, 7 n; u3 8 p, 9 n
KNOWN = np.array([0, 2, 4, 6, 8])
SPLIT = Split(
    train=KNOWN,
    valid=KNOWN[:0],
    test=KNOWN[:0],
    held_out_users=KNOWN[:0],
    held_out_products=np.array([1, 3, 5, 7, 9]),
    support=np.array([1, 3, 5, 7]),
    in_histories=KNOWN,
)
P, N, Q, M = range(4)  # product numbers


def vectors(*rows: tuple[float, float]) -> Floats:
    return np.array(rows, dtype=np.float32)


REVIEW_TEXT = vectors((9, 9), (1, 0), (9, 9), (0.6, 0.8), (9, 9), (0, 0), (9, 9), (0, 1), (9, 9), (9, 9))


def test_first_three_reviews_describe_a_product_without_a_text() -> None:
    text = vectors((0, 1), (0, 0), (0, 0), (0.8, 0.6))  # q is not new: its reviews are in training
    new = describe_held_out_products(TABLE, SPLIT, REVIEW_TEXT, text)
    assert new.product_text[N] == pytest.approx([2**-0.5, 2**-0.5])  # the mean of (1, 0), (0, 0), (0, 1), as a unit
    np.testing.assert_array_equal(new.product_text[[P, Q, M]], text[[P, Q, M]])
    assert new.targets.tolist() == [3, 9]  # m has a text of its own, so its first review is judged
    assert not text[N].any()  # what was given is left as it is


def test_metadata_texts_are_left_as_they_are_and_then_all_reviews_are_judged() -> None:
    text = vectors((0, 1), (1, 0), (0, 0), (0.8, 0.6)).astype(np.float16)
    new = describe_held_out_products(TABLE, SPLIT, REVIEW_TEXT, text)
    np.testing.assert_array_equal(new.product_text, text)
    assert new.product_text.dtype == np.float16
    assert new.targets.tolist() == SPLIT.held_out_products.tolist()


def test_a_product_that_only_describes_itself_is_not_judged() -> None:
    no_text = np.zeros((4, 2), dtype=np.float32)
    assert describe_held_out_products(TABLE, SPLIT, REVIEW_TEXT, no_text).targets.tolist() == [9]
    only_m = replace(SPLIT, held_out_products=np.array([3]), support=np.array([3]))
    with pytest.raises(DataError, match="none of 1 reviews of 1 held-out products is left"):
        describe_held_out_products(TABLE, only_m, REVIEW_TEXT, no_text)


def test_texts_from_reviews_fill_only_what_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rec_sys.dataset.product_texts, "AT_ONCE", 2)
    text = vectors((0, 1), (0, 0), (0, 0), (0, 0))
    filled = with_texts_from(TABLE, np.array([0, 1, 2, 4, 6, 8]), REVIEW_TEXT, text)
    assert filled[Q] == pytest.approx([2**-0.5, 2**-0.5])
    np.testing.assert_array_equal(filled[[P, N, M]], vectors((0, 1), (1, 0), (0, 0)))


def test_data_without_any_text_has_vectors_of_no_length() -> None:
    none_of_products, none_of_reviews = np.zeros((4, 0), np.float32), np.zeros((10, 0), np.float32)
    new = describe_held_out_products(TABLE, SPLIT, none_of_reviews, none_of_products)
    assert (new.product_text.shape, new.targets.tolist()) == ((4, 0), [9])
    assert describe_held_out_products(TABLE, SPLIT, REVIEW_TEXT, none_of_products).product_text.shape == (4, 2)
    assert describe_held_out_products(TABLE, SPLIT, none_of_reviews, vectors(*[(0, 1)] * 4)).targets.tolist() == [
        1,
        3,
        5,
        7,
        9,
    ]


def test_histories_hold_products_that_are_not_held_out() -> None:
    model = FixedScorer(np.array([4, 3, 2, 1], dtype=np.float32))
    report = evaluate_held_out_products(model, TABLE, SPLIT, SPLIT.held_out_products)
    assert model.queries[0].histories.product.tolist() == [P, P, Q, P, P, P]  # never n, also not before m
    assert report.num_users == 4
    # filtered: n is first of n, q, m for everybody; m of u0 is second of n, m
    assert report.filtered["mrr"] == pytest.approx(((1 + 1 / 2) / 2 + 3) / 4)
    assert {"recall@10", "recall@50"} <= set(report.filtered)
    assert report.groups["products"]["cold"]["users"] == 4


def test_chance_by_hand() -> None:
    # u0: of three, then of two products; the others of three
    assert chance_of_recall(TABLE, SPLIT.held_out_products, 1, SPLIT.in_histories) == pytest.approx(
        ((1 / 3 + 1 / 2) / 2 + 3 * (1 / 3)) / 4
    )
    assert chance_of_recall(TABLE, SPLIT.held_out_products, 50, SPLIT.in_histories) == 1.0
    repeated = table_of([("a", "p", 5, 1), ("a", "q", 5, 2), ("a", "p", 5, 3), ("b", "r", 5, 1)])
    assert chance_of_recall(repeated, np.array([2]), 1) == pytest.approx(1 / 2)  # p stays in beside r


class ByChance:
    """Orders all products by chance."""

    name, max_history = "by chance", 20

    def __init__(self, num_products: int) -> None:
        self.num_products, self.generator = num_products, np.random.default_rng(0)

    def score(self, query: Query) -> Floats:
        return self.generator.standard_normal((len(query), self.num_products), dtype=np.float32)


def test_an_order_by_chance_earns_chance() -> None:
    table = checkerboard(num_users=500, num_products=60, likes=12)
    split = split_by_time(table, SplitSettings(held_out_products=0.3))
    report = evaluate_held_out_products(ByChance(60), table, split, split.held_out_products)
    for k in (10, 50):
        chance = chance_of_recall(table, split.held_out_products, k, split.in_histories)
        assert chance > k / 60
        assert report.filtered[f"recall@{k}"] == pytest.approx(chance, abs=0.02)


def test_the_mean_is_over_users_and_not_over_reviews() -> None:
    table = checkerboard(num_users=80, num_products=40, likes=9)
    split = split_by_time(table, SplitSettings(held_out_products=0.4))
    model = ByChance(40)
    report = evaluate(model, table, split.held_out_products, among=split.in_histories)
    assert report.ranks is not None
    users: Ints = table.user[split.held_out_products]
    by_hand = [np.mean(report.ranks.filtered[0, users == user] <= 10) for user in np.unique(users)]
    assert report.filtered["recall@10"] == pytest.approx(np.mean(by_hand))
    np.testing.assert_allclose(report.ranks.per_user("recall@10"), by_hand)
