from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rec_sys.modules.signature import MODELS, graph_model, new_products, recommend, text_encoder

Arrays = dict[str, npt.NDArray[Any]]


def inputs(reviews: int, users: int) -> Arrays:
    return {
        "products": np.zeros((reviews, 4), dtype=np.float32),
        "text": np.zeros((reviews, 3), dtype=np.float32),
        "rating": np.zeros(reviews, dtype=np.float32),
        "person": np.zeros(reviews, dtype=np.int64),
        "age": np.zeros(reviews, dtype=np.int64),
        "days": np.zeros(reviews, dtype=np.float32),
        "people": np.zeros(users, dtype=np.int64),
    }


@pytest.mark.parametrize("sizes", [(0, 0), (0, 2), (1, 1), (9, 3)])
def test_any_number_of_reviews_and_users_fits(sizes: tuple[int, int]) -> None:
    assert graph_model(4, 3, 5).mismatch(inputs(*sizes)) == ""


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("products", np.zeros((2, 5), dtype=np.float32), "products is float32 [2, 5]; expected FP32 [R, 4]"),
        ("rating", np.zeros(2), "rating is float64 [2]; expected FP32 [R]"),
        ("rating", np.zeros((2, 1), dtype=np.float32), "rating is float32 [2, 1]; expected FP32 [R]"),
        ("age", np.zeros(3, dtype=np.int64), "age is int64 [3], but products has R=2; expected INT64 [R]"),
        ("more", np.zeros(2), "knows no more; expected products, text, "),
    ],
)
def test_what_does_not_fit_is_named(name: str, array: npt.NDArray[Any], expected: str) -> None:
    assert expected in graph_model(4, 3, 5).mismatch({**inputs(2, 1), name: array})


def test_what_is_missing_is_named() -> None:
    arrays = inputs(2, 1)
    del arrays["days"], arrays["age"]
    assert graph_model(4, 3, 5).mismatch(arrays).startswith("graph_model lacks age, days; expected products")
    del arrays["text"]
    assert "text" not in graph_model(4, 0, 5).mismatch(arrays)


def test_batches_are_limited() -> None:
    signature = text_encoder(8)
    texts = np.full((64, 1), "a", dtype=np.object_)
    assert signature.mismatch({"text": texts}) == ""
    assert "65 in one batch; expected at most 64" in signature.mismatch({"text": np.repeat(texts[:1], 65, axis=0)})
    assert "expected BYTES [batch, 1]" in signature.mismatch({"text": texts[:, 0]})


def test_names_of_models() -> None:
    assert {graph_model(4, 3, 5).name, new_products(3, 4, 5).name, text_encoder(3).name, recommend().name} == set(
        MODELS
    )
    assert recommend().input("k").dims == (1,)
    assert recommend().output("name").dims == (-1, -1)
