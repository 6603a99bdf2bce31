"""Every model on every data set that has what it needs, under one protocol, with time and memory.

    uv run -m benchmarks.family [--sets lastfm ...] [--models svd ...] [--seeds 0] [--limit 900] [--work-dir DIR]
                                [--fresh]

Each model is fitted and evaluated by the command `evaluate`, a process of its own, settings chosen on its grid by
validation; the last interaction of each user is the test. The graph model is left to `benchmarks.quality`, which trains
it once per seed. What is done is not done again, so a stopped benchmark goes on where it was. A model that takes longer
than the limit is stopped and named. The sets are read from $REC_SYS_SHARED_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.report import report
from rec_sys.recommenders import registry

SETS = (
    "musical_instruments_2014",
    "lastfm",
    "scientific_2018",
    "retailrocket",
    "online_retail",
    "instruments_2018",
    "sports_2014",
)
MODELS = tuple(name for name in registry.names() if name != registry.GRAPH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the models that are random")
    parser.add_argument("--limit", type=int, default=900, help="seconds of one model on one set")
    parser.add_argument("--work-dir", type=Path, default=Path("family"))
    parser.add_argument("--name", default="family", help="of the result file")
    parser.add_argument("--fresh", action="store_true", help="do again what is done")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    for data in args.sets:
        for model in args.models:
            found = run(data, model, args)
            (rows if "N@10 filtered" in found else left_out).append({"data": data, **found})
    for each in left_out:
        print(f"{each['data']}: {each['model']}: {each['left out']}")
    report(
        args.name,
        rows,
        data="the last interaction of each user, all products ranked; settings chosen on validation",
        seed=args.seeds[0],
        seeds=args.seeds,
        limit_seconds=args.limit,
        left_out=left_out,
    )


def run(data: str, model: str, args: argparse.Namespace) -> dict[str, Any]:
    """One model on one data set: its row, or why there is none."""
    file = args.work_dir / "family" / f"{data}-{model}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    if args.fresh:
        file.unlink(missing_ok=True)
    if not file.is_file():
        words = [f"models=[{model}]", f"data={data}", f"seeds={json.dumps(args.seeds, separators=(',', ':'))}"]
        words += [f"output={file}", f"name=family-{data}-{model}", f"paths.work_dir={args.work_dir}"]
        started = time.perf_counter()
        print(f"{data}: {model}", flush=True)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "rec_sys.evaluation.evaluate", *words],
                capture_output=True,
                text=True,
                timeout=args.limit,
            )
        except subprocess.TimeoutExpired:
            return {"model": model, "left out": f"not done after {args.limit} s"}
        if done.returncode:
            return {"model": model, "left out": (done.stderr.strip().splitlines() or ["failed"])[-1]}
        print(f"  {time.perf_counter() - started:.0f} s", flush=True)
    found = json.loads(file.read_bytes())
    if not found["models"]:
        return {"model": model, "left out": " ".join(found["notes"])}
    ((title, figures),) = found["models"].items()
    return {
        "model": title,
        **{
            f"{short} {kind}": round(figures[kind][metric], 4)
            for kind in ("filtered", "unfiltered")
            for short, metric in (("R@10", "recall@10"), ("N@10", "ndcg@10"))
        },
        "users": figures["num_users"],
        "fit s": round(figures["fit_seconds"], 1),
        "rank s": round(figures["seconds"], 1),
        "fit MiB": None if figures["fit_mib"] is None else round(figures["fit_mib"]),
    }


if __name__ == "__main__":
    main()
