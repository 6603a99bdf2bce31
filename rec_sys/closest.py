"""Did you mean: the one place that offers a known name for one that is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

SEARCHED = 20_000  # names that are compared at most: a catalogue may hold millions
SHOWN = 30  # names that a message lists at most


def closest(name: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like `name`; None where none is like it.

    Args:
        name: what came.
        known: the names that exist; the first 20,000 are compared.
        cutoff: least likeness, 0 to 1. Ids need a high one, since ids of one kind are all alike.
    """
    import difflib  # only when something is wrong

    found = difflib.get_close_matches(name, known[:SEARCHED], n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(
    name: str, known: Iterable[str], cutoff: float = 0.6, listed: Callable[[str], bool] = lambda _: True
) -> str:
    """The end of a message about an unknown name: the closest known one, or what is known.

    Args:
        name: what came.
        known: the names that exist.
        cutoff: see `closest`.
        listed: which of the names to list where none is close.
    """
    names = list(known)
    if close := closest(name, names, cutoff):
        return f"did you mean {close!r}?"
    names = [each for each in names if listed(each)]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"known: {', '.join(names[:SHOWN]) or 'none'}{more}"
