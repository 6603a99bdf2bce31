"""Arrays of a call to people: what the rows mean, and what is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rec_sys.errors import DataError
from rec_sys.inference.recommend import Answer
from rec_sys.inference.users import Review, User
from rec_sys.modules.signature import UNKNOWN_TIME, recommend
from rec_sys.vector_database.index import NONE
from triton_utils.backend.request_arrays import arrays_of, users_of
from triton_utils.backend.settings import RecommendSettings

LIMITS = RecommendSettings(max_people=3, max_reviews=5, max_text=20, max_answers=100)
EMOJI = "très bon 🎸"


def objects(*values: bytes) -> npt.NDArray[Any]:
    return np.array(values, dtype=np.object_)


def call(**changes: Any) -> dict[str, npt.NDArray[Any]]:
    """Three reviews of two people, the second one's between those of the first."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "product_id": objects(b"A", b"", b"C"),
        "text": objects(EMOJI.encode(), b"a\0b", b""),
        "rating": np.array([5, np.nan, 1], dtype=np.float32),
        "timestamp": np.array([10, UNKNOWN_TIME, -10], dtype=np.int64),
        "product_name": objects(b"", b"Bell", b""),
        "person": np.array([0, 1, 0], dtype=np.int64),
        "people": objects(b"first", b"second"),
        "k": np.array([4], dtype=np.int32),
    }
    return arrays | changes


def test_rows_become_reviews_of_their_authors() -> None:
    people, rows, k = users_of(call(), LIMITS)
    assert people == [
        User("first", [Review("A", EMOJI, 5.0, 10), Review("C", "", 1.0, -10)]),
        User("second", [Review("", "a\0b", None, None, "Bell")]),
    ]
    assert [review_rows.tolist() for review_rows in rows] == [[0, 2], [1]]
    assert k == 4


def test_somebody_without_reviews_and_nobody_at_all() -> None:
    nothing = {name: array[:0] for name, array in call().items() if name not in ("people", "k")}
    people, rows, _ = users_of(call(**nothing), LIMITS)
    assert people == [User("first", []), User("second", [])]
    assert list(map(len, rows)) == [0, 0]
    assert users_of(call(**nothing, people=objects()), LIMITS)[:2] == ([], [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": np.array([0], dtype=np.int32)}, r"k=0: .* give k=1 or more"),
        ({"k": np.array([51], dtype=np.int32)}, r"102 people times k in one call; expected at most 100"),
        ({"person": np.array([0, 2, 0])}, r"person\[1\]=2: expected a row of people, 0 to 1"),
        ({"person": np.array([0, 1, -1])}, r"person\[2\]=-1"),
        ({"person": np.array([0, 1])}, r"person is int64 \[2\], but product_id has R=3"),
        ({"rating": np.array([5, np.inf, 1], dtype=np.float32)}, r"rating\[1\]=inf: expected 1 to 5, or nan"),
        ({"rating": np.array([5, 3, 0], dtype=np.float32)}, r"rating\[2\]=0"),
        ({"rating": np.array([5, 3, 1], dtype=np.float64)}, r"rating is float64 \[3\]; expected FP32 \[R\]"),
        ({"timestamp": np.array([0, 0, 2**60])}, r"timestamp\[2\]=\d+: expected seconds"),
        ({"timestamp": np.array([0, 0, UNKNOWN_TIME + 1])}, r"timestamp\[2\]=-\d+: expected seconds"),
        ({"text": objects(b"", b"x" * 21, b"")}, r"text\[1\] has 21 characters; expected at most 20"),
        ({"text": objects(b"", b"", b"\xff")}, r"text\[2\] is not UTF-8 \(invalid start byte at byte 0\)"),
        ({"product_id": objects(b"", b"\xed\xa0\x80", b"")}, r"product_id\[1\] is not UTF-8"),
        ({"people": objects(*[b"p"] * 4)}, r"4 people in one call; expected at most 3: ask in parts"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        users_of(call(**changes), LIMITS)


def test_too_many_reviews() -> None:
    many = {name: np.repeat(array, 2) for name, array in call().items() if name not in ("people", "k")}
    with pytest.raises(DataError, match="6 reviews in one call; expected at most 5"):
        users_of(call(**many), LIMITS)


def test_answers_go_back_to_the_rows_they_belong_to() -> None:
    answer = Answer(
        number=np.array([[1, 0], [2, NONE]]),
        score=np.array([[0.9, 0.8], [0.7, np.nan]], dtype=np.float32),
        stars=np.array([[5, 4], [3, np.nan]], dtype=np.float32),
        attention=[np.array([0.25, 0.75], dtype=np.float32), np.array([1], dtype=np.float32)],
        reviewed=[np.array([2, NONE]), np.array([0])],
        note=["", "only one 🎸"],
    )
    outputs = arrays_of(answer, [np.array([0, 2]), np.array([1])], ["a", "b", "c"], ["A", "", "Ç"], "print")
    assert list(outputs) == [tensor.name for tensor in recommend().outputs]
    assert outputs["product_id"].tolist() == [[b"b", b"a"], [b"c", b""]]
    assert outputs["name"].tolist() == [[b"", b"A"], ["Ç".encode(), b""]]
    np.testing.assert_array_equal(outputs["score"], np.array([[0.9, 0.8], [0.7, 0]], dtype=np.float32))  # no nan
    np.testing.assert_array_equal(outputs["stars"], np.array([[5, 4], [3, 0]], dtype=np.float32))
    assert outputs["attention"].tolist() == [0.25, 1, 0.75]
    assert outputs["reviewed_id"].tolist() == [b"c", b"a", b""]
    assert outputs["reviewed_name"].tolist() == ["Ç".encode(), b"A", b""]
    assert outputs["note"].tolist() == [b"", "only one 🎸".encode()]
    assert outputs["model"].tolist() == [b"print"]
    for tensor in recommend().outputs:
        assert outputs[tensor.name].dtype == tensor.numpy, tensor.name
