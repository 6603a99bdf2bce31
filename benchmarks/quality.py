"""Ranking and rating quality on real reviews, beside the well-known baselines: mean and spread over seeds.

    uv run -m benchmarks.quality [--data FILE] [--seeds 0 1 2] [--new-people 0.1] [--name quality] [key=value ...]

FILE is by default the Amazon Musical Instruments 5-core of 2014 in $REC_SYS_SHARED_DATA (default ../shared/data).
Known people first; then new ones, with a tenth of the people kept out of training. Further words are settings.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np

import rec_sys.train.train  # noqa: F401  registers the schemas
from benchmarks.report import report
from rec_sys.command import CONFIG_FOLDER
from rec_sys.evaluation.protocol import RankingReport, format_table, mean_of_seeds
from rec_sys.train.job import TrainResult, train

DATA = "musical_instruments_2014/Musical_instruments_reviews.csv.gz"
RATING = ("loss", "mse", "accuracy", "f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("REC_SYS_SHARED_DATA") or "../shared/data") / DATA
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--new-people", type=float, default=0.1)
    parser.add_argument("--work-dir", type=Path, default=Path())
    parser.add_argument("--name", default="quality", help="of the result file")
    args, extra = parser.parse_known_args()
    settings = [f"data.path={args.data}", f"paths.work_dir={args.work_dir}", *extra]

    known = [run([*settings, f"train.seed={seed}"]) for seed in args.seeds]
    ranking = over_seeds([result.report.ranking for result in known])
    new_people: dict[str, RankingReport] = {}
    if args.new_people:
        split = [f"split.new_people={args.new_people}"]
        new = [run([*settings, *split, f"train.seed={seed}", f"split.seed={seed}"]) for seed in args.seeds]
        new_people = over_seeds([result.report.new_people for result in new])
    print("\n" + format_table(ranking, markdown=True))
    if new_people:
        print("\nnew people:\n" + format_table(new_people, markdown=True))
    print()
    report(
        args.name,
        [
            {"model": model, "seeds": len(args.seeds), **means([result.report.ratings[model] for result in known])}
            for model in known[0].report.ratings
        ],
        data=args.data.name,
        seeds=args.seeds,
        settings=extra,
        ranking={name: value.to_dict() for name, value in ranking.items()},
        new_people={name: value.to_dict() for name, value in new_people.items()},
        fit_seconds=[result.report.facts["fit_seconds"] for result in known],
        best_epochs=[result.report.best_epoch + 1 for result in known],
    )


def run(overrides: Sequence[str]) -> TrainResult:
    """One training, as the command would do it."""
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", list(overrides))
    result = train(cfg)
    print(result.report.text(), flush=True)
    return result


def over_seeds(runs: Sequence[Mapping[str, RankingReport]]) -> dict[str, RankingReport]:
    """Mean and spread per model; a name's settings in brackets, which may differ between splits, are dropped."""
    plain = [{name.partition(" (")[0]: value for name, value in ranking.items()} for ranking in runs]
    result = {}
    for name in plain[0]:
        reports = [ranking[name] for ranking in plain]
        people = {report.num_people for report in reports}
        if len(people) > 1:  # people with two reviews or more vary a little with who is drawn
            reports = [RankingReport(**{**report.to_dict(), "num_people": min(people)}) for report in reports]
        result[name] = mean_of_seeds(reports)
    return result


def means(reports: Sequence[Any]) -> dict[str, float]:
    """Means of the rating figures."""
    return {name: round(float(np.mean([getattr(report, name) for report in reports])), 4) for name in RATING}


if __name__ == "__main__":
    main()
