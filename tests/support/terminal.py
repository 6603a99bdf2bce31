"""A terminal in the place of a stream, for what is shown to somebody who sits there and to nobody else."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """Says that it is one; keeps what is written to it."""

    def isatty(self) -> bool:
        return True
