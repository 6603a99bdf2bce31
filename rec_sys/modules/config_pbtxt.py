"""The server's files of one model, made from its signature: `config.pbtxt`, and `model.py` where Python runs it.

Format: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_configuration.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rec_sys.errors import ConfigError
from rec_sys.files import atomic_file
from rec_sys.modules.signature import GRAPH_MODEL, NEW_PRODUCTS, Signature, Tensor

Target = Literal["embedded", "container"]
TARGETS: tuple[Target, ...] = ("embedded", "container")

CONFIG_FILE, MODEL_FILE, PYTHON_FILE = "config.pbtxt", "model.onnx", "model.py"
ONNX_MODELS = (GRAPH_MODEL, NEW_PRODUCTS)  # which NVIDIA's container runs in its own ONNX Runtime


@dataclass(frozen=True)
class Queue:
    """What waits while a model is busy."""

    longest_wait_us: int = 0  # how long a request may wait for others to be computed together with
    max_size: int = 0  # requests that may wait; more are refused at once; 0: any number
    timeout_us: int = 0  # a request that waited longer is refused; 0: never
    preferred_batch_sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Serving:
    """How one model is run."""

    target: Target = "embedded"  # the wheel's server, which knows Python only, or NVIDIA's container
    versions: tuple[int, ...] = (1,)  # which of the version folders are served
    instances: int = 1  # how many calls are computed at once
    threads: int = 1  # of one call, in ONNX Runtime; 0: as many as there are cores
    queue: Queue | None = None  # None: everything waits, however long
    parameters: Mapping[str, str] = field(default_factory=dict)  # what the model's Python code reads


def config_pbtxt(signature: Signature, serving: Serving) -> str:
    """The text of `config.pbtxt`.

    Args:
        signature: names, types and shapes.
        serving: how it is run.
    """
    native = serving.target == "container" and signature.name in ONNX_MODELS
    threads = {("intra_op_thread_count" if native else "threads"): str(serving.threads)}
    lines = [
        "# Written by a program (rec_sys/modules/config_pbtxt.py); changes are lost with the next export.",
        f'name: "{signature.name}"',
        f'backend: "{"onnxruntime" if native else "python"}"',
        f"max_batch_size: {signature.max_batch_size}",
        *_tensors("input", signature.inputs),
        *_tensors("output", signature.outputs),
        f"instance_group [{{ count: {serving.instances} kind: KIND_CPU }}]",
        f"version_policy: {{ specific: {{ versions: [{', '.join(map(str, serving.versions))}] }} }}",
    ]
    if serving.queue is not None:
        lines.append(_batching(serving.queue))
    for key, value in {**threads, **serving.parameters}.items():
        lines.append(f"parameters {{ key: {_quoted(key)} value: {{ string_value: {_quoted(value)} }} }}")
    return "\n".join(lines) + "\n"


def model_py(name: str) -> str:
    """The text of `model.py`, where the server's Python backend begins; the code itself is in `triton_utils`."""
    return (
        f'"""Where the server begins; the code is in triton_utils/backend/{name}.py."""\n\n'
        "import os\n"
        "import sys\n\n"
        "# The server's Python takes nothing from the environment by itself. At the end: its own packages come first.\n"
        'sys.path += [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]\n\n'
        f"from triton_utils.backend.{name} import TritonPythonModel\n\n"
        f'__all__ = ["TritonPythonModel"]\n'
    )


def write_model_files(folder: Path, signature: Signature, serving: Serving, version: int) -> None:
    """Write `config.pbtxt` of a model, and `model.py` of one version where Python runs it.

    Args:
        folder: of the model in the repository.
        signature: names, types and shapes.
        serving: how it is run.
        version: whose folder gets `model.py`.
    """
    if serving.target == "embedded" or signature.name not in ONNX_MODELS:
        with atomic_file(folder / str(version) / PYTHON_FILE) as temporary:
            temporary.write_text(model_py(signature.name), encoding="utf-8")
    else:
        (folder / str(version) / PYTHON_FILE).unlink(missing_ok=True)
    with atomic_file(folder / CONFIG_FILE) as temporary:
        temporary.write_text(config_pbtxt(signature, serving), encoding="utf-8")


def target_of(value: str) -> Target:
    """Check a target that somebody typed.

    Raises:
        ConfigError: it is none.
    """
    for target in TARGETS:
        if value == target:
            return target
    raise ConfigError(f"target={value}: expected {' or '.join(TARGETS)}")


def _tensors(kind: str, tensors: Sequence[Tensor]) -> list[str]:
    return [
        f'{kind} {{ name: "{tensor.name}" data_type: {_data_type(tensor)} dims: {list(tensor.dims)} }}'
        for tensor in tensors
    ]


def _data_type(tensor: Tensor) -> str:
    return "TYPE_STRING" if tensor.dtype == "BYTES" else f"TYPE_{tensor.dtype}"


def _batching(queue: Queue) -> str:
    parts = [f"max_queue_delay_microseconds: {queue.longest_wait_us}"]
    if queue.preferred_batch_sizes:
        parts.append(f"preferred_batch_size: {list(queue.preferred_batch_sizes)}")
    policy = []
    if queue.timeout_us:
        policy.append(f"timeout_action: REJECT default_timeout_microseconds: {queue.timeout_us}")
    if queue.max_size:
        policy.append(f"max_queue_size: {queue.max_size}")
    if policy:
        parts.append(f"default_queue_policy {{ {' '.join(policy)} }}")
    return f"dynamic_batching {{ {' '.join(parts)} }}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
