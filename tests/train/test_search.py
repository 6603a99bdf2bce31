"""Searches on a toy, in this process and through the command: chosen, stopped early, failed, killed and resumed."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hydra
import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import OmegaConf
from optuna.trial import FrozenTrial, TrialState

from rec_sys.command import CONFIG_FOLDER
from rec_sys.errors import ConfigError
from rec_sys.progress import Progress, ProgressCallback
from rec_sys.train.search import SearchResult, SearchStopped
from rec_sys.train.search import search as search_settings
from rec_sys.train.search_words import gather_space
from rec_sys.train.train import main
from tests.support.toy import checkerboard

SPACE = ["model.dim=8,16", "train.learning_rate=tag(log,interval(0.001,0.02))"]


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a table without texts, so that nothing is embedded."""
    folder, table = tmp_path_factory.mktemp("work"), checkerboard(num_users=24, num_products=20, likes=6)
    timestamp = 1_400_000_000 + 100 * table.timestamp
    columns = zip(table.user, table.product, table.rating, timestamp, strict=True)
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


def search(work_dir: Path, name: str, *options: str, progress: ProgressCallback | None = None) -> SearchResult | None:
    """A search in this process, without the command around it."""
    words = gather_space(typed(work_dir, name, *options))
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        compose = functools.partial(hydra.compose, "train_config")
        return search_settings(compose(words), words, compose, progress)


def run(*words: str) -> str:
    """The training command in this process; gives what it printed."""
    quiet = ["hydra/job_logging=none", "hydra/hydra_logging=none"]  # a handler would outlive the streams of a test
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(sys, "argv", ["train", *words, *quiet])
        main()
    return out.getvalue()


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


def runs(work_dir: Path, name: str) -> dict[str, Run]:
    """The MLflow runs of a search's trials, by name."""
    client = MlflowClient(f"sqlite:///{work_dir / 'mlflow.db'}")
    found = client.search_runs(
        [each.experiment_id for each in client.search_experiments()], f"tags.search = '{name}' and tags.trial != ''"
    )
    return {str(each.info.run_name): each for each in found}


def parent_of(work_dir: Path, run: Run) -> Run:
    return MlflowClient(f"sqlite:///{work_dir / 'mlflow.db'}").get_run(run.data.tags["mlflow.parentRunId"])


@pytest.fixture(scope="module")
def printed(work_dir: Path) -> str:
    """What the command prints of a search of three trials."""
    return run(*typed(work_dir, "plain", "search.trials=3", *SPACE))


def test_a_search_keeps_its_trials_and_says_how_to_train_the_best(work_dir: Path, printed: str) -> None:
    done = trials(work_dir, "plain")
    assert [trial.state for trial in done] == [TrialState.COMPLETE] * 3
    assert [len(trial.intermediate_values) for trial in done] == [3] * 3
    best = max(done, key=lambda trial: trial.values[0])
    assert best.values[0] == max(best.intermediate_values.values())
    lines = [line for line in printed.splitlines() if line.startswith("trial")]
    assert [line.split()[:6] for line in lines] == [["trial", str(n), str(n + 1), "of", "3", "done"] for n in range(3)]

    kept = json.loads((work_dir / "searches/plain/best.json").read_text())
    assert (kept["trial"], kept["value"], kept["figure"]) == (best.number, best.values[0], "valid/ndcg_at_10")
    assert best.intermediate_values[kept["epoch"]] == kept["value"]
    assert kept["trials"] == {"complete": 3, "stopped early": 0, "failed": 0}
    assert f"  {kept['command']}\n" in printed
    given = shlex.split(kept["command"])
    assert given[:4] == ["uv", "run", "-m", "rec_sys.train.train"]
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", given[4:])
    assert cfg.model.dim == int(best.params["model.dim"]) == kept["settings"]["model.dim"]
    assert cfg.train.learning_rate == pytest.approx(best.params["train.learning_rate"], rel=1e-5)
    assert (cfg.train.max_epochs, cfg.train.final_test) == (3, True)

    again = search(work_dir, "plain", "search.trials=3", *SPACE)  # nothing is left to do
    assert again == SearchResult(**kept)
    assert len(trials(work_dir, "plain")) == 3


def test_the_first_trial_has_the_default_settings(work_dir: Path, printed: str) -> None:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        default = hydra.compose("train_config")
    first = OmegaConf.load(work_dir / "searches/plain/trials/0/settings.yaml")
    assert first.train.learning_rate == default.train.learning_rate
    assert first.model.dropout == default.model.dropout


def test_what_a_trial_says_is_in_a_file_of_its_own(work_dir: Path, printed: str) -> None:
    for trial in trials(work_dir, "plain"):
        folder = work_dir / f"searches/plain/trials/{trial.number}"
        assert (folder / "output.log").read_text().count("\nepoch ") == 3
        settings = OmegaConf.load(folder / "settings.yaml")
        assert settings.model.dim == int(trial.params["model.dim"])
        assert (settings.train.name, settings.train.final_test) == (f"plain-{trial.number}", False)
    assert "epoch   1/3" not in printed


def test_trials_are_runs_below_that_of_their_search_without_a_figure_of_the_test(work_dir: Path, printed: str) -> None:
    found = runs(work_dir, "plain")
    assert sorted(found) == ["plain-0", "plain-1", "plain-2"]
    assert {each.info.status for each in found.values()} == {"FINISHED"}
    (parent,) = {parent_of(work_dir, each).info.run_id: parent_of(work_dir, each) for each in found.values()}.values()
    assert (parent.info.run_name, parent.info.status) == ("search-plain", "FINISHED")
    assert "best valid/ndcg_at_10" in parent.data.metrics
    for each in found.values():
        assert {"valid/ndcg_at_10", "train/loss"} <= set(each.data.metrics)
        assert not [figure for figure in each.data.metrics if figure.startswith("test")]
        assert "model/dim" in each.data.params
    assert not [path.name for path in (work_dir / "checkpoints").rglob("plain*")]
    assert not [path.name for path in (work_dir / "reports").rglob("plain*")]


def test_a_hopeless_trial_is_stopped_early(work_dir: Path) -> None:
    rates = ["0.01", "0.011", "1e-09"]
    queue(work_dir, "pruned", *({"train.learning_rate": rate} for rate in rates))
    options = ("search.trials=3", "search.first_epochs=3", "train.max_epochs=8")
    best = search(work_dir, "pruned", *options, f"train.learning_rate={','.join(rates)}")
    good, _, hopeless = trials(work_dir, "pruned")
    assert good.state is TrialState.COMPLETE
    assert len(good.intermediate_values) == 8
    assert hopeless.state is TrialState.PRUNED
    assert 3 <= len(hopeless.intermediate_values) < 8
    assert best is not None
    assert best.trials == {"complete": 2, "stopped early": 1, "failed": 0}
    stopped = {name for name, each in runs(work_dir, "pruned").items() if each.data.tags.get("stopped") == "early"}
    assert stopped == {"pruned-2"}


def test_a_failed_trial_does_not_end_a_search_but_the_first_one_does(
    work_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ("search.trials=2", "model.dim=16", "model.layers=1,2,9", "train.max_epochs=1")
    queue(work_dir, "failed", *({"model.layers": str(layers)} for layers in (1, 9, 2)))
    best = search(work_dir, "failed", *options)
    assert [trial.state.name for trial in trials(work_dir, "failed")] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert best is not None
    assert best.trials == {"complete": 2, "stopped early": 0, "failed": 1}
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "model.layers=9" in warning
    assert "ConfigError" in (work_dir / "searches/failed/trials/1/output.log").read_text()

    queue(work_dir, "mistake", {"model.layers": "9"})
    with pytest.raises(ConfigError, match=r"model\.layers=9"):
        search(work_dir, "mistake", *options)
    # Nothing was done with the mistake, so it can be put right under the same name.
    assert search(work_dir, "mistake", *options[:2], "model.layers=1,2", "train.max_epochs=1") is not None
    assert [trial.state for trial in trials(work_dir, "mistake")] == [TrialState.COMPLETE] * 2


def test_trials_that_fail_in_a_row_end_a_search(work_dir: Path) -> None:
    queue(work_dir, "row", *({"model.layers": str(layers)} for layers in (1, 9, 9, 1, 9, 9, 9)))
    with pytest.raises(ConfigError, match=r"model\.layers=9"):
        search(work_dir, "row", "model.dim=16", "model.layers=1,9", "train.max_epochs=1")
    states = [trial.state.name[0] for trial in trials(work_dir, "row")]
    assert states == list("CFFCFFF")


def test_a_trial_that_another_figure_chooses_is_not_compared(work_dir: Path) -> None:
    queue(work_dir, "other", *({"train.ranking_weight": weight} for weight in ("1", "0")))
    options = ("search.trials=2", "model.dim=16", "train.ranking_weight=1,0,2", "train.max_epochs=1")
    search(work_dir, "other", *options)
    assert [trial.state.name for trial in trials(work_dir, "other")] == ["COMPLETE", "FAIL", "COMPLETE"]


def test_ctrl_c_costs_the_running_trial_alone(work_dir: Path) -> None:
    options = ["search.trials=2", "model.dim=8,16"]
    epochs = 0

    def press(progress: Progress) -> None:
        """Ctrl-C in the second epoch of the second trial."""
        nonlocal epochs
        if not progress.stage.startswith("epoch "):
            return  # reading the file is a stage too, where no earlier test has read it
        epochs += progress.is_last
        if epochs == 4 and not progress.is_last:
            raise KeyboardInterrupt

    with pytest.raises(SearchStopped, match="1 of 2"):
        search(work_dir, "stopped", *options, progress=press)
    assert [trial.state.name for trial in trials(work_dir, "stopped")] == ["COMPLETE", "RUNNING"]
    search(work_dir, "stopped", *options)
    done, interrupted, again = trials(work_dir, "stopped")
    assert [each.state.name for each in (done, interrupted, again)] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert again.params == interrupted.params
    assert again.intermediate_values[1] == interrupted.intermediate_values[1]
    found = runs(work_dir, "stopped")
    assert [found[f"stopped-{number}"].info.status for number in range(3)] == ["FINISHED", "KILLED", "FINISHED"]
    assert len({each.data.tags["mlflow.parentRunId"] for each in found.values()}) == 1


@pytest.mark.slow
def test_stopped_killed_and_resumed_a_search_makes_the_trials_of_one_that_never_was(work_dir: Path) -> None:
    options = ["search.trials=3", "train.max_epochs=5", *SPACE]
    command = [sys.executable, "-u", "-m", "rec_sys.train.train"]

    def begun(number: int) -> bool:
        """Whether a trial has had an epoch."""
        output = work_dir / f"searches/cut/trials/{number}/output.log"
        return output.is_file() and "\nepoch " in output.read_text()

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
    resumed, whole = search(work_dir, "cut", *options), search(work_dir, "whole", *options)
    assert resumed is not None
    assert whole is not None
    assert (resumed.settings, resumed.value, resumed.epoch) == (whole.settings, whole.value, whole.epoch)
    states = ["COMPLETE", "FAIL", "COMPLETE", "FAIL", "COMPLETE"]
    assert [trial.state.name for trial in trials(work_dir, "cut")] == states
    done = [trial for trial in trials(work_dir, "cut") if trial.state is not TrialState.FAIL]
    for cut, uncut in zip(done, trials(work_dir, "whole"), strict=True):
        assert (cut.params, cut.state, cut.intermediate_values) == (
            uncut.params,
            uncut.state,
            uncut.intermediate_values,
        )
    status = {name: each.info.status for name, each in runs(work_dir, "cut").items()}
    expected = ["FINISHED", "KILLED", "FINISHED", "KILLED", "FINISHED"]
    assert status == {f"cut-{number}": state for number, state in enumerate(expected)}
    assert {parent_of(work_dir, each).info.run_name for each in runs(work_dir, "cut").values()} == {"search-cut"}


def test_a_search_goes_on_with_what_it_began_with(work_dir: Path) -> None:
    own = work_dir / "own.csv"
    own.write_text((work_dir / "toy.csv").read_text())
    same = (f"data.path={own}", "search.trials=1", "train.max_epochs=1")
    search(work_dir, "begun", *same, "model.dim=8,16")
    with pytest.raises(ConfigError, match=r"train\.max_epochs was 1, now 2"):
        search(work_dir, "begun", *same[:2], "train.max_epochs=2", "model.dim=8,16")
    with pytest.raises(ConfigError, match=r"model\.dim was .*'16'.*, now .*'32'"):
        search(work_dir, "begun", *same, "model.dim=8,32")
    more = search(work_dir, "begun", *same, "search.trials=2", "train.baselines=[]", "train.name=n", "model.dim=8,16")
    assert more is not None
    assert more.trials["complete"] == 2
    assert "train.name=n" in more.command
    with own.open("a") as file:
        file.write("\nu0,p1,5,2000000")
    with pytest.raises(ConfigError, match="data was "):
        search(work_dir, "begun", *same, "search.trials=3", "model.dim=8,16")
    assert len(trials(work_dir, "begun")) == 2  # no trial failed by it


@pytest.mark.parametrize(
    ("name", "option", "named"),
    [
        ("empty", "model.dim=8", "nothing to search"),
        ("typo", "model.dimm=8,16", "model.dim"),
        ("zero", "train.learning_rate=interval(0,1)", "train.learning_rate=0"),
        ("turned", "model.dropout=interval(0.5,0.1)", "model.dropout"),
        ("data", "data.k_core=1,2", "data.k_core"),
        ("own", "search.trial=0", "search.trial"),
        ("resume", "train.resume=first", "train.resume"),
    ],
)
def test_a_wrong_search_is_refused_before_anything_is_made(
    work_dir: Path, capsys: pytest.CaptureFixture[str], name: str, option: str, named: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*typed(work_dir, name, option))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line
    assert not (work_dir / "searches" / name).exists()


def test_multirun_may_be_added_to_a_search(work_dir: Path) -> None:
    run("--multirun", *typed(work_dir, "multi", "search.trials=2", "train.max_epochs=1", "model.dim=8,16"))
    assert len(trials(work_dir, "multi")) == 2


def test_plain_multirun_is_hydras_own(work_dir: Path) -> None:
    same = [word for word in typed(work_dir, "") if "search" not in word]
    options = ["train.name=job${hydra:job.num}", "train.max_epochs=1", "train.final_test=true,false", "model.dim=16"]
    run("--multirun", *same, *options)
    evaluated, alone = (json.loads((work_dir / f"reports/job{number}/report.json").read_text()) for number in range(2))
    assert "most popular" in evaluated["ranking"]
    assert (alone["ranking"], alone["ratings"]) == ({}, {})
    assert alone["epochs"][0]["valid/ndcg_at_10"] == evaluated["epochs"][0]["valid/ndcg_at_10"]
    assert (work_dir / "checkpoints/job1").is_dir()
