from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks.serving_load import (
    Client,
    HttpError,
    Measured,
    Seen,
    ask_until,
    body_of,
    in_threads,
    warm_up,
)
from benchmarks.serving_questions import Questions, load_arrays, save_arrays, save_users, users_of
from benchmarks.serving_setup import chosen_data
from benchmarks.serving_targets import in_turns, is_refusal, target
from rec_sys.inference.read_reviews import parse_users
from rec_sys.inference.users import Review, User


def reviews(name: str, count: int) -> list[Review]:
    texts = [f"{name} says number {number}. It was good! Would buy {number} again?" for number in range(count)]
    return [Review(f"p{number}", text, 1.0 + number % 5, 86_400 * number) for number, text in enumerate(texts)]


@pytest.fixture
def users() -> list[User]:
    return users_of({"ann": reviews("ann", 12), "bob": reviews("bob", 9), "cid": reviews("cid", 10)})


def test_people_have_their_ten_newest_reviews_with_texts(users: list[User]) -> None:
    assert [user.user_id for user in users] == ["ann", "cid"]
    assert [review.product_id for review in users[0].reviews] == [f"p{number}" for number in range(2, 12)]
    blank = [Review("p", "  "), *reviews("dan", 9)]
    assert users_of({"dan": blank}) == []
    together = users_of({"dan": blank, "eve": reviews("eve", 2)})
    assert [len(user.reviews) for user in together] == [10]


def test_new_texts_are_new_as_long_as_real_ones_and_of_their_sentences(users: list[User], tmp_path: Path) -> None:
    save_users(users, tmp_path / "people.json")
    questions = Questions.load(tmp_path / "people.json", (1, 2))
    assert list(questions.users) == users
    real = {review.text for user in users for review in user.reviews}
    texts = [review.text for _ in range(50) for review in questions.next(new=True).reviews]
    assert len(set(texts)) == 500
    assert not real & set(texts)
    assert {len(text.split()) for text in texts} <= set(range(11, 20))
    assert {word for text in texts for word in text.split()} <= {word for text in real for word in text.split()}
    assert Questions.load(tmp_path / "people.json", (1, 2)).next(new=True).reviews[0].text == texts[0]
    assert Questions.load(tmp_path / "people.json", (1, 3)).next(new=True).reviews[0].text != texts[0]
    assert questions.next(new=False) in users


def test_arrays_come_back(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [
        {"a": np.arange(3), "b": np.ones((2, 2), np.float32)},
        {"a": np.arange(1), "b": np.zeros((0, 2))},
    ]
    save_arrays(calls, tmp_path / "calls.npz")
    for wrote, read in zip(calls, load_arrays(tmp_path / "calls.npz"), strict=True):
        assert wrote.keys() == read.keys()
        for name, array in wrote.items():
            np.testing.assert_array_equal(array, read[name])


def test_http_asks_the_same_as_grpc(users: list[User]) -> None:
    assert parse_users(body_of(users[0]), "the body") == [users[0]]


def test_clients_ask_one_after_the_other_and_errors_have_causes() -> None:
    numbers = itertools.count()

    def ask(number: int) -> None:
        time.sleep(0.01)
        if number == 3:
            raise HttpError("503 queue_full")
        if number == 4:
            raise ValueError("no")

    start = time.monotonic()
    seen = ask_until([Client(lambda: next(numbers), ask)] * 2, start + 0.3)
    assert len(seen.answers) + 2 == next(numbers)
    assert sorted(cause for _, cause in seen.errors) == ["503 queue_full", "ValueError"]
    assert all(took >= 0.01 for _, took in seen.answers)
    early = seen.between(start, seen.answers[-1][0])
    assert 0 < len(early.answers) < len(seen.answers)
    assert seen.between(start + 9, start + 10) == Seen()


def test_what_counts_is_what_was_answered_in_the_time() -> None:
    def busy(_: object) -> None:
        end = time.process_time() + 0.01
        while time.process_time() < end:
            pass

    measured = in_threads([Client(lambda: None, busy)], 0.5, new=False)
    row = measured.row("nothing", "here")
    assert row["requests/s"] == len(measured.milliseconds) / 0.5 > 1
    assert row["errors"] == "none"
    assert row["p50, ms"] >= 9
    assert 5 < row["CPU, ms each"] < 25  # ten, and what another thread of this process does
    assert row["clients' CPU"] is None


def test_nobody_is_counted_before_the_queue_is_full() -> None:
    assert warm_up(4, 1, new=True) == warm_up(4, 64, new=False) == 1
    assert warm_up(4, 64, new=True) > 64 / 6.8, "answers a second on two cores with nothing else to do"
    assert warm_up(4, 144, new=True) == warm_up(4, 80, new=True), "a queue does not get longer than it may"


def test_rows_of_figures() -> None:
    measured = Measured(4, 2.0, np.arange(1, 101, dtype=float), Counter(), 0.5, 0.1, 7.0)
    row = measured.row("a", "b")
    assert (row["requests/s"], row["p50, ms"], row["CPU, ms each"], row["clients' CPU"]) == (50, 50.5, 5, 1)
    assert target("x", 1.2, 1.3, "ms") == {"target": "x", "measured": "1.2 ms", "wanted": "<= 1.3 ms", "met": "yes"}
    assert target("x", float("nan"), 1.3, "")["met"] == "no"
    assert target("x", 1.2, None, "ms") == {"target": "x", "measured": "1.2 ms", "wanted": "-", "met": "-"}
    causes = ("Overloaded", "503 queue_full", "503 overloaded", "503 not_ready", "DeadlineExceeded", "504 deadline")
    assert [is_refusal(cause) for cause in causes] == [True, True, True, False, False, False]


def test_ways_take_turns_with_the_same_questions() -> None:
    asked: list[tuple[str, int]] = []

    def way(name: str) -> Callable[[int], None]:
        return lambda question: asked.append((name, question))

    numbers = itertools.count()
    took = in_turns({"a": way("a"), "b": way("b")}, lambda: next(numbers), 0)
    assert asked[:6] == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert [len(values) for values in took.values()] == [5, 5]
    asked.clear()
    in_turns({"a": way("a"), "b": way("b")}, lambda: next(numbers), 0, block=2)
    assert asked[:6] == [("a", 5), ("a", 6), ("b", 5), ("b", 6), ("b", 7), ("b", 8)]
    start = time.monotonic()
    in_turns({"a": way("a")}, lambda: next(numbers), 0, block=2, pause=0.01)
    assert time.monotonic() - start >= 10 * 0.01, "five turns of two questions, a pause before each"


def test_data_is_a_name_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_SYS_SHARED_DATA", str(tmp_path))
    assert chosen_data(None) == ("sample", ["data=sample"])
    file = tmp_path / "musical_instruments_2014" / "Musical_instruments_reviews.csv.gz"
    file.parent.mkdir()
    file.write_bytes(b"")
    assert chosen_data(None) == ("musical_instruments_2014", ["data=musical_instruments_2014"])
    assert chosen_data(str(file)) == ("Musical_instruments_reviews", ["data=file", f"data.path={file}"])
    assert orjson.loads(body_of(User("x"))) == []
