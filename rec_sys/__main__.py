"""`rec-sys COMMAND [key=value ...]`: the commands of a wheel, the same as `python -m rec_sys.train.train`."""

from __future__ import annotations

import importlib
import sys

from rec_sys.closest import did_you_mean

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


def main() -> None:
    """Run the command that the first word names; the rest is its own."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        print("rec-sys COMMAND [key=value ...]      rec-sys COMMAND --help tells its settings\n")
        print("\n".join(f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items()))
        return
    if words[0] not in COMMANDS:
        print(f"error: no command {words[0]!r}; {did_you_mean(words[0], COMMANDS)}", file=sys.stderr)
        raise SystemExit(2)
    sys.argv = [f"rec-sys {words[0]}", *words[1:]]
    try:
        module = importlib.import_module(COMMANDS[words[0]][0])
    except ModuleNotFoundError as error:
        print(f"error: {words[0]} needs {error.name}; pip install 'rec-sys[train,onnx,serve]'", file=sys.stderr)
        raise SystemExit(2) from None
    module.main()


if __name__ == "__main__":
    main()
