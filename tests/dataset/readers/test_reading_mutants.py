"""A few hundred of the mutated files of `benchmarks.reading_mutants`: the same table, or a refusal that says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants.outcome import outcome_of
from benchmarks.mutants.plan import MUTATIONS, mutant

SEED = 20_000  # of the benchmark's own runs none
FILES = 300
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_read_right_or_refused(part: int, tmp_path: Path) -> None:
    third = []
    for number in range(part, FILES, PARTS):
        made = mutant(number, SEED)
        outcome = outcome_of(made, tmp_path)
        if outcome.kind == "third":
            third.append((number, made.labels, outcome.why[:500]))
    assert third == []


def test_the_same_number_gives_the_same_file() -> None:
    assert mutant(7, SEED).raw == mutant(7, SEED).raw != mutant(8, SEED).raw


def test_every_mutation_is_named_once() -> None:
    labels = [each.label for each in MUTATIONS]
    assert len(set(labels)) == len(labels) > 100
