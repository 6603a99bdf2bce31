from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.splits import Part, histories_before, split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError
from tests.support.toy import checkerboard, table_of


def table_with(lengths: list[int]) -> ReviewTable:
    """One person per length; timestamps fall within the file, so the table has to sort."""
    return table_of(
        [(f"u{user}", f"p{place}", 5.0, -place) for user, length in enumerate(lengths) for place in range(length)]
    )


def test_last_is_test_the_one_before_validation_the_rest_training() -> None:
    split = split_by_time(table_with([4, 3, 5]))
    assert split.test.tolist() == [3, 6, 11]
    assert split.valid.tolist() == [2, 5, 10]
    assert split.train.tolist() == [0, 1, 4, 7, 8, 9]
    assert split.held_out_users.tolist() == []
    assert split.summary() == {"train": 6, "valid": 3, "test": 3, "held-out users": 0}


def test_time_decides_and_the_order_in_the_file_breaks_ties() -> None:
    table = table_of([("a", "late", 5, 9), ("a", "tie 1", 5, 4), ("a", "early", 5, 1), ("a", "tie 2", 5, 4)])
    split = split_by_time(table)
    names = [table.products.id(product) for product in table.product.tolist()]
    assert names == ["early", "tie 1", "tie 2", "late"]
    assert (names[split.test[0]], names[split.valid[0]]) == ("late", "tie 2")


def test_people_with_fewer_than_three_reviews_are_only_learned_from() -> None:
    split = split_by_time(table_with([2, 3, 1]))
    assert split.train.tolist() == [0, 1, 2, 5]
    assert (split.valid.tolist(), split.test.tolist()) == ([3], [4])


def test_nobody_with_three_reviews_is_an_error() -> None:
    with pytest.raises(DataError, match=r"none of 2 users has the 3 reviews .*\(most: 2\)"):
        split_by_time(table_with([2, 1]))


@given(st.lists(st.integers(1, 7), min_size=1, max_size=20), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 3))
def test_no_review_is_in_two_parts_and_new_people_are_in_none_of_the_others(
    lengths: list[int], held_out_users: float, seed: int
) -> None:
    table = table_with([3, *lengths, 3, 3])
    try:
        split = split_by_time(table, SplitSettings(held_out_users=held_out_users, seed=seed))
    except DataError:
        # All three that were sure to be long enough may be drawn as new, or too few people to judge any of them.
        assert held_out_users == 0.5 or (held_out_users == 0.1 and (table.num_users <= 5 or min(lengths) < 2))
        return
    parts = np.concatenate([split.train, split.valid, split.test, split.held_out_users])
    assert len(set(parts.tolist())) == len(parts)
    others = set(table.user[np.concatenate([split.train, split.valid, split.test])].tolist())
    held_out = set(range(table.num_users)) - others
    assert len(held_out) == round(held_out_users * table.num_users)
    counts = np.bincount(table.user)
    assert set(table.user[split.held_out_users].tolist()) == {user for user in held_out if counts[user] >= 2}
    ends = table.indptr()[1:] - 1
    assert set(split.held_out_users.tolist()) <= set(ends.tolist())
    np.testing.assert_array_equal(table.user[split.valid], table.user[split.test])
    np.testing.assert_array_equal(split.valid + 1, split.test)
    np.testing.assert_array_equal(split.train, np.sort(split.train))


def test_new_people_are_drawn_by_the_seed() -> None:
    table = checkerboard(num_users=100)
    one, same, other = (split_by_time(table, SplitSettings(held_out_users=0.1, seed=seed)) for seed in (1, 1, 2))
    assert len(one.held_out_users) == 10
    np.testing.assert_array_equal(one.held_out_users, same.held_out_users)
    assert one.held_out_users.tolist() != other.held_out_users.tolist()


def test_a_part_that_is_nobody_is_an_error() -> None:
    table = checkerboard(num_users=100)
    with pytest.raises(DataError, match=r"split\.held_out_users=0\.001 of 100 users is none; give at least 0\.01,"):
        split_by_time(table, SplitSettings(held_out_users=0.001))
    assert len(split_by_time(table, SplitSettings(held_out_users=0.01)).held_out_users) == 1


def test_new_people_of_whom_none_can_be_judged_are_an_error() -> None:
    table = table_with([3, 3, 3, 1])
    drawn = [seed for seed in range(20) if np.random.default_rng(seed).permutation(4)[0] == 3]
    with pytest.raises(DataError, match=r"draws 1, and none of them has the 2 reviews"):
        split_by_time(table, SplitSettings(held_out_users=0.25, seed=drawn[0]))


# ---- new products ---------------------------------------------------------------------------------------------------


def new_products_of(table: ReviewTable, settings: SplitSettings) -> set[int]:
    """Products that the split keeps out, told from what histories may hold."""
    split = split_by_time(table, settings)
    assert split.in_histories is not None
    return set(table.product.tolist()) - set(table.product[split.in_histories].tolist())


def seed_that_draws(table: ReviewTable, product: str, part: float) -> int:
    """A seed that keeps out this product alone."""
    for seed in range(100):
        try:
            if new_products_of(table, SplitSettings(held_out_products=part, seed=seed)) == {
                table.products.number(product)
            }:
                return seed
        except DataError:
            continue
    raise AssertionError("no seed draws the product")


# n is new: c ends with it, d has it first and again in the middle, e is judged on it
AROUND_N = table_of(
    [
        *[("a", product, 5, when) for when, product in enumerate("pqrs")],
        *[("b", product, 5, when) for when, product in enumerate("psrq")],
        *[("c", product, 5, when) for when, product in enumerate("pqrn", start=10)],
        *[("d", product, 5, when) for when, product in enumerate("npnqrs", start=20)],
        *[("e", product, 5, when) for when, product in enumerate("qpnsr", start=5)],
        *[("f", product, 5, when) for when, product in enumerate("nqs", start=30)],
    ]
)


def test_new_products_by_hand() -> None:
    assert AROUND_N.num_products == 5
    settings = SplitSettings(held_out_products=0.2, seed=seed_that_draws(AROUND_N, "n", 0.2))
    plain, split = split_by_time(AROUND_N), split_by_time(AROUND_N, settings)
    n = AROUND_N.products.number("n")
    is_n = AROUND_N.product == n
    # training is as before, less the reviews of n
    assert split.train.tolist() == [review for review in plain.train.tolist() if not is_n[review]]
    # c's last product is new; of f nothing is left to train on
    assert [AROUND_N.users.id(user) for user in AROUND_N.user[split.test].tolist()] == ["a", "b", "d", "e"]
    np.testing.assert_array_equal(split.valid + 1, split.test)
    # judged: n of c, the second n of d and that of e; d's first one and f's have nothing before them
    assert split.held_out_products.tolist() == [11, 14, 20]
    # first in time: e at 7, c at 13, d at 20
    assert split.support.tolist() == [11, 12, 20]
    assert split.in_histories is not None
    assert split.in_histories.tolist() == np.flatnonzero(~is_n).tolist()
    histories = histories_before(AROUND_N, split.held_out_products, split.in_histories)
    assert [AROUND_N.products.id(product) for product in histories.product.tolist()] == list("pqr" + "p" + "qp")
    assert split.summary() == {
        "train": 10,
        "valid": 4,
        "test": 4,
        "held-out users": 0,
        "reviews of held-out products": 3,
    }


@given(st.integers(0, 20), st.sampled_from([0.0, 0.2]), st.sampled_from([0.05, 0.3]))
def test_new_products_are_in_no_other_part_and_in_no_history(
    seed: int, held_out_users: float, held_out_products: float
) -> None:
    table = checkerboard(num_users=50, num_products=40, likes=7)
    settings = SplitSettings(held_out_users=held_out_users, held_out_products=held_out_products, seed=seed)
    split, without = (
        split_by_time(table, settings),
        split_by_time(table, SplitSettings(held_out_users=held_out_users, seed=seed)),
    )
    new = new_products_of(table, settings)
    assert len(new) == round(held_out_products * 40)
    known = np.isin(table.product, list(new), invert=True)
    for part, whole in ((split.train, without.train), (split.valid, without.valid), (split.test, without.test)):
        assert known[part].all()
        assert set(part.tolist()) <= set(whole.tolist())  # who is a new person does not depend on new products
    assert set(split.held_out_users.tolist()) <= set(without.held_out_users.tolist())
    np.testing.assert_array_equal(split.train, without.train[known[without.train]])
    for targets in (split.valid, split.test, split.held_out_users, split.held_out_products):
        histories = histories_before(table, targets, split.in_histories)
        assert known[histories.review].all()
        assert (histories.lengths > 0).all()
    assert not known[split.held_out_products].any()
    assert not known[split.support].any()
    for product in new:
        support_reviews = split.support[table.product[split.support] == product]
        times = table.timestamp[table.product == product]
        assert len(support_reviews) == min(3, len(times))
        assert table.timestamp[support_reviews].max() <= np.sort(times)[: len(support_reviews)].max()


def test_without_new_products_histories_hold_everything() -> None:
    split = split_by_time(checkerboard())
    assert split.in_histories is None
    assert len(split.held_out_products) == len(split.support) == 0


def test_new_products_are_drawn_by_the_seed() -> None:
    table = checkerboard()
    one, same, other = (new_products_of(table, SplitSettings(held_out_products=0.2, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_new_products_of_whom_none_can_be_judged_are_an_error() -> None:
    table = checkerboard(num_products=40)
    with pytest.raises(
        DataError, match=r"split\.held_out_products=0\.01 of 40 products is none; give at least 0\.025,"
    ):
        split_by_time(table, SplitSettings(held_out_products=0.01))
    with pytest.raises(
        DataError, match=r"of 40 products draws 38 and leaves .* users to validate and test on; give less"
    ):
        split_by_time(table, SplitSettings(held_out_products=0.95))
    # each product begins somebody's history and is reviewed by nobody else
    first = table_of([(f"u{user}", f"u{user} p{place}", 5, place) for user in range(9) for place in range(3)])
    alone = [seed for seed in range(200) if first_drawn(first.num_products, seed) % 3 == 0]
    with pytest.raises(DataError, match=r"draws 1, and nobody reviewed one of them after a product that is not"):
        split_by_time(first, SplitSettings(held_out_products=1 / 27, seed=alone[0]))


def first_drawn(num_products: int, seed: int) -> int:
    return int(np.random.default_rng([seed, 1]).permutation(num_products)[0])


def test_parts_by_name() -> None:
    split = split_by_time(checkerboard(), SplitSettings(held_out_users=0.1, held_out_products=0.1))
    parts: list[Part] = ["valid", "test", "held_out_users", "held_out_products"]
    assert [split.part(name) for name in parts] == [
        split.valid,
        split.test,
        split.held_out_users,
        split.held_out_products,
    ]


def test_the_part_of_new_people_has_limits() -> None:
    with pytest.raises(ValidationError):
        SplitSettings(held_out_users=1.0)
    with pytest.raises(ValidationError):
        SplitSettings(held_out_products=1.0)


def test_histories_hold_everything_before_the_target_and_nothing_else() -> None:
    table = table_with([4, 3])
    histories = histories_before(table, np.array([3, 0, 5]))
    assert histories.indptr.tolist() == [0, 3, 3, 4]
    assert histories.review.tolist() == [0, 1, 2, 4]
    assert histories.product.tolist() == table.product[[0, 1, 2, 4]].tolist()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.data())
def test_histories_are_strictly_before_their_target(lengths: list[int], data: st.DataObject) -> None:
    table = table_with(lengths)
    numbers = st.integers(0, len(table) - 1)
    targets = np.array(data.draw(st.lists(numbers, max_size=10)), dtype=np.int64)
    histories = histories_before(table, targets)
    assert len(histories) == len(targets)
    for place, target in enumerate(targets.tolist()):
        history = histories.review[histories.indptr[place] : histories.indptr[place + 1]]
        same_user = np.flatnonzero(table.user == table.user[target])
        assert history.tolist() == same_user[same_user < target].tolist()
        assert (table.timestamp[history] <= table.timestamp[target]).all()


def test_the_history_of_the_test_holds_the_validation_review_and_that_of_validation_only_training() -> None:
    table = checkerboard()
    split = split_by_time(table)
    before_valid, before_test = histories_before(table, split.valid), histories_before(table, split.test)
    assert set(before_valid.review.tolist()) == set(split.train.tolist())
    np.testing.assert_array_equal(before_test.last(1).review, split.valid)


def test_histories_can_be_held_to_some_reviews_and_to_the_newest() -> None:
    table = table_with([5, 4])
    targets, among = np.array([4, 2, 8, 0]), np.array([0, 2, 3, 4, 5, 7])
    histories = histories_before(table, targets, among)
    assert histories.review.tolist() == [0, 2, 3, 0, 5, 7]  # never a target itself, also where it may be seen
    assert histories.lengths.tolist() == [3, 1, 2, 0]
    newest = histories_before(table, targets, among, limit=1)
    assert newest.review.tolist() == [3, 0, 7]
    assert newest.lengths.tolist() == [1, 1, 1, 0]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(1, 4))
def test_a_limit_is_the_same_as_cutting_afterwards(lengths: list[int], limit: int) -> None:
    table = table_with(lengths)
    targets = np.arange(len(table))
    cut, whole = histories_before(table, targets, limit=limit), histories_before(table, targets).last(limit)
    np.testing.assert_array_equal(cut.indptr, whole.indptr)
    np.testing.assert_array_equal(cut.review, whole.review)
    np.testing.assert_array_equal(cut.product, whole.product)
