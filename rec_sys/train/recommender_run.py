"""One training of any recommender but the graph model: choose, fit, evaluate, save as a version, report.

resolve   settings, checked before any work is done            -> RecommenderPlan
fit       settings chosen on validation where that is asked     -> Recommender
test      the test reviews, once, beside baselines              -> TestFigures, sections
keep      the model, fitted on all reviews where that is asked  -> checkpoints/NAME and checkpoints/latest/KIND
report    tables, charts, tracked run, registered version       -> RecommenderResult
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from omegaconf import DictConfig, OmegaConf

from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.errors import ConfigError
from rec_sys.evaluation.tuning import USERS_PER_EPOCH, chosen, fit_best, valid_ndcg
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import point_latest
from rec_sys.recommenders.base import Grid, Recommender
from rec_sys.recommenders.graph.settings import TrainSettings
from rec_sys.recommenders.held_out import ALL
from rec_sys.recommenders.registry import recommender_class
from rec_sys.settings import read_settings
from rec_sys.tables import Section
from rec_sys.text.settings import EncoderSettings
from rec_sys.tracking.registered import Version, register
from rec_sys.tracking.resources import measured, peak_mib
from rec_sys.tracking.runs import RunLogger, fail_run, log_figures, log_file, log_folder, start_run
from rec_sys.train.final_test import TestFigures, recommender_figures
from rec_sys.train.report import TrainReport

logger = logging.getLogger(__name__)

USED = ("name", "baselines", "final_test", "tune", "fit_on")  # settings of `train` that count for every recommender


@dataclass(frozen=True)
class RecommenderPlan:
    """Everything a training is asked for, checked."""

    paths: Paths
    data: DataSettings
    encoder: EncoderSettings
    split: SplitSettings
    train: TrainSettings
    kind: type[Recommender]
    model: Recommender  # not fitted
    given: frozenset[str]  # settings of the recommender that were typed: tuning leaves them alone
    whole: dict[str, Any]  # the composed configuration, as it is kept with the model

    @property
    def seed(self) -> int | None:
        """None: nothing is random."""
        return getattr(self.model.settings, "seed", 0) if self.kind.seeded else None


@dataclass(frozen=True)
class RecommenderResult:
    """What a training leaves behind."""

    checkpoint: Path  # folder of the model
    latest: Path  # the link that leads to it
    report: TrainReport
    files: list[Path]  # the report's
    model: Recommender  # as saved
    version: Version  # as registered


def train_recommender(
    cfg: DictConfig, progress: ProgressCallback | None = None, typed: Collection[str] = ()
) -> RecommenderResult:
    """Train one recommender as the composed configuration says.

    Args:
        cfg: composed from config/train_config.yaml.
        progress: told how far it is.
        typed: names of the settings that were given by hand; those without effect are refused.

    Raises:
        RecSysError: a setting or the data is wrong.
    """
    started = time.perf_counter()
    plan = resolve(cfg, typed)
    dataset = load_data(plan.data, plan.encoder, plan.paths, progress, plan.split)
    _ = dataset.split  # data too short to be split is said before anything is fitted
    name = plan.train.name or f"{dataset.name}-{plan.kind.key}-{datetime.now():%Y%m%d-%H%M%S}"
    tags = {"data": dataset.name, "data_fingerprint": dataset.table.fingerprint, "recommender": plan.kind.key}
    track = start_run(plan.paths, name, plan.whole, tags)
    try:
        return _run(plan, dataset, name, track, started, progress)
    except KeyboardInterrupt:
        failure: BaseException = KeyboardInterrupt(
            f"stopped; nothing new is kept of {name}, run the same command again"
        )
    except BaseException as error:
        failure = error
    fail_run(track)
    raise failure


def resolve(cfg: DictConfig, typed: Collection[str] = ()) -> RecommenderPlan:
    """Settings of a training, checked before any work is done.

    Raises:
        ConfigError: a setting is wrong, or has no effect on this recommender.
    """
    values = OmegaConf.to_container(cfg.recommender, resolve=True)
    assert isinstance(values, dict)  # noqa: S101  a DictConfig gives nothing else
    key = str(values.pop("name"))
    kind = recommender_class(key)
    train = read_settings(cfg.train, TrainSettings, "train")
    _check_effect(key, typed)
    whole = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(whole, dict)  # noqa: S101
    kept = {str(group): each for group, each in whole.items() if group not in ("model", "train")}
    kept["train"] = train.model_dump(mode="json", include=set(USED))
    return RecommenderPlan(
        paths=read_settings(cfg.paths, Paths, "paths"),
        data=read_settings(cfg.data, DataSettings, "data"),
        encoder=read_settings(cfg.encoder, EncoderSettings, "encoder"),
        split=read_settings(cfg.split, SplitSettings, "split"),
        train=train,
        kind=kind,
        model=kind(kind.settings_class.read({str(name): value for name, value in values.items()}, "recommender")),
        given=frozenset(name.partition(".")[2] for name in typed if name.startswith("recommender.")),
        whole=kept,
    )


def _check_effect(key: str, typed: Collection[str]) -> None:
    """Refuse settings of the graph model's training.

    Raises:
        ConfigError: names the first one.
    """
    for name in typed:
        group, _, setting = name.lstrip("+~").partition(".")
        if group == "model" or (group == "train" and setting and setting not in USED):
            known = [f"train.{each}" for each in USED]
            raise ConfigError(
                f"{name} has no effect with recommender={key}: it belongs to the graph model; its own settings are "
                f"recommender.*, and of training {', '.join(known)}"
            )


def _run(
    plan: RecommenderPlan,
    dataset: Dataset,
    name: str,
    track: RunLogger,
    started: float,
    progress: ProgressCallback | None,
) -> RecommenderResult:
    logger.info("\ntraining %s: %s", name, plan.kind.name)
    began = time.perf_counter()
    with measured() as used:
        model, title = _fit(plan, dataset, progress)
    seconds = time.perf_counter() - began
    sections = model.sections(dataset, progress)
    figures, version_figure = _test(plan, dataset, model, title, seconds)
    fitted_on = "train"
    if _is_fitted_on_all(plan):
        fitted_on = ALL
        figures.notes.append(
            f"the figures are of a model that learned the {len(dataset.split.train):,} training reviews; the saved one "
            f"learned all {len(dataset.table):,} reviews afterwards (train.fit_on)"
        )
        model = plan.kind(model.settings).fit(dataset.learned_whole(), progress=progress)
    facts = {
        **dataset.facts(),
        "settings": {group: values for group, values in plan.whole.items() if group != "paths"}
        | {"data": dataset.origin.get("data", {}), "recommender": model.settings.model_dump(mode="json")},
        "recommender": plan.kind.key,
        "seed": plan.seed,
        "fitted_on": fitted_on,
        "final_test": "done" if figures.ranking else "left out",
        "fit_seconds": round(seconds, 2),
        "fit_mib": used.peak_mib,
        "peak_mib": peak_mib(),
        "total_seconds": round(time.perf_counter() - started, 1),
    }
    if dataset.is_embedded:
        facts["encoder"] = dataset.vectors.encoder
    model.info = {**model.info, **facts, "settings": {**facts["settings"], "paths": dataset.origin.get("paths", {})}}
    folder = plan.paths.checkpoints / name
    if folder.exists():
        logger.info("this replaces the run of the same name: %s", folder)
    model.save(folder)
    latest = point_latest(folder, plan.kind.key)
    report = TrainReport(name, figures, [], -1, facts, sections)
    files = report.save(plan.paths.reports / name)
    _track(track, title, figures, sections, files, folder)
    figure, value, higher = version_figure
    split = _fingerprint(dataset)
    version = register(plan.paths, plan.kind.registered_name(), str(track.run_id), name, figure, value, split, higher)
    return RecommenderResult(folder, latest, report, files, model, version)


def _fit(plan: RecommenderPlan, dataset: Dataset, progress: ProgressCallback | None) -> tuple[Recommender, str]:
    """The fitted model and its name in tables, with what validation chose."""

    def value(model: Recommender) -> float:
        return valid_ndcg(model, USERS_PER_EPOCH)

    if not plan.train.tune:
        model = plan.model.fit(dataset, value, progress)
        return model, f"{model.name} ({model.chosen})" if model.chosen else model.name
    grid = plan.kind.grid(dataset.table.num_products)
    left = Grid(
        *({name: v for name, v in each.items() if name not in plan.given} for each in (grid.fitted, grid.scored))
    )
    if not left.fitted and not left.scored:
        raise ConfigError(
            f"train.tune=true, but there is nothing to choose for {plan.kind.name}: "
            + ("all settings of its grid are given" if grid.fitted or grid.scored else "it has no grid")
        )
    fixed = {name: getattr(plan.model.settings, name) for name in plan.given}
    model = fit_best(plan.kind, dataset, plan.seed or 0, progress, left, fixed)
    choice = chosen(model, left)
    logger.info("chosen on validation: %s", choice)
    return model, f"{model.name} ({choice})"


def _is_fitted_on_all(plan: RecommenderPlan) -> bool:
    if plan.train.fit_on == "auto":
        return plan.kind.used_fitted_on_all
    return plan.train.fit_on == ALL


def _test(
    plan: RecommenderPlan, dataset: Dataset, model: Recommender, title: str, seconds: float
) -> tuple[TestFigures, tuple[str, float, bool]]:
    """Figures of the test; and by which one versions are compared: its name, its value, whether higher is better."""
    if not plan.train.final_test:
        return TestFigures(notes=["no test review was read (train.final_test=false)"]), ("", float("nan"), True)
    figures = recommender_figures(model, title, dataset, plan.train.baselines, plan.seed or 0, seconds)
    if title in figures.ratings:
        return figures, ("test/mse", figures.ratings[title].mse, False)
    return figures, ("test/ndcg_at_10", figures.ranking[title].filtered["ndcg@10"], True)


def _fingerprint(dataset: Dataset) -> str:
    """Of data and split: figures of the same one can be compared."""
    split = orjson.dumps(dataset.split_settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(dataset.table.fingerprint.encode() + split).hexdigest()[:16]


def _track(
    track: RunLogger, title: str, figures: TestFigures, sections: list[Section], files: list[Path], folder: Path
) -> None:
    """Write figures and files into the run."""
    if report := figures.ranking.get(title):
        log_figures(track, {f"test/{key}": value for key, value in report.filtered.items()})
        log_figures(track, {f"test/unfiltered/{key}": value for key, value in report.unfiltered.items()})
    if rating := figures.ratings.get(title):
        log_figures(track, {f"test/{key}": getattr(rating, key) for key in ("mae", "mse", "accuracy", "f1")})
    for section in sections:
        log_figures(track, section.figures)
    for file in files:
        log_file(track, file)
    log_folder(track, folder)
    track.finalize("success")
