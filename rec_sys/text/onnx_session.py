"""The one place that opens ONNX files in ONNX Runtime. No torch in here: the served models open theirs too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ERRORS_ONLY = 3  # of ONNX Runtime's levels; it warns on standard error of devices and initialisers that nobody can mend


def onnx_session(path: Path, threads: int = 0) -> Any:
    """An ONNX Runtime session over one file; several threads may run it at once.

    It runs on the CPU, whatever else a build of ONNX Runtime offers, so that an exported model gives the same numbers
    on every machine; and with ONNX Runtime's own optimisations, so that they are those of Triton's native backend.

    Args:
        path: the exported model.
        threads: that one run is split over; 0: one per core. A caller that runs several batches at once takes 1.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        ValueError: the file is missing or damaged; ONNX Runtime's own reason in one line.
        ImportError: onnxruntime is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common public base
        raise ValueError(" ".join(str(error).split())[:200]) from error
