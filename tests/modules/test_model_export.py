"""Exported networks beside torch, through real files and a real ONNX Runtime."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import orjson
import pytest
import torch

from rec_sys.errors import CheckpointError, ConfigError, Remedy
from rec_sys.inference.onnx_encoder import OnnxGraphEncoder
from rec_sys.modules import model_export
from rec_sys.modules.model_export import (
    check_model_config,
    export,
    export_graph_model,
    export_new_products,
    graph_model_signature,
    main,
    new_products_signature,
)
from rec_sys.modules.parity import TOLERANCE
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.user_tower import UserTower
from tests.support.exported_toy import TEXT_DIM, random_checkpoint

PROJECT = Path(__file__).resolve().parents[2]
MODEL_CONFIG = PROJECT / "config/model/model_config.yaml"
SAME_AS_TRAINED = "dim: 16\nheads: 2\nmax_history: 7\nlayers: 2\n"
SETTINGS = ["model.dim=16", "heads=2", "model.max_history=7", "model.layers=2"]  # of the checkpoint below


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> TrainedGraph:
    return random_checkpoint(tmp_path_factory.mktemp("checkpoint") / "good", layers=2)


@pytest.fixture(scope="module")
def graph_model(checkpoint: TrainedGraph) -> Path:
    path = checkpoint.path.parent / "graph_model.onnx"
    assert export_graph_model(checkpoint, path) < 1e-5
    return path


def test_the_file_says_what_it_was_made_from_and_has_the_signature(checkpoint: TrainedGraph, graph_model: Path) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load(graph_model).metadata_props}
    assert metadata == {
        "checkpoint": checkpoint.fingerprint,
        "checkpoint_name": "good",
        "format": model_export.FORMAT,
    }
    session = onnxruntime.InferenceSession(graph_model)
    signature = graph_model_signature(checkpoint)
    kinds = {"FP32": "tensor(float)", "INT64": "tensor(int64)"}
    for tensors, found in ((signature.inputs, session.get_inputs()), (signature.outputs, session.get_outputs())):
        assert [(tensor.name, kinds[tensor.dtype]) for tensor in tensors] == [(one.name, one.type) for one in found]
        for tensor, one in zip(tensors, found, strict=True):
            assert [-1 if isinstance(length, str) else length for length in one.shape] == list(tensor.dims)


def test_threads_do_not_change_the_sums(checkpoint: TrainedGraph, graph_model: Path) -> None:
    """ONNX Runtime adds to one row from several threads without a lock, if it is allowed to."""
    generator = np.random.default_rng(0)
    count = 4000
    arrays = {
        "products": generator.normal(size=(count, checkpoint.states.history.shape[1])).astype(np.float32),
        "text": generator.normal(size=(count, TEXT_DIM)).astype(np.float32),
        "rating": np.full(count, 4, dtype=np.float32),
        "person": generator.integers(0, 2, count),
        "age": generator.integers(0, 7, count),
        "days": generator.random(count).astype(np.float32),
        "people": np.zeros(2, dtype=np.int64),
    }
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 8
    session = onnxruntime.InferenceSession(graph_model, options)
    first = session.run(None, arrays)
    for _ in range(10):
        for ours, expected in zip(session.run(None, arrays), first, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_who_else_is_in_the_batch_changes_nothing_whatever_they_send(
    checkpoint: TrainedGraph, graph_model: Path
) -> None:
    graph = onnxruntime.InferenceSession(graph_model)
    arrays = {
        "products": checkpoint.states.history.numpy()[:4],
        "text": np.ones((4, TEXT_DIM), dtype=np.float32),
        "rating": np.array([5, 1, np.nan, 3], dtype=np.float32),
        "person": np.array([0, 0, 1, 1]),
        "age": np.array([1, 0, 1, 0]),
        "days": np.array([9, 0, 0, 0], dtype=np.float32),
        "people": np.zeros(2, dtype=np.int64),
    }
    good = graph.run(["vector"], arrays)[0][0]
    arrays["products"] = arrays["products"].copy()
    arrays["products"][2:] = np.nan
    bad = graph.run(["vector"], arrays)[0]
    assert np.isnan(bad[1]).any()
    np.testing.assert_array_equal(bad[0], good)


@pytest.mark.parametrize(
    "kind",
    [{"conv": "gat", "layers": 2}, {"texts": False, "item_factors": 0}, {"review_texts": False, "rating_bias": 0}],
    ids=["gat", "no texts, no item factors", "product texts only, no rating bias"],
)
def test_every_kind_of_model_is_exported(tmp_path: Path, kind: dict[str, object]) -> None:
    checkpoint = random_checkpoint(tmp_path / "a", **kind)  # type: ignore[arg-type]
    assert export_graph_model(checkpoint, tmp_path / "graph_model.onnx") < 1e-5
    products = None
    if checkpoint.network.text_dim:
        products = tmp_path / "new_products.onnx"
        assert export_new_products(checkpoint, products) < 1e-5
    else:
        with pytest.raises(CheckpointError, match="reads no texts"):
            export_new_products(checkpoint, tmp_path / "new_products.onnx")
    graph = OnnxGraphEncoder(tmp_path / "graph_model.onnx", products, max_history=7)
    assert graph.text_dim == checkpoint.network.text_dim
    assert graph.review_texts == checkpoint.network.review_texts
    assert graph.history_dim == checkpoint.states.history.shape[1]
    assert graph.checkpoint == checkpoint.fingerprint


def test_cold_items_of_no_texts_one_and_many(checkpoint: TrainedGraph, tmp_path: Path) -> None:
    path = tmp_path / "new_products.onnx"
    assert export_new_products(checkpoint, path) < 1e-5
    session = onnxruntime.InferenceSession(path)
    for count in (0, 1, 33):
        text = torch.randn(count, TEXT_DIM, generator=torch.Generator().manual_seed(count))
        history, target = session.run(["history", "target"], {"text": text.numpy()})
        with torch.inference_mode():
            expected = checkpoint.describe_cold_items(text)
        np.testing.assert_allclose(history, expected.history, atol=1e-5)
        np.testing.assert_allclose(target, expected.target, atol=1e-5)
    signature = new_products_signature(checkpoint)
    assert [tensor.dims[1] for tensor in signature.outputs] == [history.shape[1], target.shape[1]]


@pytest.fixture
def written_before(graph_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter takes its time: here it gives the file that it has written already."""
    monkeypatch.setattr(model_export, "_write_onnx", lambda *given: shutil.copyfile(graph_model, given[2]))


@pytest.mark.usefixtures("written_before")
def test_a_network_that_differs_is_not_written(
    tmp_path: Path, checkpoint: TrainedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "graph_model.onnx"
    path.write_bytes(b"the one before")
    forward = UserTower.forward

    def shifted(tower: UserTower, products: torch.Tensor, batch: object) -> object:
        """As if the exported network had forgotten a small thing."""
        return forward(tower, products * (1 + 1e-2), batch)  # type: ignore[arg-type]

    monkeypatch.setattr(UserTower, "forward", shifted)
    with pytest.raises(CheckpointError, match=r"differs from torch by .* expected at most 1e-04. Nothing was written"):
        export_graph_model(checkpoint, path)
    assert path.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [path]
    assert TOLERANCE == 1e-4


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ("dim: 32", [], "model.dim is 32 in .* but checkpoint good was trained with 16"),
        ("", [], "model.dim is 128 in "),  # what the file does not name has its default
        ("dim: 16\nheads: 2\nmax_history: 7", [], "model.layers is 1 in .* trained with 2; add model.layers=2"),
        ("dim: 16\nhead: 2", [], "unknown setting 'model.head'; did you mean 'heads'"),
        ("dim: 17", [], "not a multiple of heads"),
        (SAME_AS_TRAINED, ["model.cold_start.folds=3"], r"model\.cold_start\.folds is 3 in .* trained with 20"),
        (
            SAME_AS_TRAINED,
            ["factors.regularisation=5.0"],
            r"model\.factors\.regularisation is 5\.0 in .*; add model\.factors\.regularisation=100\.0 to",
        ),
        (SAME_AS_TRAINED, ["factors.decays=[0.5]"], r"; add \W*model\.factors\.decays=\[0\.9, 0\.8\]\W* to"),
        ("- 1", [], "holds list; expected settings"),
        ("{", [], "cannot be read"),
        ("", ["dim"], "'dim' is no setting; expected key=value"),
    ],
)
def test_a_model_config_that_contradicts_is_refused(
    tmp_path: Path, checkpoint: TrainedGraph, text: str, overrides: list[str], expected: str
) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        check_model_config(path, checkpoint, overrides)


def test_the_model_config_of_the_training_is_accepted(tmp_path: Path, checkpoint: TrainedGraph) -> None:
    check_model_config(MODEL_CONFIG, checkpoint, SETTINGS)
    path = tmp_path / "model.yaml"
    path.write_text(SAME_AS_TRAINED)
    check_model_config(path, checkpoint)
    check_model_config(path, checkpoint, ["model.factors.pairs=1", "cold_start.folds=20"])
    with pytest.raises(ConfigError, match="cannot be read"):
        check_model_config(tmp_path / "none.yaml", checkpoint)


@pytest.mark.usefixtures("written_before")
@pytest.mark.parametrize("target", ["embedded", "container"])
def test_the_command_writes_the_model_and_its_config(
    tmp_path: Path, checkpoint: TrainedGraph, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model_repository/graph_model/3/model.onnx"
    main([str(checkpoint.path), str(MODEL_CONFIG), *SETTINGS, f"--output_path={path}", f"--target={target}"])
    assert "largest difference from torch" in capsys.readouterr().out
    config = (tmp_path / "model_repository/graph_model/config.pbtxt").read_text()
    assert "versions: [3]" in config
    assert f'backend: "{"python" if target == "embedded" else "onnxruntime"}"' in config
    assert (path.parent / "model.py").is_file() == (target == "embedded")
    assert onnxruntime.InferenceSession(path).get_inputs()[0].shape[1] == checkpoint.states.history.shape[1]


def test_what_is_deployed_is_left_as_it_is(
    tmp_path: Path, checkpoint: TrainedGraph, graph_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in ("1", "2"):
        (tmp_path / "graph_model" / version).mkdir(parents=True)
    ours, other = (tmp_path / f"graph_model/{version}/model.onnx" for version in (1, 2))
    shutil.copyfile(graph_model, ours)
    network = onnx.load(graph_model)
    network.metadata_props[0].value = "of another checkpoint"
    onnx.save(network, other)
    (tmp_path / "deployed.json").write_bytes(orjson.dumps({"versions": {"1": {}, "2": {}}}))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    files, error = export(checkpoint.path, MODEL_CONFIG, ours, overrides=SETTINGS)
    assert (files, error < 1e-5) == ([], True)
    with pytest.raises(ConfigError, match="version 2") as caught:
        export(checkpoint.path, MODEL_CONFIG, other, overrides=SETTINGS)
    assert caught.value.remedy == Remedy(
        "deploy this one as a new version", "triton_utils.deploy", {"checkpoint": checkpoint.path}
    )
    with pytest.raises(SystemExit):
        main([str(checkpoint.path), str(MODEL_CONFIG), *SETTINGS, f"--output_path={other}"])
    assert f"uv run -m triton_utils.deploy checkpoint={checkpoint.path}\n" in capsys.readouterr().err
    (tmp_path / "deployed.json").write_bytes(b"{")
    with pytest.raises(ConfigError, match=r"deployed\.json"):
        export(checkpoint.path, MODEL_CONFIG, ours, overrides=SETTINGS)
    (tmp_path / "deployed.json").write_bytes(before[tmp_path / "deployed.json"])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("output_path", "more", "expected"),
    [
        ("graph_model/1", [], "expected a file that ends with .onnx"),
        ("graph_model/1/model.onnx", ["--target=cloud"], "target=cloud: expected embedded or container"),
        ("graph_model/1/model.onnx", [], "model.dim is 128 in"),
    ],
)
def test_the_command_refuses_in_one_line_and_writes_nothing(
    tmp_path: Path,
    checkpoint: TrainedGraph,
    output_path: str,
    more: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(checkpoint.path), str(MODEL_CONFIG), f"--output_path={tmp_path / output_path}", *more])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert expected in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
