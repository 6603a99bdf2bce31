from __future__ import annotations

from pathlib import Path

import pytest

from rec_sys.errors import ConfigError
from rec_sys.modules.config_pbtxt import Queue, Serving, config_pbtxt, model_py, target_of, write_model_files
from rec_sys.modules.signature import graph_model, recommend, text_encoder

GRAPH_MODEL = """\
# Written by a program (rec_sys/modules/config_pbtxt.py); changes are lost with the next export.
name: "graph_model"
backend: "python"
max_batch_size: 0
input { name: "products" data_type: TYPE_FP32 dims: [-1, 641] }
input { name: "text" data_type: TYPE_FP32 dims: [-1, 384] }
input { name: "rating" data_type: TYPE_FP32 dims: [-1] }
input { name: "person" data_type: TYPE_INT64 dims: [-1] }
input { name: "age" data_type: TYPE_INT64 dims: [-1] }
input { name: "days" data_type: TYPE_FP32 dims: [-1] }
input { name: "people" data_type: TYPE_INT64 dims: [-1] }
output { name: "vector" data_type: TYPE_FP32 dims: [-1, 642] }
output { name: "attention" data_type: TYPE_FP32 dims: [-1] }
instance_group [{ count: 1 kind: KIND_CPU }]
version_policy: { specific: { versions: [3, 4] } }
parameters { key: "threads" value: { string_value: "2" } }
"""


def test_the_config_of_the_user_tower() -> None:
    assert config_pbtxt(graph_model(641, 384, 642), Serving(versions=(3, 4), threads=2)) == GRAPH_MODEL


def test_the_container_runs_onnx_itself_and_all_else_is_the_same() -> None:
    text = config_pbtxt(graph_model(641, 384, 642), Serving("container", versions=(3, 4), threads=2))
    expected = GRAPH_MODEL.replace('"python"', '"onnxruntime"').replace('"threads"', '"intra_op_thread_count"')
    assert text == expected
    embedded, container = (config_pbtxt(recommend(), Serving(target)) for target in ("embedded", "container"))
    assert embedded == container


def test_batches_queues_and_parameters() -> None:
    queue = Queue(longest_wait_us=500, max_size=32, timeout_us=1_000_000, preferred_batch_sizes=(16, 64))
    text = config_pbtxt(text_encoder(384), Serving(queue=queue, instances=2, parameters={"a": 'say "\\"'}))
    assert "max_batch_size: 64\n" in text
    assert 'input { name: "text" data_type: TYPE_STRING dims: [1] }' in text
    assert "instance_group [{ count: 2 kind: KIND_CPU }]" in text
    assert (
        "dynamic_batching { max_queue_delay_microseconds: 500 preferred_batch_size: [16, 64] default_queue_policy "
        "{ timeout_action: REJECT default_timeout_microseconds: 1000000 max_queue_size: 32 } }"
    ) in text
    assert 'parameters { key: "a" value: { string_value: "say \\"\\\\\\"" } }' in text


def test_files_of_a_model(tmp_path: Path) -> None:
    folder = tmp_path / "graph_model"
    write_model_files(folder, graph_model(9, 0, 9), Serving(versions=(2,)), 2)
    assert (folder / "2/model.py").read_text() == model_py("graph_model")
    compile(model_py("graph_model"), "model.py", "exec")
    write_model_files(folder, graph_model(9, 0, 9), Serving("container", versions=(2,)), 2)
    assert sorted(path.name for path in folder.rglob("*")) == ["2", "config.pbtxt"]
    assert 'backend: "onnxruntime"' in (folder / "config.pbtxt").read_text()


def test_unknown_targets_are_refused() -> None:
    assert target_of("container") == "container"
    with pytest.raises(ConfigError, match="target=both: expected embedded or container"):
        target_of("both")
