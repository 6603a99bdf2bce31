"""Judge models side by side. `uv run -m rec_sys.evaluation.evaluate --help` tells more.

Choices are made with part=valid. The other parts judge what has been chosen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pydantic import Field, field_validator

from rec_sys.arrays import Ints, Vectors
from rec_sys.command import command, register_schema
from rec_sys.dataset.dataset import Data, load_data
from rec_sys.dataset.product_texts import describe_held_out_products, with_texts_from
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.dataset.splits import Part, Split, split_by_time
from rec_sys.errors import ConfigError
from rec_sys.evaluation.comparison import Comparison
from rec_sys.evaluation.tuning import BASELINES, DEFAULT, LeftOut, fit_baselines
from rec_sys.files import write_json
from rec_sys.metrics.cold_start import chance_of_recall
from rec_sys.metrics.protocol import RankingReport, evaluate, mean_of_seeds
from rec_sys.metrics.scorer import Scorer
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import SUFFIX, find_checkpoint, load_checkpoint
from rec_sys.recommenders.graph.recommender import GRAPH_MODEL, GraphRecommender
from rec_sys.recommenders.graph.trained_on import check_trained_on
from rec_sys.settings import Settings, read_settings
from rec_sys.text.settings import EncoderSettings
from rec_sys.tracking.resources import measured

SEEDED = ("als", "bpr", "sasrec")  # the others come out the same whatever the seed


class EvaluateSettings(Settings):
    """Which models are judged, on what."""

    models: list[str] = Field(list(DEFAULT), description="plain models; differences are from the first")
    checkpoint: list[str] = Field([], description="names or paths of a trained model, one per seed; empty: none")
    part: Part = Field("test", description="valid to choose; test, new and held_out_products to judge")
    seeds: list[int] = Field([0], description="of the models that are random; figures are means over them")
    cutoffs: list[int] = Field([5, 10, 20], description="the k of recall@k and ndcg@k; 10 is always among them")
    name: str = Field(
        "", pattern=r"^(\w[\w.-]*)?$", description="of the run; empty: the checkpoint's, or data and time"
    )
    output: Path | None = Field(None, description="JSON file to write; none: reports/<run>/evaluation.json")
    data: DataSettings = Field(default_factory=DataSettings, description="which reviews")
    encoder: EncoderSettings = Field(default_factory=EncoderSettings, description="turns texts into vectors")
    split: SplitSettings = Field(default_factory=SplitSettings, description="how they are split")
    paths: Paths = Field(default_factory=Paths, description="where to read and write")

    @field_validator("checkpoint", "models", mode="before")
    @classmethod
    def _several(cls, names: Any) -> Any:
        """A single name may come without brackets; names that look like numbers are names all the same."""
        names = names if isinstance(names, list) else [names] if names else []
        return [str(name) for name in names]


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
    """What all models are judged on."""

    data: Data
    split: Split
    targets: Ints
    product_text: Vectors  # for the plain models: of products without a text, what the reviews they may see say
    settings: EvaluateSettings

    def report(self, model: Scorer) -> RankingReport:
        return evaluate(
            model,
            self.data.table,
            self.targets,
            progress=True,
            cutoffs=self.cutoffs,
            train=self.split.train,
            among=self.split.in_histories,
        )

    @property
    def cutoffs(self) -> list[int]:
        new = (10, 50) if self.settings.part == "held_out_products" else (10,)
        return sorted({*self.settings.cutoffs, *new})


def compare(settings: EvaluateSettings) -> Comparison:
    """Fit and judge the models that the settings name.

    Raises:
        RecSysError: a setting, the data or a checkpoint is wrong.
    """
    _check(settings)
    checkpoints = [find_checkpoint(name, settings.paths.checkpoints) for name in settings.checkpoint]
    data = load_data(settings.data, settings.encoder, settings.paths)
    split = split_by_time(data.table, settings.split)
    product_text, targets = data.product_text, split.part(settings.part)
    if settings.split.held_out_products:
        new = describe_held_out_products(data.table, split, data.review_text, data.product_text)
        product_text = new.product_text
        targets = new.targets if settings.part == "held_out_products" else targets
    product_text = with_texts_from(data.table, split.train, data.review_text, product_text)
    evaluated = EvaluationTask(data, split, targets, product_text, settings)
    trained = [_trained(path, evaluated) for path in checkpoints]  # before hours of fitting

    reports: dict[str, RankingReport] = {}
    notes: list[str] = []
    for name in settings.models:
        found = _fit_and_evaluate(name, evaluated)
        if isinstance(found, LeftOut):
            notes.append(f"{found.name} left out: {found.reason}")
        else:
            reports[found[0]] = found[1]
    if trained:
        reports[GRAPH_MODEL] = mean_of_seeds([_tell(model.name, evaluated.report(model)) for model in trained])
    chance = {}
    if settings.part == "held_out_products":
        chance = {f"recall@{k}": chance_of_recall(data.table, targets, k, split.in_histories) for k in (10, 50)}
    name = settings.name or (checkpoints[0].name.removesuffix(SUFFIX) if checkpoints else _name_now(data.name))
    return Comparison(name, settings.part, reports, _facts(evaluated), chance, notes)


def _check(settings: EvaluateSettings) -> None:
    unknown = [name for name in settings.models if name not in BASELINES]
    if unknown:
        raise ConfigError(f"models names {unknown[0]!r}, which is unknown; known: {', '.join(BASELINES)}")
    twice = [name for name in dict.fromkeys(settings.models) if settings.models.count(name) > 1]
    if twice:
        raise ConfigError(f"models names {twice[0]} twice; name each once")
    if not settings.models and not settings.checkpoint:
        raise ConfigError("neither models nor a checkpoint is given; give models=[popularity] or checkpoint=NAME")
    if min(settings.cutoffs, default=1) < 1:
        raise ConfigError(f"cutoffs={settings.cutoffs}: the k of recall@k starts at 1")
    if min(settings.seeds, default=-1) < 0:
        raise ConfigError(f"seeds={settings.seeds}: at least one seed is needed, from 0 up; give seeds=[0]")
    if settings.part == "held_out_users" and not settings.split.held_out_users:
        raise ConfigError(
            "part=held_out_users judges people kept out of training; say how many: split.held_out_users=0.1"
        )
    if settings.part == "held_out_products" and not settings.split.held_out_products:
        raise ConfigError(
            "part=held_out_products judges products kept out of training; say how many: split.held_out_products=0.1"
        )
    if settings.output is not None and settings.output.suffix != ".json":
        raise ConfigError(f"output={settings.output} is written as JSON; give a name that ends in .json")


def _trained(path: Path, evaluated: EvaluationTask) -> GraphRecommender:
    """A checkpoint as a recommender, if it was trained on this data and split."""
    kept, data = load_checkpoint(path), evaluated.data
    check_trained_on(kept, data, evaluated.settings.split)
    return GraphRecommender(kept.model, kept.states, data.table, data.review_text)


def _fit_and_evaluate(name: str, evaluated: EvaluationTask) -> tuple[str, RankingReport] | LeftOut:
    """Fit a plain model, once per seed where seeds matter, and judge it; gives its name with what was chosen."""
    runs, titles = [], []
    seeds = evaluated.settings.seeds if name in SEEDED else evaluated.settings.seeds[:1]
    for seed in seeds:
        print(f"fitting {name}" + (f", seed {seed}" if len(seeds) > 1 else ""), flush=True)
        with measured() as used:  # the fitting happens when the next one is asked for
            fitted = next(
                iter(fit_baselines(evaluated.data.table, evaluated.split, [name], seed, evaluated.product_text))
            )
        if isinstance(fitted, LeftOut):
            return fitted
        report = replace(evaluated.report(fitted.model), fit_seconds=fitted.seconds, fit_mib=used.peak_mib)
        runs.append(_tell(fitted.name, report))
        titles.append(fitted.name)
    same = len(set(titles)) == 1
    return titles[0] if same else titles[0].partition(" (")[0], mean_of_seeds(runs)


def _tell(name: str, report: RankingReport) -> RankingReport:
    """Print a line as soon as a model has been judged."""
    fit = "" if report.fit_seconds is None else f", fitted in {report.fit_seconds:,.1f} s"
    print(
        f"  {name}: R@10 {report.filtered['recall@10']:.4f}, N@10 {report.filtered['ndcg@10']:.4f} filtered{fit}",
        flush=True,
    )
    return report


def _name_now(data: str) -> str:
    return f"{data}-{datetime.now():%Y%m%d-%H%M%S}"


def _facts(evaluated: EvaluationTask) -> dict[str, Any]:
    """What is needed to repeat the evaluation."""
    data, settings = evaluated.data, evaluated.settings
    return {
        "settings": settings.model_dump(mode="json"),
        "data": {
            "name": data.name,
            "fingerprint": data.table.fingerprint,
            "reviews": len(data.table),
            "users": data.table.num_users,
            "products": data.table.num_products,
        },
        "encoder": data.encoder,
        "split": evaluated.split.summary(),
        "targets": len(evaluated.targets),
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
    """Judge, print the tables, write the JSON, note the runs."""
    settings = read_settings(cfg, EvaluateSettings, "")
    comparison = compare(settings)
    print(f"\n{comparison.text()}\n")
    file = settings.output or settings.paths.reports / comparison.name / "evaluation.json"
    write_json(file, comparison.to_dict())
    print(f"report      {file}", flush=True)
    track(comparison, file, settings.paths)


if __name__ == "__main__":
    main()
