"""Recommendations computed by a server.

This package knows no server. The one that does is found by name among the installed entry points (`pyproject.toml`,
`[project.entry-points."rec_sys.servers"]`), so imports go on running one way.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from rec_sys.errors import ConfigError
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.recommend import Recommendations
from rec_sys.inference.users import User

GROUP = "rec_sys.servers"


@dataclass(frozen=True)
class Served:
    """An answer of a server."""

    recommendations: list[Recommendations]  # one per user, in the order asked
    model: str  # fingerprint of the checkpoint that gave them


class Server(Protocol):
    """What answers as `ReviewRecommender.recommend` does."""

    def data_form(self) -> DataForm:
        """How the data of the served model calls its fields and rates.

        Raises:
            RecSysError: the server cannot be asked.
        """

    def served(self, users: Sequence[User], k: int) -> Served:
        """The k best products for each user.

        Raises:
            RecSysError: the server cannot be asked, or refuses the question.
        """


def connect(kind: str, address: str) -> AbstractContextManager[Server]:
    """A connection, closed at the end of the `with` block.

    Args:
        kind: name of the entry point, such as "triton".
        address: HOST:PORT.

    Raises:
        ConfigError: nothing for this kind of server is installed, or the address is none.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == kind]
    if not found:
        known = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
        raise ConfigError(f"{kind}={address}: no client of {kind!r} is installed (known: {known}); run uv sync")
    try:
        client = found[0].load()
    except ImportError as error:
        raise ConfigError(
            f"{kind}={address}: {error}; install what serving needs: uv sync, or pip install 'rec-sys[serve]'"
        ) from error
    connection: AbstractContextManager[Server] = client(address)
    return connection
