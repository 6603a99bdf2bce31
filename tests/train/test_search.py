"""Searches through the real command on a toy: chosen, stopped early, killed and gone on with."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hydra
import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from rec_sys.command import CONFIG_FOLDER
from rec_sys.errors import ConfigError
from rec_sys.train.search_space import distribution_of, is_within, words
from rec_sys.train.settings import SearchSettings
from rec_sys.train.study import Study
from rec_sys.train.train import main
from tests.support.toy import checkerboard

SPACE = ["model.dim=8,16", "train.learning_rate=tag(log,interval(0.001,0.02))"]


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a table without texts, so that nothing is embedded."""
    folder, table = tmp_path_factory.mktemp("work"), checkerboard(num_users=24, num_products=20, likes=6)
    columns = zip(table.user, table.product, table.rating, table.timestamp, strict=True)
    rows = [
        f"{table.users.id(user)},{table.products.id(product)},{rating:.0f},{when}"
        for user, product, rating, when in columns
    ]
    (folder / "toy.csv").write_text("\n".join(["user_id,product_id,rating,timestamp", *rows]))
    return folder


def typed(work_dir: Path, name: str, *options: str) -> list[str]:
    """The words of a search of nothing but `options`."""
    return [
        "+search=default",
        "~search.space",
        f"search.name={name}",
        f"paths.work_dir={work_dir}",
        f"data.path={work_dir / 'toy.csv'}",
        "train.accelerator=cpu",
        "train.max_epochs=3",
        "model.heads=2",
        "search.first_trials=2",
        *options,
    ]


def run(*words: str) -> str:
    """The training command in this process; gives what it printed."""
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none"]  # a handler would outlive the streams of a test
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(sys, "argv", ["train", *words, *quiet])
        main()
    return out.getvalue()


def search(work_dir: Path, name: str, *options: str) -> str:
    return run(*typed(work_dir, name, *options))


def trials(work_dir: Path, name: str) -> list[FrozenTrial]:
    storage = f"sqlite:///{work_dir / 'searches' / name / 'study.db'}"
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def queue(work_dir: Path, name: str, *params: dict[str, Any]) -> None:
    """Have a search begin with these trials."""
    folder = work_dir / "searches" / name
    folder.mkdir(parents=True)
    study = optuna.create_study(study_name=name, storage=f"sqlite:///{folder / 'study.db'}", direction="maximize")
    for chosen in params:
        study.enqueue_trial(chosen)


def tracked(work_dir: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(work_dir / "mlflow.db") as store:
        return store.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def plain(work_dir: Path) -> str:
    """What a search of three trials prints; one that reads the test reviews fails."""

    def trap(*_: Any) -> None:
        raise AssertionError("the test reviews are read")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rec_sys.train.run.judge", trap)
        return search(work_dir, "plain", "search.trials=3", *SPACE)


def test_a_search_keeps_its_trials_and_says_how_to_train_the_best(work_dir: Path, plain: str) -> None:
    done = trials(work_dir, "plain")
    assert [trial.state for trial in done] == [TrialState.COMPLETE] * 3
    assert [len(trial.intermediate_values) for trial in done] == [3] * 3
    best = max(done, key=lambda trial: trial.values[0])
    assert best.values[0] == max(best.intermediate_values.values())
    lines = [line for line in plain.splitlines() if line.startswith("trial")]
    assert [line.split()[:6] for line in lines] == [["trial", str(n), str(n + 1), "of", "3", "done"] for n in range(3)]

    kept = json.loads((work_dir / "searches/plain/best.json").read_text())
    assert (kept["trial"], kept["value"], kept["figure"]) == (best.number, best.values[0], "valid/ndcg_at_10")
    assert kept["trials"] == {"complete": 3, "stopped early": 0, "failed": 0}
    assert f"  {kept['command']}\n" in plain
    given = shlex.split(kept["command"])
    assert given[:4] == ["uv", "run", "-m", "rec_sys.train.train"]
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", given[4:])
    assert cfg.model.dim == int(best.params["model.dim"]) == kept["settings"]["model.dim"]
    assert cfg.train.learning_rate == pytest.approx(best.params["train.learning_rate"], rel=1e-5)
    assert (cfg.train.max_epochs, cfg.train.validate) == (3, True)

    again = search(work_dir, "plain", "search.trials=3", *SPACE)  # nothing is left to do
    assert f"  {kept['command']}\n" in again
    assert "done   " not in again
    assert len(trials(work_dir, "plain")) == 3


def test_trials_are_runs_of_their_search_without_a_figure_of_the_test(work_dir: Path, plain: str) -> None:
    ((parent, status),) = tracked(work_dir, "select run_uuid, status from runs where name = 'search-plain'")
    assert status == "FINISHED"
    grouped = (
        "select runs.name, status, parent.value from runs join tags parent using (run_uuid) join tags own using "
        "(run_uuid) where parent.key = 'mlflow.parentRunId' and own.key = 'search' and own.value = 'plain' order by 1"
    )
    assert tracked(work_dir, grouped) == [(f"plain-{number}", "FINISHED", parent) for number in range(3)]
    figures = {key for (key,) in tracked(work_dir, "select distinct key from metrics")}
    assert {"valid/ndcg_at_10", "train/loss", "best valid/ndcg_at_10"} <= figures
    assert not [key for key in figures if key.startswith("test")]
    assert not [path.name for path in (work_dir / "checkpoints").rglob("plain*")]
    assert not [path.name for path in (work_dir / "reports").rglob("plain*")]


def test_a_hopeless_trial_is_stopped_early(work_dir: Path) -> None:
    rates = ["0.01", "0.011", "1e-09"]
    queue(work_dir, "pruned", *({"train.learning_rate": rate} for rate in rates))
    out = search(
        work_dir,
        "pruned",
        "search.trials=3",
        "search.first_epochs=3",
        "train.max_epochs=8",
        f"train.learning_rate={','.join(rates)}",
    )
    good, _, hopeless = trials(work_dir, "pruned")
    assert good.state is TrialState.COMPLETE
    assert len(good.intermediate_values) == 8
    assert hopeless.state is TrialState.PRUNED
    assert 3 <= len(hopeless.intermediate_values) < 8
    assert "of 3, stopped early)" in out
    stopped = "select runs.name from runs join tags using (run_uuid) where key = 'stopped'"
    assert tracked(work_dir, stopped) == [("pruned-2",)]


def test_a_failed_trial_does_not_end_a_search_but_the_first_one_does(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("search.trials=2", "model.dim=16", "model.layers=1,2,9", "train.max_epochs=1")
    queue(work_dir, "failed", *({"model.layers": str(layers)} for layers in (1, 9, 2)))
    out = search(work_dir, "failed", *options)
    assert [trial.state.name for trial in trials(work_dir, "failed")] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "trial   1   failed: a setting is wrong, see above   model.layers=9\n" in out
    queue(work_dir, "mistake", {"model.layers": "9"})
    with pytest.raises(SystemExit) as stop:
        search(work_dir, "mistake", *options)
    assert stop.value.code == 2
    assert "error: setting model.layers=9: Input should be less than or equal to 8" in capsys.readouterr().err
    # Nothing was done with the mistake, so it can be put right under the same name.
    assert "best of 2 trials" in search(work_dir, "mistake", *options[:2], "model.layers=1,2", "train.max_epochs=1")


@pytest.mark.slow
def test_stopped_killed_and_gone_on_with_a_search_makes_the_trials_of_one_that_never_was(work_dir: Path) -> None:
    options = ["search.trials=3", "train.max_epochs=5", *SPACE]
    folder, command = work_dir / "searches/cut", [sys.executable, "-u", "-m", "rec_sys.train.train"]

    def begun(number: int) -> bool:
        """Whether a trial has had an epoch."""
        with (
            contextlib.suppress(sqlite3.OperationalError),
            contextlib.closing(sqlite3.connect(folder / "study.db")) as db,
        ):
            query = "select 1 from trial_intermediate_values join trials using (trial_id) where number = ?"
            return db.execute(query, [number]).fetchone() is not None
        return False  # no table yet

    def interrupt(sign: signal.Signals, number: int) -> tuple[int, str]:
        """Start the search, and send `sign` in the midst of a trial."""
        words = [*command, *typed(work_dir, "cut", *options)]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            limit = time.monotonic() + 250
            while not begun(number):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < limit
                time.sleep(0.02)
            process.send_signal(sign)
            _, err = process.communicate(timeout=60)
        return process.returncode, err

    code, err = interrupt(signal.SIGINT, 1)
    assert code == 130, err
    assert "stopped after 1 of 3 trials; the same command goes on\n" in err
    assert "Traceback" not in err
    assert interrupt(signal.SIGKILL, 3)[0] == -signal.SIGKILL
    assert "search cut: 2 of 3 trials done" in search(work_dir, "cut", *options)
    search(work_dir, "whole", *options)
    cut, whole = trials(work_dir, "cut"), trials(work_dir, "whole")
    assert [trial.number for trial in cut if trial.state is TrialState.FAIL] == [1, 3]
    done = [trial for trial in cut if trial.state is not TrialState.FAIL]
    assert [trial.state for trial in done] == [trial.state for trial in whole]
    assert [trial.params for trial in done] == [trial.params for trial in whole]
    assert [trial.intermediate_values for trial in done] == [trial.intermediate_values for trial in whole]
    assert (
        json.loads((folder / "best.json").read_text())["settings"]
        == json.loads((work_dir / "searches/whole/best.json").read_text())["settings"]
    )
    states = "select name, status from runs where name like 'cut-%' order by name"
    status = ["FINISHED", "KILLED", "FINISHED", "KILLED", "FINISHED"]
    assert tracked(work_dir, states) == [(f"cut-{number}", state) for number, state in enumerate(status)]


def test_a_search_goes_on_with_what_it_was_begun_with(work_dir: Path, capsys: Any) -> None:
    def refused(match: str, name: str, *options: str) -> None:
        with pytest.raises(SystemExit) as stop:
            search(work_dir, name, *options)
        assert stop.value.code == 2
        assert match in capsys.readouterr().err

    own = work_dir / "own.csv"
    own.write_text((work_dir / "toy.csv").read_text())
    begun = (f"data.path={own}", "search.trials=1", "train.max_epochs=1")
    search(work_dir, "begun", *begun, "model.dim=8,16")
    differ = "train.max_epochs was 1, now 2. Go on with what it was begun with, or begin another: search.name=NAME"
    refused(differ, "begun", *begun[:2], "train.max_epochs=2", "model.dim=8,16")
    refused("model.dim was CategoricalDistribution(choices=('8', '16')), now", "begun", *begun, "model.dim=8,32")
    with own.open("a") as file:
        file.write("\nu0,p1,5,2000000")
    refused("data was ", "begun", *begun, "search.trials=2", "model.dim=8,16")

    refused("nothing to search: every setting has one value", "empty")
    refused("unknown setting 'model.dimm'; did you mean 'model.dim'?", "typo", "model.dimm=8,16")
    refused("setting train.learning_rate=0", "zero", "train.learning_rate=interval(0,1)")
    refused("cannot be searched: ", "turned", "model.dropout=interval(0.5,0.1)")
    refused("search.trial=0: no such trial is running", "lone", "hydra.mode=RUN", "search.trial=0")
    assert not (work_dir / "searches/typo").exists()


def test_one_process_has_a_search(tmp_path: Path) -> None:
    settings = SearchSettings(name="mine")
    space = {"model.dim": IntDistribution(8, 16)}
    study = Study(tmp_path / "mine", settings, "max", space, {})
    with pytest.raises(ConfigError, match="the search mine is being run by another process; wait for it"):
        Study(tmp_path / "mine", settings, "max", space, {})
    study.close()
    Study(tmp_path / "mine", settings, "max", space, {}).close()


def test_a_trial_may_be_stopped_after_its_first_epochs(tmp_path: Path) -> None:
    settings = SearchSettings(first_trials=2, first_epochs=3)
    with contextlib.closing(Study(tmp_path, settings, "max", {"x": FloatDistribution(0, 1)}, {})) as study:
        stop = {}
        for figure in (0.5, 0.7, 0.59, 0.61):  # the median of the first two: 0.6
            trial = study.ask()
            for epoch in range(1, 5):
                trial.report(figure, epoch)
                stop[figure, epoch] = trial.should_prune()
            study.finish(trial.number)
        assert [key for key, value in stop.items() if value] == [(0.59, 3), (0.59, 4)]


def test_the_best_is_the_smallest_where_less_is_better(tmp_path: Path) -> None:
    study = Study(tmp_path, SearchSettings(), "min", {"x": FloatDistribution(0, 1)}, {})
    study.begin_with({"x": 0.25})
    figures = [{1: 0.9, 2: 0.7, 3: 0.8}, {1: 0.6, 2: float("nan")}, {1: 0.65}]
    for figure in figures:
        trial = study.ask()
        for epoch, value in figure.items():
            trial.report(value, epoch)
        study.finish(trial.number)
    first, second, _ = study.trials()
    assert (first.params, first.values, study.best_epoch(first)) == ({"x": 0.25}, [0.7], (2, 0.7))
    assert study.best == second
    trial = study.ask()
    with pytest.raises(ValueError, match="no epoch of the trial gave a figure"):
        study.finish(trial.number)
    study.close()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("x=8,16", CategoricalDistribution(["8", "16"])),
        ("x='a b',[1,2],null", CategoricalDistribution(["'a b'", "[1,2]", "null"])),
        ("x=interval(0,1)", FloatDistribution(0, 1)),
        ("x=int(interval(8,64))", IntDistribution(8, 64)),
        ("x=tag(log,interval(0.001,1))", FloatDistribution(0.001, 1, log=True)),
        ("x=range(1,4)", IntDistribution(1, 3)),
        ("x=range(0,10,4)", IntDistribution(0, 8, step=4)),
        ("x=range(0.5,2)", CategoricalDistribution(["0.5", "1.5"])),
        ("x=range(3,0,-1)", CategoricalDistribution(["3", "2", "1"])),
    ],
)
def test_a_sweep_is_a_distribution(word: str, expected: BaseDistribution) -> None:
    assert distribution_of(OverridesParser.create().parse_override(word)) == expected


def test_what_is_chosen_can_be_typed() -> None:
    chosen = {"a": 0.00012345678, "b": 8, "c": "'a b'", "d": "[1,2]", "e": "null"}
    values = {word.key_or_group: word.value() for word in OverridesParser.create().parse_overrides(words(chosen))}
    assert values == {"a": 0.000123457, "b": 8, "c": "a b", "d": [1, 2], "e": None}
    assert [is_within(IntDistribution(0, 8, step=4), number) for number in (-4, 0, 3, 8, 12)] == [0, 1, 0, 1, 0]


def test_the_space_of_the_project_exists_and_holds_its_defaults() -> None:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", ["+search=default"])
        space = SearchSettings(**cfg.search).space
        parsed = OverridesParser.create().parse_overrides([f"{key}={values}" for key, values in space.items()])
        for word in parsed:
            group, key = word.key_or_group.split(".")
            default, values = cfg[group][key], distribution_of(word)
            if isinstance(values, CategoricalDistribution):
                assert str(default) in values.choices
            else:
                assert is_within(values, default)


def test_plain_multirun_is_hydras_own_and_judges_where_it_is_to(work_dir: Path) -> None:
    same = [word for word in typed(work_dir, "") if "search" not in word]
    validate = ["train.name=job${hydra:job.num}", "train.max_epochs=1", "train.final_test=true,false"]
    out = run("--multirun", *same, *validate)
    evaluated, alone = (json.loads((work_dir / f"reports/job{number}/report.json").read_text()) for number in range(2))
    assert "most popular" in evaluated["ranking"]
    assert (alone["ranking"], alone["ratings"]) == ({}, {})
    assert alone["epochs"][0]["valid/ndcg_at_10"] == evaluated["epochs"][0]["valid/ndcg_at_10"]
    assert out.count("most popular") == 1
    assert out.count("no test review was read (train.final_test=false); best valid/ndcg_at_10 0.") == 1
    assert (work_dir / "checkpoints/job1.ckpt").is_file()
