"""What is measured of a process, and how the runs of a command become a row."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.start_up import Command, Run, commands_for, rows_of, run

BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"


def python(words: str, exit_code: int = 0, standard_input: str = "") -> Command:
    return Command("python", (sys.executable, "-c", words), exit_code=exit_code, standard_input=standard_input)


def test_a_row_has_median_and_range_beside_the_target() -> None:
    command = Command("train --help", (), target=1.5)
    runs = [Run(cpu=1.0, wall=2.0), Run(cpu=4.0, wall=9.0), Run(cpu=1.2, wall=3.0)]
    assert rows_of([command], {"train --help": runs}) == [
        {
            "what": "train --help",
            "target": 1.5,
            "CPU s": 1.2,
            "CPU s, lowest": 1.0,
            "CPU s, highest": 4.0,
            "wall s": 3.0,
            "wall s, lowest": 2.0,
            "wall s, highest": 9.0,
        }
    ]


def test_children_count_and_waiting_does_not(tmp_path: Path) -> None:
    child = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\ntime.sleep(0.5)"
    done = run(python(child), tmp_path)
    assert 0.2 <= done.cpu < done.wall - 0.3


def test_a_command_runs_in_the_work_folder_and_reads_its_standard_input(tmp_path: Path) -> None:
    run(python("import sys; open('said', 'w').write(sys.stdin.read())", standard_input="a review"), tmp_path)
    assert (tmp_path / "said").read_text() == "a review"


def test_an_unexpected_end_stops_the_measurement_with_what_was_said(tmp_path: Path) -> None:
    run(python("raise SystemExit(2)", exit_code=2), tmp_path)
    with pytest.raises(SystemExit, match=r"no model(?s:.*)python ended with 1"):
        run(python("raise SystemExit('no model')"), tmp_path)


def test_what_is_started_has_a_name_of_its_own() -> None:
    names = [command.name for command in commands_for(Path("model"))]
    assert len(set(names)) == len(names)
