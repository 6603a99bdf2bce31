"""The two-stage model never sees the future: its questions, what is known of who asks, and features of candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rec_sys.dataset.events import EventTable
from rec_sys.ids import IdMap
from rec_sys.recommenders.two_stage.candidates import make_candidates
from rec_sys.recommenders.two_stage.features import FeatureMaker
from rec_sys.recommenders.two_stage.known_events import EventIndex
from rec_sys.recommenders.two_stage.questions import TEST, TRAIN, VALID, Round, rounds_of
from rec_sys.recommenders.two_stage.settings import TwoStageSettings
from rec_sys.recommenders.two_stage.sources import Sources

KINDS = ("view", "addtocart")
CART = 1
SETTINGS = TwoStageSettings(windows=4, window_share=0.1, candidates=20, per_source=10, sources=("item_knn",))


def events_of(seed: int = 0, users: int = 40, products: int = 25, each: int = 12) -> EventTable:
    """Views, and a cart after every third, hours apart."""
    random = np.random.default_rng(seed)
    count = users * each
    return EventTable(
        users=IdMap([f"u{n}" for n in range(users)], "user"),
        products=IdMap([f"p{n}" for n in range(products)], "product"),
        kinds=KINDS,
        weights=np.array([1, 3], dtype=np.float32),
        user=np.repeat(np.arange(users), each),
        product=random.integers(products, size=count),
        timestamp=np.concatenate([np.sort(random.choice(2_000, each, replace=False)) for _ in range(users)]) * 3_600,
        kind=(np.arange(count) % 3 == 2).astype(np.int8),
        basket=np.full(count, -1, dtype=np.int64),
        quantity=np.ones(count, dtype=np.float32),
        price=np.full(count, np.nan, dtype=np.float32),
    )


def with_other_future(events: EventTable, since: int) -> EventTable:
    """The same events but for those from a time on, which are of other products and of the other kind."""
    later = events.timestamp >= since
    product = np.where(later, (events.product + 7) % len(events.products), events.product)
    return replace(events, product=product, kind=np.where(later, 1 - events.kind, events.kind).astype(np.int8))


@pytest.fixture(scope="module")
def events() -> EventTable:
    return events_of()


@pytest.fixture(scope="module")
def rounds(events: EventTable) -> list[Round]:
    return list(rounds_of(events, CART, SETTINGS))


def test_the_last_window_tests_and_the_one_before_chooses(rounds: list[Round]) -> None:
    assert [np.unique(each.part).tolist() for each in rounds] == [[TRAIN], [TRAIN], [VALID], [TEST]]
    firsts = [int(each.since.min()) for each in rounds]
    assert firsts == sorted(firsts)


def test_sources_learn_from_what_lies_before_every_question(rounds: list[Round]) -> None:
    for each in rounds:
        assert each.past.timestamp.max() < each.since.min()
        assert len(each.past)


def test_of_who_asks_only_events_before_the_question_are_known(rounds: list[Round]) -> None:
    for each in rounds:
        known = each.known
        assert (known.timestamp < known.now[known.row]).all()
        assert len(known.timestamp)


def test_an_answer_is_a_cart_at_the_time_of_its_question(events: EventTable, rounds: list[Round]) -> None:
    carts = {
        (int(u), int(p), int(t))
        for u, p, t, k in zip(events.user, events.product, events.timestamp, events.kind, strict=True)
        if k == CART
    }
    for each in rounds:
        asked = each.known.user[each.row], each.product, each.known.now[each.row]
        assert {tuple(map(int, one)) for one in zip(*asked, strict=True)} <= carts


def test_what_is_known_at_a_time_does_not_change_with_what_comes_later(events: EventTable) -> None:
    time = 1_000 * 3_600
    users = np.arange(len(events.users))
    now = np.full(len(users), time)
    before, after = (EventIndex(each).before(users, now, 50) for each in (events, with_other_future(events, time)))
    for name in ("indptr", "product", "kind", "timestamp"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    changed = EventIndex(with_other_future(events, 500 * 3_600)).before(users, now, 50)
    assert not np.array_equal(changed.product, before.product)  # the counterpart: that it can fail


def test_rounds_before_a_time_do_not_change_with_what_comes_later(events: EventTable, rounds: list[Round]) -> None:
    """The first window's questions, candidates and features, when all windows behind it hold other products."""
    first, until = rounds[0], int(rounds[1].since.min())
    other = replace(events, product=np.where(events.timestamp >= until, (events.product + 7) % 25, events.product))
    again = next(iter(rounds_of(other, CART, SETTINGS)))
    values = []
    for each in (first, again):
        sources = Sources.fit(each.past, CART, SETTINGS)
        candidates = make_candidates(each.known, sources, SETTINGS)
        values.append(FeatureMaker(each.past, CART, sources).make(each.known, candidates).values)
    np.testing.assert_array_equal(first.product, again.product)
    np.testing.assert_array_equal(values[0], values[1])
    assert values[0].shape[0] > len(first.known)


def test_too_few_events_give_no_round() -> None:
    alone = events_of(users=1, each=3)
    same_time = replace(alone, timestamp=np.zeros(3, dtype=np.int64))
    assert list(rounds_of(same_time, CART, SETTINGS)) == []
