"""The main job on the generated sample, small: the real encoder, the real trainer, the real tracking store."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from safetensors import safe_open

import rec_sys.train.train  # registers the schemas  # noqa: F401
from rec_sys.command import CONFIG_FOLDER
from rec_sys.errors import CheckpointError, ConfigError, DataError
from rec_sys.recommenders import registry
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.recommenders.graph.checkpoint import load_checkpoint
from rec_sys.recommenders.graph.resume import State, check_same
from rec_sys.train.run import TrainingStopped, TrainResult, train

SMALL = [
    "data.sample_users=300",
    "data.sample_products=100",
    "data.sample_reviews=3000",
    "model.dim=32",
    "train.accelerator=cpu",
]


def configuration(work_dir: Path, *overrides: str) -> DictConfig:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return hydra.compose("train_config", [f"paths.work_dir={work_dir}", *SMALL, *overrides])


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained(work_dir: Path) -> TrainResult:
    return train(configuration(work_dir, "train.name=first", "train.max_epochs=25", "split.held_out_users=0.1"))


def test_it_beats_popularity(trained: TrainResult) -> None:
    """A band that a broken optimizer, a shuffled target or a blind user tower does not reach."""
    ranking = trained.report.ranking
    ours, popular = ranking["graph model"].filtered["ndcg@10"], ranking["most popular"].filtered["ndcg@10"]
    assert ours > 1.5 * popular
    assert trained.report.figures.held_out_users["graph model"].filtered["ndcg@10"] > 1.2 * popular


def test_report_and_checkpoint_say_the_same(trained: TrainResult) -> None:
    report = json.loads((trained.checkpoint.parents[1] / "reports/first/report.json").read_text())
    assert report["ranking"]["graph model"]["filtered"] == trained.report.ranking["graph model"].filtered
    assert report["facts"]["split"]["held-out users"] > 0
    kept = load_checkpoint(trained.checkpoint)
    assert kept.info["metrics"]["epoch"] == trained.report.best_epoch
    best = max(figures["valid/ndcg_at_10"] for figures in trained.report.history)
    assert kept.info["metrics"]["valid/ndcg_at_10"] == pytest.approx(best)
    assert kept.info["data"] == report["facts"]["data"]
    assert len(kept.info["data"]["fingerprint"]) == 64
    assert kept.complete
    assert kept.info["final_test"] == report["facts"]["final_test"] == "done"
    assert kept.info["item_factors"] == report["facts"]["item_factors"]
    assert kept.info["cold_start"] == report["facts"]["cold_start"]
    assert all(path.stat().st_size > 100 for path in trained.files)


def texts_in(value: Any) -> Iterator[str]:
    """All texts of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts_in([*value, *value.values()])
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


def test_nothing_kept_names_an_absolute_path(trained: TrainResult, work_dir: Path) -> None:
    """A work folder may be moved, and what is published tells nothing of the machine."""
    kept = [trained.checkpoint / "manifest.json", trained.checkpoint / "products.json", *trained.files]
    with safe_open(trained.checkpoint / "weights.safetensors", framework="numpy") as file:
        header = file.metadata()
    values = [json.loads(path.read_text()) for path in kept if path.suffix == ".json"]
    found = [*texts_in(values), *texts_in(header), (work_dir / "reports/first/report.md").read_text()]
    assert len(found) > 100
    assert [text for text in found if Path(text).is_absolute() or str(work_dir) in text] == []


def test_a_model_of_the_command_is_loaded_in_one_line_wherever_it_lies(
    trained: TrainResult, work_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(work_dir, tmp_path / "moved", ignore=shutil.ignore_patterns("mlruns", "mlflow.db*"))
    model = registry.load(tmp_path / "moved/checkpoints/first")
    assert model.data.table.fingerprint == trained.trained.info["data"]["fingerprint"]
    assert len(model.recommend(model.data.table.users.ids[0], k=3)) == 3
    assert list(Path().iterdir()) == []  # nothing is made anew where it is called from


def test_mlflow_holds_one_run_with_its_figures(trained: TrainResult, work_dir: Path) -> None:
    with sqlite3.connect(work_dir / "mlflow.db") as store:
        runs = store.execute("select run_uuid, status from runs where name = 'first'").fetchall()
        assert len(runs) == 1
        assert runs[0][1] == "FINISHED"
        metrics = {key for (key,) in store.execute("select key from metrics where run_uuid = ?", runs[0][:1])}
        parameters = {key for (key,) in store.execute("select key from params where run_uuid = ?", runs[0][:1])}
        tags = {key for (key,) in store.execute("select key from tags where run_uuid = ?", runs[0][:1])}
    assert {"test/recall_at_10", "test/ndcg_at_10", "test/f1", "test/accuracy", "test/mae"} <= metrics
    assert {"valid/ndcg_at_10", "valid/rating_f1", "train/loss"} <= metrics
    assert "model/conv" in parameters
    assert {"git_commit", "data_fingerprint"} <= tags


@pytest.mark.parametrize(
    ("name", "what_fails", "error", "raised"),
    [
        ("ctrl-c", "final_test", KeyboardInterrupt(), TrainingStopped),
        ("memory", "final_test", MemoryError("no room"), MemoryError),
        ("baseline", "baseline", ValueError("a baseline failed"), ValueError),
    ],
)
def test_a_final_test_that_fails_leaves_a_complete_model(
    name: str,
    what_fails: str,
    error: BaseException,
    raised: type[BaseException],
    work_dir: Path,
    trained: TrainResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise error

    target = "rec_sys.train.run.final_test" if what_fails == "final_test" else "rec_sys.train.final_test.fit_baselines"
    monkeypatch.setattr(target, fail)
    with pytest.raises(raised) as stop:
        train(configuration(work_dir, f"train.name={name}", "train.max_epochs=1"))
    if raised is TrainingStopped:
        assert f"rec_sys.evaluation.evaluate checkpoint={name}" in str(stop.value)
    folder = work_dir / "checkpoints" / name
    assert find_artifact("", work_dir / "checkpoints") == folder
    kept = load_checkpoint(folder)
    assert kept.complete
    assert kept.blend is not None
    assert kept.info["final_test"] == "missing"
    report = json.loads((work_dir / f"reports/{name}/report.json").read_text())
    assert (report["ranking"], len(report["notes"])) == ({}, 1)
    assert report["facts"]["final_test"] == "missing"
    with contextlib.closing(sqlite3.connect(work_dir / "mlflow.db")) as store:
        assert store.execute("select status from runs where name = ?", [name]).fetchall() == [("FAILED",)]
    assert len(registry.load(folder).recommend(history=[kept.products.ids[0]], k=3)) == 3


def test_same_seed_same_figures_and_a_resumed_run_too(work_dir: Path, trained: TrainResult) -> None:
    whole = train(configuration(work_dir, "train.name=whole", "train.max_epochs=4"))
    again = train(configuration(work_dir, "train.name=again", "train.max_epochs=4"))
    half = train(configuration(work_dir, "train.name=half", "train.max_epochs=2"))
    state = work_dir / "checkpoints/resume/half.ckpt"
    assert torch.load(state, weights_only=True)["epoch"] == 1  # opens without running code
    rest = train(configuration(work_dir, "train.resume=half", "train.max_epochs=4"))
    other = train(configuration(work_dir, "train.name=other", "train.max_epochs=4", "train.seed=1"))
    figures = {
        name: [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in result.report.history]
        for name, result in {"whole": whole, "again": again, "rest": rest, "other": other}.items()
    }
    assert figures["whole"] == figures["again"]
    assert figures["whole"] == figures["rest"]
    assert figures["whole"] != figures["other"]
    assert rest.checkpoint == half.checkpoint
    assert whole.report.ranking["graph model"].filtered == rest.report.ranking["graph model"].filtered


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.conv=gat", "model.layers=2", "train.ranking_weight=0"],
        ["train.rating_weight=0", "train.max_softmax=20", "model.hops=0"],
        ["train.precision=bf16-mixed", "model.hops=2"],
    ],
    ids=["gat, rating loss alone", "ranking loss alone, sampled", "bfloat16"],
)
def test_variants_train(work_dir: Path, trained: TrainResult, overrides: list[str]) -> None:
    result = train(configuration(work_dir, "train.max_epochs=2", *overrides))
    first, last = result.report.history[0], result.report.history[-1]
    assert last["train/loss"] < first["train/loss"]


def test_wrong_settings_are_named(work_dir: Path) -> None:
    with pytest.raises(ConfigError, match="ranking_weight and rating_weight"):
        train(configuration(work_dir, "train.ranking_weight=0", "train.rating_weight=0"))
    with pytest.raises(ConfigError, match="dim=32 is not a multiple of heads=5"):
        train(configuration(work_dir, "model.heads=5"))


def test_a_run_goes_on_with_what_it_began_with(work_dir: Path, trained: TrainResult) -> None:
    resume = ["train.resume=first", "train.max_epochs=90", "split.held_out_users=0.1"]
    with pytest.raises(CheckpointError, match=r"train\.learning_rate was 0\.002, now 0\.1; model\.hops was 1, now 2"):
        train(configuration(work_dir, *resume, "model.hops=2", "train.learning_rate=0.1"))
    with pytest.raises(CheckpointError, match=r"split\.held_out_users was 0\.1, now 0\.0"):
        train(configuration(work_dir, *resume[:2]))
    with pytest.raises(CheckpointError, match=r"data was \w+, now \w+"):
        train(configuration(work_dir, *resume, "data.sample_seed=1"))


def test_a_state_that_does_not_know_a_setting_is_refused() -> None:
    state = State(Path("old.ckpt"), "old", {"train.seed": 0}, "")
    check_same(state, {"train.seed": 0})
    with pytest.raises(CheckpointError, match=r"train\.context .* now around"):
        check_same(state, {"train.seed": 0, "train.context": "around"})


def test_what_cannot_be_resumed_is_said_before_any_work(work_dir: Path, trained: TrainResult) -> None:
    def refused(match: str, *overrides: str, error: type[Exception] = CheckpointError) -> None:
        with pytest.raises(error, match=match):
            train(configuration(work_dir, *overrides))

    refused(r"train\.resume=furst: no run of that name .* did you mean .first.\?", "train.resume=furst")
    refused("known: ", "train.resume=nowhere")
    done = len(trained.report.history)
    refused(f"has done {done} epochs and train.max_epochs is 2", "train.resume=first", "train.max_epochs=2")
    # The checkpoint of the same name stands for the run.
    refused("nothing is left to do", f"train.resume={trained.checkpoint}", "train.max_epochs=2")
    refused("is called first; leave", "train.resume=first", "train.name=other", error=ConfigError)
    (work_dir / "checkpoints/resume/broken.ckpt").write_text("a,b\n1,2\n")
    refused("damaged or no state to go on from", "train.resume=broken")


def test_a_resumed_run_whose_checkpoint_is_gone_makes_a_new_one(work_dir: Path, trained: TrainResult) -> None:
    result = train(configuration(work_dir, "train.name=gone", "train.max_epochs=2"))
    shutil.rmtree(result.checkpoint)
    rest = train(configuration(work_dir, "train.resume=gone", "train.max_epochs=3"))
    assert rest.report.best_epoch == 2
    with sqlite3.connect(work_dir / "mlflow.db") as store:
        runs = store.execute("select status from runs where name = 'gone'").fetchall()
    assert runs == [("FINISHED",)]  # the same run, gone on with


def test_a_resumed_run_without_a_better_epoch_keeps_the_network_that_was_written(
    work_dir: Path, trained: TrainResult
) -> None:
    """Item factors and calibration are made again for it."""
    before = train(configuration(work_dir, "train.name=best", "train.max_epochs=2"))
    path = work_dir / "checkpoints/resume/best.ckpt"
    state = torch.load(path, weights_only=True)
    (keep,) = [values for name, values in state["callbacks"].items() if name.startswith("KeepBest")]
    keep["best"] = 2.0  # no ndcg reaches it
    torch.save(state, path)
    after = train(configuration(work_dir, "train.resume=best", "train.max_epochs=3"))
    assert [len(each.report.history) for each in (before, after)] == [2, 3]
    assert after.report.best_epoch == before.report.best_epoch
    first, second = before.trained, load_checkpoint(after.checkpoint)
    torch.testing.assert_close(second.network.state_dict(), first.network.state_dict(), atol=0, rtol=0)
    assert second.complete
    assert second.blend == first.blend
    torch.testing.assert_close(vars(second.states), vars(first.states), atol=5e-4, rtol=0)


def test_held_out_users_and_products_are_both_evaluated(work_dir: Path, trained: TrainResult) -> None:
    new = ["split.held_out_users=0.1", "split.held_out_products=0.1"]
    result = train(configuration(work_dir, "train.name=new", "train.max_epochs=2", "train.baselines=[item_knn]", *new))
    report = result.report
    assert "graph model" in report.ranking
    assert len(report.ranking) >= 2
    assert list(report.figures.held_out_users) == list(report.figures.held_out_products) == list(report.ranking)
    assert {"recall@10", "recall@50"} <= set(report.figures.held_out_products["graph model"].filtered)
    chance = report.facts["chance"]
    assert 0 < chance["recall@10"] < chance["recall@50"] < 1
    assert report.facts["split"]["reviews of held-out products"] > 0
    text = report.text()
    assert f"{chance['recall@10']:.4f}" in text
    written = json.loads((work_dir / "reports/new/report.json").read_text())
    for part in ("held_out_users", "held_out_products"):
        assert {name: each["filtered"] for name, each in written[part].items()} == {
            name: each.filtered for name, each in getattr(report.figures, part).items()
        }


def test_without_ratings(tmp_path: Path, work_dir: Path, trained: TrainResult) -> None:
    random = np.random.default_rng(0)
    rows = [f"u{user},p{product},{day}" for user in range(30) for day, product in enumerate(random.permutation(20)[:8])]
    (tmp_path / "plain.csv").write_text("\n".join(["user_id,product_id,timestamp", *rows]))
    data = [f"data.path={tmp_path / 'plain.csv'}", "train.max_epochs=1"]
    result = train(configuration(tmp_path, *data))
    assert result.report.figures.ratings == {}
    assert result.report.ranking["graph model"].num_users == 30
    with pytest.raises(ConfigError, match=r"train\.ranking_weight=0 .* train and valid"):
        train(configuration(tmp_path, *data, "train.ranking_weight=0"))


def test_a_gpu_that_is_not_there(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"train\.accelerator=gpu"):
        train(configuration(work_dir, "train.accelerator=gpu"))


def test_histories_too_short_to_learn_from(tmp_path: Path) -> None:
    rows = [f"u{user},p{product},5,{product + 1}" for user in range(9) for product in range(3)]
    (tmp_path / "short.csv").write_text("\n".join(["user_id,product_id,rating,timestamp", *rows]))
    with pytest.raises(DataError, match="9 users"):
        train(configuration(tmp_path, f"data.path={tmp_path / 'short.csv'}"))


@pytest.mark.parametrize("locked", [False, True], ids=["free", "tracking store held by another program"])
def test_ctrl_c_keeps_the_best_and_says_how_to_go_on(work_dir: Path, trained: TrainResult, locked: bool) -> None:
    name = f"stopped{int(locked)}"
    command = [sys.executable, "-u", "-m", "rec_sys.train.train", f"paths.work_dir={work_dir}", *SMALL]
    options = [f"train.name={name}", "train.max_epochs=10000", "train.patience=10000"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        checkpoint = work_dir / "checkpoints" / name
        limit = time.monotonic() + 200
        while not ((checkpoint / "manifest.json").exists() and (work_dir / f"checkpoints/resume/{name}.ckpt").exists()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < limit
            time.sleep(0.2)
        with contextlib.closing(sqlite3.connect(work_dir / "mlflow.db", timeout=60)) as store:
            if locked:
                store.execute("begin exclusive")
            process.send_signal(signal.SIGINT)
            output = "".join(process.communicate(timeout=60))
    assert process.returncode == 130
    assert "Traceback" not in output
    assert f"go on with: uv run -m rec_sys.train.train paths.work_dir={work_dir}" in output
    assert f"train.resume={name}\n" in output
    kept = load_checkpoint(checkpoint)
    assert not kept.complete
    assert kept.blend is None
    assert find_artifact("", work_dir / "checkpoints") != checkpoint
    assert find_artifact(name, work_dir / "checkpoints") == checkpoint
