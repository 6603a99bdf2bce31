"""`new_products` in the Python backend: another exported network, run like `graph_model`."""

from __future__ import annotations

from triton_utils.backend.graph_model import TritonPythonModel

__all__ = ["TritonPythonModel"]
