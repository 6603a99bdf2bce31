"""The command on the generated sample, small: the real encoder, the real models, the real tracking store."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hydra
import numpy as np
import pytest

from rec_sys.command import CONFIG_FOLDER
from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.errors import CheckpointError, ConfigError, RecSysError
from rec_sys.evaluation.evaluate import EvaluateSettings, compare, track
from rec_sys.evaluation.trained_on import check_trained_on
from rec_sys.metrics.protocol import RankingReport
from rec_sys.paths import Paths
from rec_sys.progress import Progress
from rec_sys.recommenders import registry
from rec_sys.settings import read_settings
from rec_sys.text.settings import EncoderSettings

SMALL = ["data.sample_users=120", "data.sample_products=50", "data.sample_reviews=900"]
HELD_OUT = ["split.held_out_users=0.1"]


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def settings_of(work_dir: Path, *overrides: str) -> EvaluateSettings:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("evaluate_config", [f"paths.work_dir={work_dir}", *SMALL, *overrides])
    return read_settings(cfg, EvaluateSettings, "")


def data_of(work_dir: Path, *overrides: str) -> Dataset:
    settings = settings_of(work_dir, *overrides)
    return load_data(settings.data, settings.encoder, settings.paths, split=settings.split)


@pytest.fixture(scope="module")
def saved(work_dir: Path) -> Path:
    """Models trained before: two seeds of BPR, a text cosine and an EASE, all on the split with held-out users."""
    data, folder = data_of(work_dir, *HELD_OUT), work_dir / "checkpoints"
    for seed in (0, 1):
        registry.create("bpr", factors=8, iterations=10, seed=seed).fit(data).save(folder / f"bpr-{seed}")
    registry.create("text_cosine").fit(data).save(folder / "texts")
    registry.create("ease").fit(data).save(folder / "short")
    return folder


def test_known_users(work_dir: Path) -> None:
    found = compare(settings_of(work_dir, "models=[popularity,item_knn,text_cosine]", "part=valid", "cutoffs=[5,50]"))
    popular, knn, text = found.reports.values()
    assert list(found.differences) == list(found.reports)[1:]
    assert popular.num_users == knn.num_users == found.facts["split"]["valid"]
    assert {f"{kind}@{k}" for kind in ("recall", "ndcg") for k in (5, 10, 50)} | {"mrr", "coverage@10"} == set(
        knn.filtered
    )
    for report in (popular, knn, text):
        assert sum(group["users"] for group in report.groups["users"].values()) == report.num_users
        assert sum(group["users"] for group in report.groups["products"].values()) == report.num_users
        assert report.fit_seconds is not None
        assert report.fit_mib is not None
        assert report.fit_mib >= 0
    assert knn.filtered["ndcg@10"] > 1.5 * popular.filtered["ndcg@10"]
    difference = next(iter(found.differences.values()))[1]
    assert difference.difference == pytest.approx(knn.filtered["ndcg@10"] - popular.filtered["ndcg@10"])
    assert difference.is_clear
    assert "R@50" in found.text()
    assert all(name in found.text(markdown=True) for name in found.reports)


def test_seeds_are_averaged_for_models_that_are_random(work_dir: Path) -> None:
    found = compare(settings_of(work_dir, "models=[popularity,bpr]", "part=valid", "seeds=[0,1]"))
    popular, bpr = found.reports.values()
    assert (popular.num_seeds, bpr.num_seeds) == (1, 2)
    assert bpr.ranks is not None
    assert bpr.ranks.filtered.shape == (2, bpr.num_users)
    assert bpr.filtered_spread["recall@10"] >= 0


def test_held_out_products_are_found_by_their_texts(work_dir: Path) -> None:
    found = compare(
        settings_of(
            work_dir, "models=[popularity,text_cosine]", "part=held_out_products", "split.held_out_products=0.2"
        )
    )
    popular, text = found.reports.values()
    assert popular.filtered["recall@10"] == 0  # nobody reviewed them
    assert text.filtered["recall@10"] > 1.3 * found.chance["recall@10"]
    assert 10 / 50 < found.chance["recall@10"] < 0.5
    assert "random order, filtered: R@10" in found.text()
    assert text.groups["products"]["cold"]["users"] == text.num_users


def test_saved_models_are_evaluated_and_everything_is_noted(saved: Path, work_dir: Path) -> None:
    checkpoints = "checkpoint=[short,bpr-0,bpr-1,texts]"
    settings = settings_of(work_dir, "models=[popularity]", checkpoints, "part=held_out_users", *HELD_OUT)
    found = compare(settings)
    assert found.name == "short"
    assert list(found.reports) == ["most popular", "EASE", "BPR", "text cosine"]
    assert [report.num_seeds for report in found.reports.values()] == [1, 1, 2, 1]
    assert found.reports["EASE"].num_users == found.facts["split"]["held-out users"]
    assert found.facts["encoder"]["fingerprint"]  # the text cosine has read texts
    assert len(found.differences["EASE"]) == 4
    file = work_dir / "found.json"
    file.write_text(json.dumps(found.to_dict()))
    track(found, file, settings.paths)
    with sqlite3.connect(work_dir / "mlflow.db") as store:
        runs = dict(store.execute("select name, run_uuid from runs where status = 'FINISHED'").fetchall())
        assert {"short held_out_users: most popular", "short held_out_users: EASE"} <= set(runs)
        metrics: dict[str, float] = dict(
            store.execute(
                "select key, value from metrics where run_uuid = ?", [runs["short held_out_users: EASE"]]
            ).fetchall()
        )
    assert metrics["held_out_users/ndcg_at_10"] == found.reports["EASE"].filtered["ndcg@10"]
    assert metrics["held_out_users/unfiltered/recall_at_10"] == found.reports["EASE"].unfiltered["recall@10"]


def test_a_saved_model_gives_the_figures_it_had(saved: Path, work_dir: Path) -> None:
    found = compare(settings_of(work_dir, "models=[]", "checkpoint=short", "part=valid", *HELD_OUT))
    fresh = registry.create("ease").fit(data_of(work_dir, *HELD_OUT)).evaluate(part="valid")
    assert found.reports["EASE"].filtered["ndcg@10"] == fresh.filtered["ndcg@10"]
    assert found.facts["encoder"] is None  # nobody asked for texts


def test_a_saved_and_a_fresh_model_of_one_name_stay_apart(saved: Path, work_dir: Path) -> None:
    registry.create("popularity").fit(data_of(work_dir, *HELD_OUT)).save(saved / "popular")
    found = compare(settings_of(work_dir, "models=[popularity]", "checkpoint=popular", "part=valid", *HELD_OUT))
    assert list(found.reports) == ["most popular", "most popular, trained before"]


@pytest.mark.slow
def test_the_graph_model_is_a_model_like_the_others(work_dir: Path) -> None:
    data = data_of(work_dir, *HELD_OUT)
    small = {"dim": 16, "heads": 2, "max_history": 30, "item_factors": 8, "max_epochs": 1}
    registry.create("graph", **small).fit(data).save(work_dir / "checkpoints/graph")
    found = compare(settings_of(work_dir, "models=[popularity]", "checkpoint=graph", "part=valid", *HELD_OUT))
    assert found.reports["graph model"].history_limit == 30  # its own number, not that of the others


def test_figures_and_progress_are_told_as_they_come(work_dir: Path) -> None:
    reports: list[tuple[str, RankingReport]] = []
    progress: list[Progress] = []
    settings = settings_of(work_dir, "models=[popularity,ease]", "part=valid")
    found = compare(settings, progress.append, lambda *each: reports.append(each))
    assert dict(reports) == found.reports
    assert {"rank most popular", "rank EASE"} <= {each.stage for each in progress}


def test_a_model_of_something_else_is_refused_with_what_differs(saved: Path, work_dir: Path) -> None:
    data = data_of(work_dir, *HELD_OUT)
    info = registry.load(saved / "texts").info
    check_trained_on(info, "texts", data)
    with pytest.raises(CheckpointError, match=r"split\.held_out_users was 0\.1, now 0\.0\..*=0\.1"):
        check_trained_on(info, "texts", data_of(work_dir))
    with pytest.raises(CheckpointError, match=r"split\.seed was 0, now 3"):
        check_trained_on(info, "texts", data_of(work_dir, *HELD_OUT, "split.seed=3"))
    with pytest.raises(CheckpointError, match=r"split\.held_out_products was 0\.0, now 0\.2"):
        check_trained_on(info, "texts", data_of(work_dir, *HELD_OUT, "split.held_out_products=0.2"))
    other = replace(data, name="other", table=replace(data.table, fingerprint="0123456789abcdef"))
    with pytest.raises(CheckpointError, match=r"the data was sample \(\w{12}\), now other \(0123456789ab\)"):
        check_trained_on(info, "texts", other)
    encoder = {**info["encoder"], "backend": "another", "fingerprint": "x"}
    with pytest.raises(CheckpointError, match=r"the encoder was .*another.*encoder\.backend="):
        check_trained_on({**info, "encoder": encoder}, "texts", data)
    with pytest.raises(CheckpointError, match="does not say what it was trained on"):
        check_trained_on({}, "texts", data)


def test_a_seed_that_draws_nothing_may_differ(work_dir: Path) -> None:
    data = data_of(work_dir, "split.seed=5")
    info = data.facts()
    older = {**info, "settings": {**info["settings"], "split": {"held_out_users": 0.0, "seed": 0}}}
    check_trained_on(older, "older", data)
    assert data.split_settings == SplitSettings(seed=5)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["models=[popularity,nonsense]"], "models names 'nonsense', which is unknown; known: popularity, item_knn"),
        (["models=[ease,ease]"], "models names ease twice"),
        (["models=[]"], "neither models nor a checkpoint"),
        (["cutoffs=[0]"], r"cutoffs=\[0\]"),
        (["seeds=[]"], r"seeds=\[\]"),
        (["part=held_out_users"], r"split\.held_out_users=0\.1"),
        (["part=held_out_products"], r"split\.held_out_products=0\.1"),
        (["output=found.csv"], r"ends in \.json"),
        (["checkpoint=absent"], "no model 'absent'"),
    ],
)
def test_settings_that_contradict_are_refused_before_any_work(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecSysError, match=message):
        compare(settings_of(tmp_path, *overrides))
    assert list(tmp_path.iterdir()) == []


def test_settings_out_of_their_limits_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"setting part='train'"):
        settings_of(tmp_path, "part=train")
    with pytest.raises(ConfigError, match=r"setting split\.held_out_products=1"):
        settings_of(tmp_path, "split.held_out_products=1")


def test_the_schema_is_made_of_the_groups() -> None:
    settings = EvaluateSettings()
    assert (settings.data, settings.encoder, settings.paths) == (DataSettings(), EncoderSettings(), Paths())
    assert EvaluateSettings.read({"checkpoint": "one"}).checkpoint == ["one"]
    assert EvaluateSettings.read({"checkpoint": ""}).checkpoint == []


@pytest.mark.slow
def test_from_the_command_line(work_dir: Path) -> None:
    words = [*SMALL, "models=[popularity,item_knn]", "part=valid", "name=plain", "split.held_out_users=0.1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "rec_sys.evaluation.evaluate", f"paths.work_dir={work_dir}", *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    file = work_dir / "reports/plain/evaluation.json"
    assert f"report      {file}" in done.stdout
    assert "less most popular on the same users" in done.stdout
    found = json.loads(file.read_text())
    assert found["part"] == "valid"
    assert set(found["models"]) == set(found["differences"]["models"]) | {"most popular"}
    assert found["facts"]["settings"]["split"]["held_out_users"] == 0.1
    assert np.isfinite([d["low"] for each in found["differences"]["models"].values() for d in each]).all()


@pytest.mark.slow
def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rec_sys.evaluation.evaluate", "models=[none]"]
    wrong = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: models names 'none'")
    assert len(wrong.stderr.splitlines()) == 1
