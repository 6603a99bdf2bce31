"""Outside ids and inside numbers: the only place where the two meet.

An *id* is what the outside says (`"A2IBPI20UZIR0U"`), a *number* is the row inside (`17`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rec_sys.closest import closest
from rec_sys.errors import UnknownIdError

NEW_USER = "new user"  # the id in answers to reviews, or to a history, that name nobody


class IdMap:
    """Ids in a fixed order; the number of an id is its place in it.

    Args:
        ids: the ids, each once.
        kind: what they name, for messages: "user", "product".
    """

    def __init__(self, ids: Iterable[str], kind: str = "id") -> None:
        self.ids: list[str] = list(ids)
        self.kind = kind
        if len(self._number) != len(self.ids):
            raise ValueError(f"{kind} ids must be distinct: {len(self.ids)} given, {len(self._number)} distinct")

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: object) -> bool:
        return name in self._number

    def id(self, number: int) -> str:
        """The id of a number."""
        return self.ids[number]

    def get(self, name: str) -> int | None:
        """The number of an id, or None where it is unknown."""
        return self._number.get(name)

    def number(self, name: str) -> int:
        """The number of an id.

        Raises:
            UnknownIdError: the id is unknown; the message offers the closest known one.
        """
        number = self._number.get(name)
        if number is None:
            close = closest(name, self.ids, cutoff=0.8)
            hint = f" Did you mean {close!r}?" if close else ""
            raise UnknownIdError(f"unknown {self.kind} {name!r} (this data holds {len(self):,} {self.kind}s).{hint}")
        return number

    def numbers(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """The numbers of several ids, (len(names),)."""
        return np.array([self.number(name) for name in names], dtype=np.int64)

    def known_numbers(self, names: Iterable[str]) -> npt.NDArray[np.int64]:
        """The numbers of several ids, -1 where one is unknown, (len(names),)."""
        return np.array([self._number.get(name, -1) for name in names], dtype=np.int64)
