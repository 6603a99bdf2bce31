"""Evaluate models side by side. `uv run -m rec_sys.evaluation.evaluate --help` tells more.

Choices are made with part=valid. The other parts report on what has been chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import Field, field_validator

from rec_sys.closest import did_you_mean
from rec_sys.command import command, register_schema
from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.dataset.splits import Part
from rec_sys.errors import ConfigError
from rec_sys.evaluation.comparison import Comparison
from rec_sys.evaluation.trained_on import check_trained_on
from rec_sys.evaluation.tuning import DEFAULT, LeftOut, fit_or_leave_out
from rec_sys.files import write_json
from rec_sys.metrics.cold_start import chance_of_recall
from rec_sys.metrics.protocol import RankingReport, evaluate, mean_of_seeds
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.artifact import OLD_SUFFIX, find_artifact
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.registry import load, names, recommender_class
from rec_sys.settings import Settings, read_settings
from rec_sys.terminal import ProgressBars
from rec_sys.text.settings import EncoderSettings
from rec_sys.tracking.resources import measured

HELD_OUT_CUTOFFS = (10, 50)  # of held-out products, whose figures are small
OnReport = Callable[[str, RankingReport], None]

# `${models:}` in the configuration's help
OmegaConf.register_new_resolver("models", lambda: ", ".join(names()), replace=True)


class EvaluateSettings(Settings):
    """Which models are evaluated, on what."""

    models: list[str] = Field(
        list(DEFAULT), description=f"fitted here, out of {', '.join(names())}; differences are from the first"
    )
    checkpoint: list[str] = Field(
        [], description="names or paths of trained models; several of one kind count as seeds of one model; empty: none"
    )
    part: Part = Field("test", description="valid to choose; test, held_out_users and held_out_products to report")
    seeds: list[int] = Field([0], description="of the models that are random; figures are means over them")
    cutoffs: list[int] = Field([5, 10, 20], description="the k of recall@k and ndcg@k; 10 is always among them")
    name: str = Field(
        "", pattern=r"^(\w[\w.-]*)?$", description="of the run; empty: the trained model's, or data and time"
    )
    output: Path | None = Field(None, description="JSON file to write; none: reports/<run>/evaluation.json")
    data: DataSettings = Field(default_factory=DataSettings, description="which reviews")
    encoder: EncoderSettings = Field(default_factory=EncoderSettings, description="turns texts into vectors")
    split: SplitSettings = Field(default_factory=SplitSettings, description="how they are split")
    paths: Paths = Field(default_factory=Paths, description="where to read and write")

    @field_validator("checkpoint", "models", mode="before")
    @classmethod
    def _several(cls, given: Any) -> Any:
        """A single name may come without brackets; names that look like numbers are names all the same."""
        given = given if isinstance(given, list) else [given] if given else []
        return [str(name) for name in given]


register_schema("evaluate", EvaluateSettings)
for _name, _settings in (
    ("data", DataSettings),
    ("encoder", EncoderSettings),
    ("split", SplitSettings),
    ("paths", Paths),
):
    register_schema(_name, _settings)


@dataclass(frozen=True)
class EvaluationTask:
    """What all models are evaluated on."""

    data: Dataset
    settings: EvaluateSettings
    progress: ProgressCallback | None
    on_report: OnReport | None

    def report(self, model: Recommender) -> RankingReport:
        """Figures of a fitted model on the part that is asked for."""
        data = self.data
        return evaluate(
            model,
            model.table_of(data),
            data.targets(self.settings.part),
            progress=self.progress,
            cutoffs=self.cutoffs,
            train=data.split.train,
            among=data.split.in_histories,
        )

    def told(self, name: str, report: RankingReport) -> RankingReport:
        """The report, after whoever waits for it was told."""
        if self.on_report is not None:
            self.on_report(name, report)
        return report

    @property
    def cutoffs(self) -> list[int]:
        more = HELD_OUT_CUTOFFS if self.settings.part == "held_out_products" else (10,)
        return sorted({*self.settings.cutoffs, *more})


def compare(
    settings: EvaluateSettings, progress: ProgressCallback | None = None, on_report: OnReport | None = None
) -> Comparison:
    """Fit and evaluate the models that the settings name.

    Args:
        settings: which models, on what.
        progress: told how far the work is.
        on_report: told each model's name and figures as soon as they are there.

    Raises:
        RecSysError: a setting, the data or a trained model is wrong.
    """
    _check(settings)
    paths = settings.paths
    checkpoints = [find_artifact(name, paths.checkpoints) for name in settings.checkpoint]
    data = load_data(settings.data, settings.encoder, paths, progress, settings.split)
    task = EvaluationTask(data, settings, progress, on_report)
    trained = [_trained(path, data) for path in checkpoints]  # before hours of fitting

    reports: dict[str, RankingReport] = {}
    notes: list[str] = []
    for name in settings.models:
        found = _fit_and_evaluate(recommender_class(name), task)
        if isinstance(found, LeftOut):
            notes.append(f"{found.name} left out: {found.reason}")
        else:
            reports[found[0]] = found[1]
    for name in dict.fromkeys(model.name for model in trained):
        title = f"{name}, trained before" if name in reports else name
        runs = [task.told(title, task.report(model)) for model in trained if model.name == name]
        reports[title] = mean_of_seeds(runs)
    chance = {}
    if settings.part == "held_out_products":
        targets, among = data.targets(settings.part), data.split.in_histories
        chance = {f"recall@{k}": chance_of_recall(data.table, targets, k, among) for k in HELD_OUT_CUTOFFS}
    name = settings.name or (checkpoints[0].name.removesuffix(OLD_SUFFIX) if checkpoints else _name_now(data.name))
    return Comparison(name, settings.part, reports, _facts(task), chance, notes)


def _check(settings: EvaluateSettings) -> None:
    unknown = [name for name in settings.models if name not in names()]
    if unknown:
        raise ConfigError(f"models names {unknown[0]!r}, which is unknown; {did_you_mean(unknown[0], names())}")
    twice = [name for name in dict.fromkeys(settings.models) if settings.models.count(name) > 1]
    if twice:
        raise ConfigError(f"models names {twice[0]} twice; name each once")
    if not settings.models and not settings.checkpoint:
        raise ConfigError("neither models nor a checkpoint is given; give models=[popularity] or checkpoint=NAME")
    if min(settings.cutoffs, default=1) < 1:
        raise ConfigError(f"cutoffs={settings.cutoffs}: the k of recall@k starts at 1")
    if min(settings.seeds, default=-1) < 0:
        raise ConfigError(f"seeds={settings.seeds}: at least one seed is needed, from 0 up; give seeds=[0]")
    for part in ("held_out_users", "held_out_products"):
        if settings.part == part and not getattr(settings.split, part):
            what = part.replace("_", " ").replace("out ", "out, untrained ")
            raise ConfigError(f"part={part} evaluates on {what}; say how many are held out: split.{part}=0.1")
    if settings.output is not None and settings.output.suffix != ".json":
        raise ConfigError(f"output={settings.output} is written as JSON; give a name that ends in .json")


def _trained(path: Path, data: Dataset) -> Recommender:
    """A saved model, if it was trained on this data and split."""
    model = load(path, data, unfinished=True)  # it was named, and a warning has been given
    check_trained_on(model.info, path.name.removesuffix(OLD_SUFFIX), data)
    return model


def _fit_and_evaluate(model: type[Recommender], task: EvaluationTask) -> tuple[str, RankingReport] | LeftOut:
    """Fit a model, once per seed where seeds matter, and evaluate it; gives its name with what was chosen."""
    runs, titles = [], []
    for seed in task.settings.seeds if model.seeded else task.settings.seeds[:1]:
        with measured() as used:
            fitted = fit_or_leave_out(model, task.data, seed, task.progress)
        if isinstance(fitted, LeftOut):
            return fitted
        report = replace(task.report(fitted.model), fit_seconds=fitted.seconds, fit_mib=used.peak_mib)
        runs.append(task.told(fitted.name, report))
        titles.append(fitted.name)
    return (titles[0] if len(set(titles)) == 1 else model.name), mean_of_seeds(runs)


def _name_now(data: str) -> str:
    return f"{data}-{datetime.now():%Y%m%d-%H%M%S}"


def _facts(task: EvaluationTask) -> dict[str, Any]:
    """What is needed to repeat the evaluation."""
    data, settings = task.data, task.settings
    return {
        "settings": settings.model_dump(mode="json", exclude={"paths", "output"})
        | {"data": data.origin["data"], "checkpoint": [Path(name).name for name in settings.checkpoint]},
        "data": data.facts()["data"],
        # No model asked for texts: none were embedded, and no encoder was loaded.
        "encoder": data.vectors.encoder if data.is_embedded else None,
        "split": data.split.summary(),
        "targets": len(data.targets(settings.part)),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
    }


def track(comparison: Comparison, file: Path, paths: Paths) -> None:
    """Write each model's figures into the tracking store, as a run of its own with the file of all of them."""
    from rec_sys.tracking.runs import log_figures, log_file, start_run  # MLflow takes seconds to import

    data, part = comparison.facts["data"], comparison.part
    tags = {"data": data["name"], "data_fingerprint": data["fingerprint"], "evaluation": comparison.name, "part": part}
    for model, report in comparison.reports.items():
        run = start_run(
            paths, f"{comparison.name} {part}: {model}", comparison.facts["settings"], {**tags, "model": model}
        )
        log_figures(run, {f"{part}/{key}": value for key, value in report.filtered.items()})
        log_figures(run, {f"{part}/unfiltered/{key}": value for key, value in report.unfiltered.items()})
        took = {"fit_seconds": report.fit_seconds, "fit_mib": report.fit_mib, "rank_seconds": report.seconds}
        log_figures(run, {key: value for key, value in took.items() if value is not None})
        log_file(run, file)
        run.finalize("success")


@command("evaluate_config")
def main(cfg: DictConfig) -> None:
    """Fit and evaluate, print the tables, write the JSON, note the runs."""
    settings = read_settings(cfg, EvaluateSettings, "")
    bars = ProgressBars()

    def print_line(name: str, report: RankingReport) -> None:
        bars.close()
        fit = "" if report.fit_seconds is None else f", fitted in {report.fit_seconds:,.1f} s"
        figures = f"R@10 {report.filtered['recall@10']:.4f}, N@10 {report.filtered['ndcg@10']:.4f} filtered"
        print(f"{name}: {figures}{fit}", flush=True)

    comparison = compare(settings, bars, print_line)
    print(f"\n{comparison.text()}\n")
    file = settings.output or settings.paths.reports / comparison.name / "evaluation.json"
    write_json(file, comparison.to_dict())
    print(f"report      {file}", flush=True)
    track(comparison, file, settings.paths)


if __name__ == "__main__":
    main()
