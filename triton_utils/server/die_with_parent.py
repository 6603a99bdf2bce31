"""Start a program that ends when its parent does, however the parent ends.

    python die_with_parent.py PARENT_PID PROGRAM [ARGUMENT ...]

A program of its own instead of `preexec_fn`, which is not safe in a process with threads. The kernel watches the
*thread* that started this one, so it must live as long as the program shall.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel for a SIGTERM at the parent's end, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it ended before it could be watched
        sys.exit(1)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
