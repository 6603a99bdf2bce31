"""A stored model computed in numpy, in torch and in ONNX Runtime: the same vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rec_sys.arrays import Floats
from rec_sys.dataset.histories import Histories
from rec_sys.errors import CheckpointError
from rec_sys.inference.encoders import GraphEncoder
from rec_sys.inference.onnx_encoder import OnnxGraphEncoder
from rec_sys.inference.torch_encoder import TorchGraphEncoder
from rec_sys.modules.model_export import export_graph_model, export_new_products
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.history_arrays import HistoryArrays, history_arrays
from rec_sys.recommenders.graph.numpy_encoder import NumpyGraphEncoder
from rec_sys.recommenders.graph.stored import read_stored
from tests.support.exported_toy import NUM_PRODUCTS, TEXT_DIM, random_checkpoint

TOLERANCE = 1e-5
NUM_REVIEWS = 400
KINDS: dict[str, dict[str, object]] = {
    "all": {},
    "no item factors": {"item_factors": False},
    "no texts": {"texts": False},
    "nothing": {"texts": False, "item_factors": False, "rating_bias": 0},
    "product texts alone, no rating bias": {"review_texts": False, "rating_bias": 0},
}
LENGTHS = {
    "nobody": [],
    "one without reviews": [0],
    "several without reviews": [0, 0, 0],
    "one review": [1],
    "one user": [7],
    "some without reviews": [3, 0, 7, 1, 0],
    "many users": [number % 8 for number in range(300)],
}


def histories_of(model: TrainedGraph, lengths: list[int]) -> HistoryArrays:
    """Histories over shared reviews: some of one product, some unrated, some without a text."""
    generator = np.random.default_rng(len(lengths))
    review = np.concatenate(
        [np.empty(0, dtype=np.int64), *(np.sort(generator.choice(NUM_REVIEWS, size, False)) for size in lengths)]
    )
    product = generator.integers(0, NUM_PRODUCTS, NUM_REVIEWS)
    rating = generator.integers(1, 6, NUM_REVIEWS).astype(np.float32)
    rating[::3] = np.nan
    text = generator.normal(size=(NUM_REVIEWS, TEXT_DIM if model.network.review_texts else 0)).astype(np.float32)
    text[::5] = 0
    time = np.sort(generator.integers(0, 10**9, NUM_REVIEWS))
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return history_arrays(Histories(indptr, review, product[review]), text, rating, time)


def texts_of(model: TrainedGraph, count: int) -> Floats:
    """Of any length, some of them empty, some those of a known product."""
    generator = np.random.default_rng(count)
    text = generator.normal(size=(count, model.text_dim)).astype(np.float32) * 3
    text[2::4] = 0
    if model.bank is not None:
        text[3::4] = model.bank.text[: len(text[3::4])].float().numpy()
    return text


def check_users(ours: GraphEncoder, theirs: GraphEncoder, model: TrainedGraph) -> None:
    products = model.states.history.numpy()
    for name, lengths in LENGTHS.items():
        histories = histories_of(model, lengths)
        vectors, attention = ours.encode_users(products, histories)
        expected, expected_attention = theirs.encode_users(products, histories)
        assert vectors.shape == (len(lengths), model.layout.vector_dim), name
        assert vectors.dtype == np.float32, name
        np.testing.assert_allclose(vectors, expected, atol=TOLERANCE, rtol=0, err_msg=name)
        np.testing.assert_allclose(attention, expected_attention, atol=TOLERANCE, rtol=0, err_msg=name)
        if lengths:
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=TOLERANCE, err_msg=name)


def check_cold_items(ours: GraphEncoder, theirs: GraphEncoder, model: TrainedGraph) -> None:
    for count in (0, 1, 33):
        text = texts_of(model, count)
        for found, expected in zip(ours.encode_cold_items(text), theirs.encode_cold_items(text), strict=True):
            assert found.shape == expected.shape
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("conv", ["transformer", "gat"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_is_torch(tmp_path: Path, conv: str, layers: int, kind: str) -> None:
    model = random_checkpoint(tmp_path / "a", conv=conv, layers=layers, **KINDS[kind])  # type: ignore[arg-type]
    in_numpy, in_torch = NumpyGraphEncoder(read_stored(model.path)), TorchGraphEncoder(model)
    assert (in_numpy.text_dim, in_numpy.review_texts, in_numpy.max_history) == (
        *(in_torch.text_dim, in_torch.review_texts, in_torch.max_history),
    )
    check_users(in_numpy, in_torch, model)
    check_cold_items(in_numpy, in_torch, model)


@pytest.mark.parametrize("conv", ["transformer", "gat"])
def test_numpy_is_onnx(tmp_path: Path, conv: str) -> None:
    model = random_checkpoint(tmp_path / "a", conv=conv, layers=2)
    files = tmp_path / "graph_model.onnx", tmp_path / "new_products.onnx"
    export_graph_model(model, files[0])
    export_new_products(model, files[1])
    in_numpy, in_onnx = NumpyGraphEncoder(read_stored(model.path)), OnnxGraphEncoder(*files, max_history=7)
    check_users(in_numpy, in_onnx, model)
    check_cold_items(in_numpy, in_onnx, model)


@pytest.mark.parametrize("item_factors", [True, False])
@pytest.mark.parametrize("examples", ["no bank", "none", "one", "those that are known"])
def test_cold_items_beside_any_examples(tmp_path: Path, item_factors: bool, examples: str) -> None:
    model = random_checkpoint(tmp_path / "a", item_factors=item_factors)
    assert model.bank is not None
    text, known = model.bank.text.clone(), torch.arange(NUM_PRODUCTS) % 3 > 0
    if examples == "none":
        text[:] = 0
    elif examples == "one":
        text[2:] = 0
    bank = None if examples == "no bank" else replace(model.bank, text=text, known=known)
    chosen = replace(model, bank=bank)
    check_cold_items(NumpyGraphEncoder(chosen.stored()), TorchGraphEncoder(chosen), chosen)


def test_more_texts_than_fit_into_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_checkpoint(tmp_path / "a")
    whole = NumpyGraphEncoder(model.stored()).encode_cold_items(texts_of(model, 33))
    monkeypatch.setattr("rec_sys.recommenders.graph.numpy_encoder.AT_ONCE", 200)
    parts = NumpyGraphEncoder(model.stored()).encode_cold_items(texts_of(model, 33))
    for found, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_without_its_user_tower_is_refused(tmp_path: Path) -> None:
    stored = random_checkpoint(tmp_path / "a").stored()
    arrays = {name: value for name, value in stored.arrays.items() if not name.startswith("model.user_tower")}
    with pytest.raises(CheckpointError, match="user tower"):
        NumpyGraphEncoder(replace(stored, arrays=arrays))
