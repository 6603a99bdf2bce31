"""Serving runs where neither torch nor the training's libraries are installed: these modules must do without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
BLOCKED = (
    "torch",
    "torch_geometric",
    "lightning",
    "sentence_transformers",
    "transformers",
    "safetensors",
    "scipy",
    "sklearn",
    "pyarrow",
    "hydra",
    "tqdm",
    "onnx",
)
MODULES = (
    "rec_sys.columns",
    "rec_sys.errors",
    "rec_sys.files",
    "rec_sys.ids",
    "rec_sys.paths",
    "rec_sys.settings",
    "rec_sys.dataset.histories",
    "rec_sys.recommenders.graph.history_arrays",
    "rec_sys.text.onnx_session",
    "rec_sys.text.onnx_text_encoder",
    "rec_sys.text.token_batches",
    "rec_sys.modules.config_pbtxt",
    "rec_sys.modules.signature",
    "rec_sys.vector_database.index",
    "rec_sys.vector_database.storage",
    "rec_sys.text.text_encoder",
    "rec_sys.inference.users",
    "rec_sys.inference.encoders",
    "rec_sys.inference.onnx_encoder",
    "rec_sys.inference.recommend",
    "rec_sys.inference.served",
    "triton_utils.client.sync_client",
    "triton_utils.web_app",
)

SCRIPT = """
import importlib, sys
from importlib.machinery import PathFinder

class WithoutThem:
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {blocked!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [WithoutThem() if finder is PathFinder else finder for finder in sys.meta_path]
importlib.import_module({module!r})
"""


def test_the_libraries_are_really_hidden() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(blocked=BLOCKED, module="torch")], capture_output=True)
    assert b"ModuleNotFoundError: No module named 'torch'" in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_serving_imports_without_the_libraries_of_training(module: str) -> None:
    script = SCRIPT.format(blocked=BLOCKED, module=module)
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
