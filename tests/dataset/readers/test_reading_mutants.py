"""A few hundred of the files that `benchmarks.reading_mutants` writes by the thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants_files import CONTAINERS, write
from benchmarks.mutants_kinds import MUTATIONS, mutant
from benchmarks.mutants_table import Draft
from benchmarks.reading_mutants import judged

SEED, MUTANTS, PARTS = 17, 240, 8


def remade(seed: int, number: int) -> Draft:
    draft = mutant(seed, number)
    assert draft.mutations
    return draft


@pytest.mark.parametrize("part", range(PARTS))
def test_every_file_is_read_right_or_refused_by_name(part: int, tmp_path: Path) -> None:
    wrong = []
    for number in range(part, MUTANTS, PARTS):
        draft = remade(SEED, number)
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = judged(draft, folder)
        if outcome.kind == "third outcome":
            wrong.append((number, draft.container, draft.mutations, outcome.why[:300]))
    assert wrong == []


def test_the_mutants_are_of_all_kinds() -> None:
    drafts = [mutant(SEED, number) for number in range(MUTANTS)]
    assert {draft.container for draft in drafts} == set(CONTAINERS)
    assert {its.partition(":")[0] for draft in drafts for its in draft.mutations} == set(MUTATIONS)


def test_a_mutant_is_made_again(tmp_path: Path) -> None:
    for number in range(12):
        once, again = tmp_path / "once", tmp_path / "again"
        write(mutant(3, number), once)
        write(mutant(3, number), again)
        kind = mutant(3, number).container
        assert kind == "workbook" or once.read_bytes() == again.read_bytes()


def test_a_wrong_table_is_a_third_outcome(tmp_path: Path) -> None:
    draft = mutant(0, 4)
    draft.refusals.clear()
    draft.change(50, {}, user="somebody else")
    assert judged(draft, tmp_path).kind == "third outcome"
