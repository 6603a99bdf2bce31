"""The words of a search on the command line. No Optuna in here: every training imports this before Hydra starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException


def gather_space(words: Sequence[str]) -> list[str]:
    """Move what is typed with several values into `search.space`; words without `+search=...` stay as they are.

    Hydra refuses several values without --multirun before it calls the command, and with it trains once for each.

        +search=default model.dim=64,128   ->   +search=default ++search.space={model.dim:'64,128'}

    Args:
        words: of the command line, without the program.
    """
    if not any(re.match(r"\+{1,2}search=", word) for word in words):
        return list(words)
    others: list[str] = []
    space: list[str] = []
    place = 0  # of what is gathered: no flag before it, as Hydra wants, and after what takes the given space away
    for word in words:
        sweep = _sweep_of(word)
        if sweep is not None:
            values = QuotedString(sweep.get_value_string(), Quote.single)
            space.append(f"{sweep.get_key_element()}:{values.with_quotes()}")
        elif word not in ("--multirun", "-m"):  # a search is one run, however many trainings it has
            others.append(word)
        if sweep is not None or word.startswith("~search"):
            place = len(others)
    return [*others[:place], f"++search.space={{{','.join(space)}}}", *others[place:]] if space else others


def _sweep_of(word: str) -> Override | None:
    try:
        (override,) = parsed([word])
    except HydraException:
        return None  # Hydra itself explains what it cannot read
    return override if override.is_sweep_override() and not override.is_hydra_override() else None


def parsed(words: Iterable[str]) -> list[Override]:
    """Words as Hydra reads them."""
    return OverridesParser.create().parse_overrides(list(words))


def typed_words(values: Mapping[str, Any]) -> list[str]:
    """Chosen values as they are typed: `key=value`."""
    return [f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()]
