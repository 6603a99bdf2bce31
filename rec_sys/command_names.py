"""Names of the commands, and how each is typed: `uv run -m` in a clone, `rec-sys` where a wheel is installed."""

from __future__ import annotations

import sys
from pathlib import Path

IN_CLONE = (Path(__file__).resolve().parents[1] / "config" / "train_config.yaml").is_file()  # a wheel has it elsewhere
COMMANDS = {
    "train": ("rec_sys.train.train", "train a model: raw reviews to a saved model, with a report"),
    "create-vectorbase": ("rec_sys.vector_database.create_vectorbase", "vectors of all products into FAISS"),
    "infer": ("rec_sys.inference.infer", "recommendations for known users, or for new ones from their reviews"),
    "evaluate": ("rec_sys.evaluation.evaluate", "models side by side on held-out reviews"),
    "prepare": ("rec_sys.dataset.prepare", "read and check raw reviews"),
    "embed": ("rec_sys.dataset.embed", "vectors of all texts, cached"),
    "export": ("rec_sys.modules.model_export", "a model's user tower as ONNX"),
    "deploy": ("triton_utils.deploy", "a model into the Triton repository"),
    "serve": ("triton_utils.serve", "a Triton server on this machine"),
}


def command_line(module: str) -> str:
    """How the command of a module is typed by whoever started this process."""
    if not IN_CLONE or sys.argv[0].startswith("rec-sys "):  # set by `rec_sys.__main__`
        return next((f"rec-sys {name}" for name, (of, _) in COMMANDS.items() if of == module), f"python -m {module}")
    return f"uv run -m {module}"
