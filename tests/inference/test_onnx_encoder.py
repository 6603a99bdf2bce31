"""The whole way in process: ONNX Runtime in torch's place gives the same recommendations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest

from rec_sys.dataset.histories import Histories
from rec_sys.errors import CheckpointError
from rec_sys.inference.local import all_history, recommender_of
from rec_sys.inference.onnx_encoder import OnnxGraphEncoder, graph_model_inputs
from rec_sys.inference.recommend import Recommendations, ReviewRecommender
from rec_sys.inference.torch_encoder import TorchGraphEncoder
from rec_sys.inference.users import Review, User
from rec_sys.modules.model_export import export_graph_model, export_new_products, graph_model_signature
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.history_arrays import history_arrays
from rec_sys.text.text_encoder import NoTexts
from rec_sys.vector_database.index import VectorBase
from tests.support.exported_toy import TEXT_DIM, random_checkpoint
from tests.support.toy_checkpoint import ToyEncoder

USERS = [
    User("several", [Review("p1", "warm tone", 5, 10**9), Review("p2", "", 2, 2 * 10**9), Review("p3", "broke")]),
    User("nobody"),
    User("more than are read", [Review(f"p{n}", f"text {n}", 1 + n % 5, n * 86_400) for n in range(20)]),
    User("a product that is unknown", [Review("gone", "bronze strings", 4, 7, "Harp"), Review("", "paper kite")]),
    User("unknown and without a text", [Review("gone too")]),
]


class ShortEncoder(ToyEncoder):
    """As many dimensions as the toy model reads."""

    def encode(self, texts):  # type: ignore[no-untyped-def]
        vectors = super().encode(texts)[:, :TEXT_DIM]
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class Exported:
    checkpoint: TrainedGraph
    graph: OnnxGraphEncoder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    checkpoint = random_checkpoint(folder / "a")
    export_graph_model(checkpoint, folder / "graph_model.onnx")
    export_new_products(checkpoint, folder / "new_products.onnx")
    graph = OnnxGraphEncoder(folder / "graph_model.onnx", folder / "new_products.onnx", max_history=7)
    return Exported(checkpoint, graph)


def check_same(ours: list[Recommendations], theirs: list[Recommendations]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert [item.product_id for item in a.items] == [item.product_id for item in b.items]
        np.testing.assert_allclose([i.score for i in a.items], [i.score for i in b.items], atol=1e-5)
        np.testing.assert_allclose([i.stars for i in a.items], [i.stars for i in b.items], atol=1e-5)
        np.testing.assert_allclose([w.attention for w in a.why], [w.attention for w in b.why], atol=1e-5)
        assert [w.product_id for w in a.why] == [w.product_id for w in b.why]
        assert a.note == b.note


def test_the_same_recommendations_as_torch(exported: Exported) -> None:
    base = VectorBase.of_model(exported.checkpoint.stored())
    encoder = ShortEncoder()
    in_torch = recommender_of(exported.checkpoint.stored(), base, encoder, TorchGraphEncoder(exported.checkpoint))
    in_onnx = ReviewRecommender(exported.graph, base, in_torch.history, encoder)
    check_same(in_onnx.recommend(USERS, 12), in_torch.recommend(USERS, 12))
    assert in_onnx.recommend([]) == []


def test_a_model_without_texts(tmp_path: Path) -> None:
    checkpoint = random_checkpoint(tmp_path / "a", texts=False, item_factors=False)
    export_graph_model(checkpoint, tmp_path / "graph_model.onnx")
    base = VectorBase.of_model(checkpoint.stored())
    graph = OnnxGraphEncoder(tmp_path / "graph_model.onnx", None, max_history=7)
    history = all_history(checkpoint.stored().history, base, TorchGraphEncoder(checkpoint))
    ours = ReviewRecommender(graph, base, history, NoTexts()).recommend(USERS, 12)
    check_same(ours, recommender_of(checkpoint.stored(), base, NoTexts()).recommend(USERS, 12))
    with pytest.raises(CheckpointError, match="reads no texts"):
        graph.encode_cold_items(np.zeros((1, 0), dtype=np.float32))


def test_inputs_fit_the_signature_and_have_a_row_per_review_of_each_history(exported: Exported) -> None:
    """Reviews that stand in two histories are held once, but asked about twice."""
    histories = Histories(np.array([0, 2, 3, 3]), np.array([4, 5, 4]), np.array([1, 0, 1]))
    text = np.arange(6 * TEXT_DIM, dtype=np.float32).reshape(6, TEXT_DIM)
    batch = history_arrays(histories, text, np.arange(6, dtype=np.float32), np.zeros(6, dtype=np.int64))
    products = exported.checkpoint.states.history.numpy()
    arrays = graph_model_inputs(products, batch, review_texts=True)
    assert graph_model_signature(exported.checkpoint).mismatch(arrays) == ""
    assert arrays["person"].tolist() == [0, 0, 1]
    assert arrays["rating"].tolist() == [4, 5, 4]
    np.testing.assert_array_equal(arrays["products"], products[[1, 0, 1]])
    np.testing.assert_array_equal(arrays["text"], text[[4, 5, 4]])
    assert len(arrays["people"]) == 3
    assert "text" not in graph_model_inputs(products, batch, review_texts=False)
    vector, attention = exported.graph.encode_users(products, batch)
    assert vector.shape == (3, exported.checkpoint.states.target.shape[1])
    assert attention[2] == pytest.approx(1)


def test_files_of_two_checkpoints_are_refused(exported: Exported, tmp_path: Path) -> None:
    folder = exported.checkpoint.path.parent
    network = onnx.load(folder / "graph_model.onnx")
    network.metadata_props[0].value = "another checkpoint"
    onnx.save(network, tmp_path / "graph_model.onnx")
    with pytest.raises(CheckpointError, match="export both from one checkpoint"):
        OnnxGraphEncoder(tmp_path / "graph_model.onnx", folder / "new_products.onnx", max_history=7)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.onnx"):
        OnnxGraphEncoder(tmp_path / "none.onnx", None, max_history=7)
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"bad\.onnx is damaged"):
        OnnxGraphEncoder(tmp_path / "bad.onnx", None, max_history=7)
