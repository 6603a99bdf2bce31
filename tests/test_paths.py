"""Settings as they are shown: what a person copies must come back from the shell and from Hydra as it was."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from rec_sys.paths import Paths, typed


@pytest.mark.parametrize(
    "value",
    ["/tmp/x", "a b", "it's", "ù/ö", "a,b", "k=v", "[x]", "{x}", "a:b", "(1)", "$HOME", 'say "x"', "~/x", "a;b"],
)
def test_what_is_shown_can_be_typed(value: str) -> None:
    words = shlex.split(typed("paths.work_dir", value))
    assert len(words) == 1
    override = OverridesParser.create().parse_override(words[0])
    assert (override.key_or_group, override.value()) == ("paths.work_dir", value)


def test_only_another_folder_is_shown() -> None:
    assert Paths().option == ""
    assert Paths(work_dir=Path("a/..").parent.parent).option == ""
    assert Paths(work_dir=Path("/tmp/x")).option == " paths.work_dir=/tmp/x"
    assert Paths(work_dir=Path("my runs")).option == """ "paths.work_dir='my runs'\""""
