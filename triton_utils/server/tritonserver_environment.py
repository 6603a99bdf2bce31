# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = [
#     "nvidia-pytriton==0.7.0",  # carries tritonserver 2.51 with the Python backend
#     "numpy<2",                 # with numpy 2 the backend's stub receives wrong inputs and says nothing
#     "faiss-cpu>=1.12",
#     "onnxruntime>=1.23",
#     "omegaconf>=2.3",
#     "orjson>=3.10",
#     "polars>=1.30",
#     "pydantic>=2.10",
#     "tokenizers>=0.20",
# ]
#
# [tool.uv]
# exclude-newer = "2026-11-21T00:00:00Z"  # as in pyproject.toml: the same ONNX Runtime gives the same bits
# ///
"""The environment in which tritonserver lives: its own, because it wants another numpy than this project.

A script with inline dependencies, run by `triton_utils.server.process`: it makes the environment (once; uv keeps it),
lays out the backends as tritonserver wants them, and prints where everything is as one line of JSON.

    uv run --no-project --script triton_utils/server/tritonserver_environment.py
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

STUB = "triton_python_backend_stub"
SHOWN = ("nvidia-pytriton", "numpy", "onnxruntime", "faiss-cpu", "tokenizers")


def lay_out(wheel: Path, backends: Path) -> None:
    """Copy the Python backend and the stub of this Python's version to where tritonserver looks for them; once."""
    if backends.is_dir():
        return
    name = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "python_backend_stubs" / name / STUB
    if not stub.is_file():
        sys.exit(f"nvidia-pytriton has no stub for Python {name} in {stub.parent}")
    temporary = Path(tempfile.mkdtemp(dir=backends.parent, prefix=f".{backends.name}."))
    shutil.copytree(wheel / "backends", temporary, dirs_exist_ok=True)
    shutil.copy(stub, temporary / "python" / STUB)
    (temporary / "python" / STUB).chmod(0o755)
    temporary.chmod(0o755)
    try:
        os.rename(temporary, backends)  # noqa: PTH104
    except OSError:  # another one was faster
        shutil.rmtree(temporary)


def main() -> None:
    """Print the paths that are needed to start tritonserver."""
    site = Path(sysconfig.get_path("purelib"))
    wheel = site / "pytriton" / "tritonserver"
    backends = Path(sys.prefix) / "triton_backends"
    lay_out(wheel, backends)
    program = wheel / "bin" / "tritonserver"
    if not os.access(program, os.X_OK):
        program.chmod(0o755)
    libraries = Path(sysconfig.get_config_var("LIBDIR") or "")
    if not any(libraries.glob(f"libpython{sys.version_info.major}.{sys.version_info.minor}*.so*")):
        sys.exit(
            f"{sys.base_prefix} has no shared libpython, which tritonserver's Python backend needs; "
            f"take one that has: uv python install 3.11, then UV_PYTHON_PREFERENCE=only-managed"
        )
    environment = {
        "tritonserver": str(program),
        "backends": str(backends),
        "python": sys.executable,
        "site_packages": str(site),
        "libraries": [str(site / "nvidia_pytriton.libs"), str(libraries)],
        "versions": {name: version(name) for name in SHOWN},
    }
    print(json.dumps(environment))


if __name__ == "__main__":
    main()
