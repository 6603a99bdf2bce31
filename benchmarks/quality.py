"""Ranking and rating quality on real reviews, everything that README's table says: one command for all of it.

    uv run -m benchmarks.quality [--sets musical_instruments_2014 ...] [--seeds 0 1 2] [--steps known held_out ...]
                                 [--work-dir DIR] [--name quality] [--fresh] [key=value ...]

The sets are read from $REC_SYS_SHARED_DATA (default ../shared/data). Each training is a process of its own, run as a
user would, and leaves its report and its MLflow run in the work folder; what is done is not done again, so a stopped
benchmark goes on where it was (--fresh begins anew). A line says where a report comes from another state of the code;
the result file tells the state behind every run. Steps:

    known      the graph model, one training per seed, evaluated on the test reviews
    baselines  every plain model on the same users, with bootstrap intervals of the differences
    held_out   a tenth of the users and a twentieth of the products held out of training, drawn by the seed
    ablation   what carries the model, by validation; the test reviews are not read

Further words are settings of every training, such as model.dim=64.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality_tables import ablation_rows, baseline_rows, graph_rows, held_out_rows, rating_rows
from benchmarks.report import machine, print_table
from rec_sys.files import write_json
from rec_sys.recommenders import registry

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
SETS = ("musical_instruments_2014", "scientific_2018", "instruments_2018")
STEPS = ("known", "baselines", "held_out", "ablation")
FIRST = "ease"  # differences are from it
ELSEWHERE = ("neumf", "next_item", "svd", "biased_als", "rating_bias", "trending", "two_stage")  # benchmarks.family
BASELINES = (FIRST, *(name for name in registry.names() if name not in (FIRST, registry.GRAPH, *ELSEWHERE)))
HELD_OUT = (
    "split.held_out_users=0.1",
    "split.held_out_products=0.05",
    "train.baselines=[popularity,ease,text_ease,text_cosine]",
)
ABLATION: dict[str, tuple[str, ...]] = {
    "Default settings": (),
    "No texts, no two-hop pass": ("model.hops=0", "model.texts=false"),
    "No texts": ("model.texts=false",),
    "No learned product vectors": ("model.min_reviews=1000000",),
    "No two-hop pass": ("model.hops=0",),
    "GATv2 instead of TransformerConv": ("model.conv=gat",),
    "Item factors without texts": ("model.item_factor_texts=false",),
    "Trained on earlier reviews only": ("train.context=before",),
    "Ranking loss alone": ("train.rating_weight=0",),
    "Rating loss alone": ("train.ranking_weight=0", "train.rating_weight=1", "model.rating_bias=0"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    parser.add_argument("--baselines", nargs="+", default=BASELINES, choices=BASELINES, metavar="MODEL")
    parser.add_argument("--baseline-seeds", type=int, nargs="+", default=[0], help="of ALS, BPR and SASRec")
    parser.add_argument("--work-dir", type=Path, default=Path("quality"))
    parser.add_argument("--name", default="quality", help="of the result file")
    parser.add_argument("--fresh", action="store_true", help="do steps again that are done")
    args, extra = parser.parse_known_args()
    if wrong := [word for word in extra if "=" not in word or word.startswith("-")]:
        parser.error(f"{wrong[0]!r} is neither an option nor a setting (key=value)")
    made_by: dict[str, str] = {}
    found = {name: run_set(name, args, extra, made_by) for name in args.sets}
    path = RESULTS / f"{args.name}.json"
    before = json.loads(path.read_bytes()) if path.is_file() else {}
    known = before.get("sets", {})
    for name, steps in found.items():
        known[name] = known.get(name, {}) | steps
    result = {"name": args.name, "seeds": args.seeds, "baseline_seeds": args.baseline_seeds, "settings": extra}
    again = tuple(f"{name}-{step}-" for name in args.sets for step in args.steps)
    states = {run: code for run, code in before.get("code_of_runs", {}).items() if not run.startswith(again)} | made_by
    write_json(path, {**result, "sets": known, "code": code_digest(), "code_of_runs": states, **machine()})
    for name, steps in found.items():
        for step, rows in steps.items():
            print(f"\n{name}: {step}\n")
            print_table(rows)
    print(f"\nwritten to {path}; reports and MLflow runs in {args.work_dir}")


def code_digest() -> str:
    """The state of the code that trains and evaluates: package and configuration, in eight digits."""
    digest = hashlib.sha256()
    for file in sorted([*ROOT.glob("rec_sys/**/*.py"), *ROOT.glob("config/**/*.yaml")]):
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:8]


def run_set(
    name: str, args: argparse.Namespace, extra: Sequence[str], made_by: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """All steps of one data set; the rows of its tables by step. `made_by` gets the state of the code of each run."""
    runs = Runs(name, args.work_dir, args.fresh, extra, made_by)
    tables: dict[str, list[dict[str, Any]]] = {}
    known = []
    if {"known", "baselines"} & set(args.steps):
        known = [runs.train("known", seed, ["train.baselines=[]"]) for seed in args.seeds]
        tables["graph model"] = graph_rows(known)
        tables["ratings"] = rating_rows(known)
    if "baselines" in args.steps:
        names = [runs.name("known", seed, ["train.baselines=[]"]) for seed in args.seeds]
        tables["all models"] = baseline_rows(runs.evaluate(args.baselines, args.baseline_seeds, names))
    if "held_out" in args.steps:
        held_out = [runs.train("held_out", seed, [*HELD_OUT, f"split.seed={seed}"]) for seed in args.seeds]
        tables["held_out"] = held_out_rows(held_out)
    if "ablation" in args.steps:
        reports = {}
        for change, words in ABLATION.items():
            try:
                reports[change] = [runs.train("ablation", s, ["train.final_test=false", *words]) for s in args.seeds]
            except subprocess.CalledProcessError:
                print(f"{change}: left out, {name} does not allow it", flush=True)
        tables["ablation"] = ablation_rows(reports)
    return {step: rows for step, rows in tables.items() if rows}


class Runs:
    """Trainings and evaluations of one set as processes of their own, each done once."""

    def __init__(self, data: str, work_dir: Path, fresh: bool, extra: Sequence[str], made_by: dict[str, str]) -> None:
        self.data, self.work_dir, self.fresh, self.extra = data, work_dir, fresh, list(extra)
        self.made_by = made_by

    def name(self, step: str, seed: int, words: Sequence[str]) -> str:
        """Of a run: the same words, the same name."""
        digest = hashlib.sha256(" ".join([*words, *self.extra]).encode()).hexdigest()[:8]
        return f"{self.data}-{step}-{digest}-seed{seed}"

    def train(self, step: str, seed: int, words: Sequence[str]) -> dict[str, Any]:
        """The report of a training."""
        name = self.name(step, seed, words)
        command = ["rec_sys.train.train", f"train.name={name}", f"train.seed={seed}", *words, *self.extra]
        return self._once(self.work_dir / "reports" / name / "report.json", command)

    def evaluate(self, models: Sequence[str], seeds: Sequence[int], checkpoints: Sequence[str]) -> dict[str, Any]:
        """All models on the test reviews, differences from the first one."""
        digest = hashlib.sha256(" ".join([*models, *map(str, seeds), *checkpoints]).encode()).hexdigest()[:8]
        name = f"{self.data}-baselines-{digest}"
        command = ["rec_sys.evaluation.evaluate", f"name={name}", f"models=[{','.join(models)}]"]
        command += [f"seeds=[{','.join(map(str, seeds))}]", f"checkpoint=[{','.join(checkpoints)}]"]
        return self._once(self.work_dir / "reports" / name / "evaluation.json", command)

    def _once(self, file: Path, command: list[str]) -> dict[str, Any]:
        code, name, now = file.with_name("code.txt"), file.parent.name, code_digest()
        if self.fresh or not file.is_file():
            command += [f"data={self.data}", f"paths.work_dir={self.work_dir}"]
            print(f"\n$ uv run -m {' '.join(command)}", flush=True)
            code.unlink(missing_ok=True)
            subprocess.run([sys.executable, "-m", *command], check=True)
            code.write_text(now)
        self.made_by[name] = code.read_text() if code.is_file() else "unknown"
        if self.made_by[name] != now:
            print(f"{name}: made by code {self.made_by[name]}, this is {now}; --fresh makes it again", flush=True)
        found: dict[str, Any] = json.loads(file.read_bytes())
        return found


if __name__ == "__main__":
    main()
