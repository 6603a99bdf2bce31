"""`rec-sys COMMAND [key=value ...]`: the commands of a wheel, the same as `python -m rec_sys.train.train`."""

from __future__ import annotations

import importlib
import sys

from rec_sys.closest import did_you_mean
from rec_sys.command_names import COMMANDS


def main() -> None:
    """Run the command that the first word names; the rest is its own."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        print("rec-sys COMMAND [key=value ...]      rec-sys COMMAND --help tells its settings\n")
        print("\n".join(f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items()))
        return
    name = words[0].replace("_", "-")
    if name not in COMMANDS:
        print(f"error: no command {words[0]!r}; {did_you_mean(name, COMMANDS)}", file=sys.stderr)
        raise SystemExit(2)
    sys.argv = [f"rec-sys {name}", *words[1:]]
    try:
        module = importlib.import_module(COMMANDS[name][0])
    except ModuleNotFoundError as error:
        print(f"error: {name} needs {error.name}; pip install 'rec-sys[train,onnx,serve]'", file=sys.stderr)
        raise SystemExit(2) from None
    module.main()


if __name__ == "__main__":
    main()
