"""requirements.lock and pyproject.toml say the same, and the tests run with the versions it names. No network."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, version
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]
LOCK = (PROJECT / "requirements.lock").read_text()
EXTRAS = {"train", "onnx", "serve", "baselines", "family", "sql", "excel"}


def lock_entries() -> Iterator[Requirement]:
    for entry in re.sub(r"\\\n", "", LOCK).splitlines():
        text = re.sub(r"--hash=\S+|#.*", "", entry).strip()
        if text:
            yield Requirement(text)


def locked() -> dict[str, str]:
    """Name to version of every entry that holds for this Python and this machine."""
    return {
        canonicalize_name(entry.name): next(iter(entry.specifier)).version
        for entry in lock_entries()
        if entry.marker is None or entry.marker.evaluate()
    }


def direct_requirements() -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == EXTRAS, 'name the new extra in "make lock" and here'
    return [
        Requirement(text) for text in project["dependencies"] + [text for extra in extras.values() for text in extra]
    ]


def applies(requirement: Requirement, extras: set[str]) -> bool:
    environment = {name: str(value) for name, value in default_environment().items()}
    return requirement.marker is None or any(
        requirement.marker.evaluate(environment | {"extra": extra}) for extra in extras | {""}
    )


def needed() -> set[str]:
    """Names of all packages that rec-sys with its extras pulls in here, read from what is installed."""
    waiting = [(requirement, {""}) for requirement in direct_requirements()]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, extras = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen or not applies(requirement, extras):
            continue
        seen.add(key)
        inner = [Requirement(text) for text in distribution(requirement.name).requires or ()]
        waiting += [(child, set(requirement.extras)) for child in inner]
    return {name for name, _ in seen}


def test_every_direct_requirement_is_locked_within_its_limits() -> None:
    for requirement in direct_requirements():
        assert requirement.specifier.contains(locked()[canonicalize_name(requirement.name)]), requirement


def test_locked_versions_fit_together() -> None:
    """Not that they are the installed ones: a registry may show some versions days after the day they are dated."""
    versions = locked()
    unfit = []
    for name in versions:
        for requirement in map(Requirement, distribution(name).requires or ()):
            needed_version = versions.get(canonicalize_name(requirement.name))
            fits = not needed_version or requirement.specifier.contains(needed_version, prereleases=True)
            if not fits and applies(requirement, set()):
                unfit.append(f"{name} {version(name)} wants {requirement}, locked is {needed_version}")
    assert unfit == []


def test_hardly_any_locked_version_is_another_than_the_installed_one() -> None:
    """A lock that was not made again after a change of `exclude-newer` differs in far more than late-comers."""
    versions = locked()
    others = {name: (version(name), locked_one) for name, locked_one in versions.items() if version(name) != locked_one}
    assert len(others) < len(versions) / 4, f'run "make lock": {others}'


def test_lock_holds_what_is_needed_and_nothing_else() -> None:
    assert set(locked()) == needed(), 'run "make lock"'


def test_every_entry_is_pinned_with_hashes() -> None:
    entries = list(lock_entries())
    assert all([specifier.operator for specifier in entry.specifier] == ["=="] for entry in entries)
    blocks = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", LOCK).strip())
    assert len(blocks) == len(entries)
    assert all("--hash=sha256:" in block for block in blocks)


def test_lock_names_no_address() -> None:
    assert "://" not in LOCK
    assert all(entry.url is None for entry in lock_entries())
