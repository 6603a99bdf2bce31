"""The one place that opens ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rec_sys.text.onnx_session import onnx_session
from tests.conftest import PROJECT


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model that doubles its input."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", value[:1], value[1:])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_runs_on_the_cpu_with_the_threads_of_its_caller(doubling: Path, threads: int) -> None:
    session = onnx_session(doubling, threads)
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == threads
    (result,) = session.run(["y"], {"x": np.array([1, 2], dtype=np.float32)})
    assert result.tolist() == [2, 4]


def test_a_file_that_cannot_be_read_is_one_line(doubling: Path, tmp_path: Path) -> None:
    doubling.write_bytes(doubling.read_bytes()[:-10])
    for path in (doubling, tmp_path / "missing.onnx"):
        with pytest.raises(ValueError, match=path.name) as error:
            onnx_session(path)
        assert "\n" not in str(error.value)


def test_no_other_file_opens_one() -> None:
    sources = [path for folder in ("rec_sys", "triton_utils") for path in (PROJECT / folder).rglob("*.py")]
    assert [path.name for path in sources if "InferenceSession(" in path.read_text()] == ["onnx_session.py"]
