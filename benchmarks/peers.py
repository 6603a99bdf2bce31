"""Our models beside those of other libraries: same split, same histories, all products ranked, figures of one code.

    uv run -m benchmarks.peers [--sets musical_instruments_2014 lastfm] [--peers ours implicit ...] [--limit 900]
                               [--threads 1] [--work-dir DIR] [--fresh]

Each model is fitted by a process of its own, in an environment that uv makes for its library (the head of each script
in benchmarks/peer_scripts names the versions). The script sees the training interactions and the validation items,
never the test items, and gives back rankings; this benchmark leaves out seen items and computes the figures. Each model
is there twice: with its library's defaults, and with the settings that are best on validation. Models of ratings
predict the same four folds.

What is done is not done again, so a stopped benchmark goes on where it was. What fails or takes longer than the limit
is named with its error. Times are processor times of one process. The sets are read from $REC_SYS_SHARED_DATA (default
../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir

from benchmarks.peer_scripts.exchange import Settings
from benchmarks.peer_scripts.folds import Rated, rating_figures
from benchmarks.peers_export import HeldOut, difference, figures_of, rated_of, task_of
from benchmarks.report import print_table, report
from rec_sys.command import CONFIG_FOLDER
from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.evaluation.evaluate import EvaluateSettings
from rec_sys.settings import read_settings

ROOT = Path(__file__).parents[1]
SETS = ("musical_instruments_2014", "lastfm", "scientific_2018", "instruments_2018", "sports_2014")
DEFAULT_SETS = SETS[:2]
FOLDS, SEED = 4, 0
WAYS = ("defaults", "chosen on validation")
OURS = "ours"
BUSY = 4  # times as long as the processor time that is allowed may a process last, as others use the processor too


@dataclass(frozen=True)
class Library:
    """Where models come from."""

    name: str
    script: str
    models: dict[str, str]  # name on the script's command line: name in tables
    ratings: bool = False  # predicts ratings instead of ranking


LIBRARIES = {
    OURS: Library(
        "rec_sys",
        "with_rec_sys",
        {
            "popularity": "most popular",
            "item_knn": "item kNN",
            "ease": "EASE",
            "ease_pairs": "EASE with consecutive pairs",
            "als": "ALS",
            "bpr": "BPR",
            "sasrec": "SASRec",
        },
    ),
    "implicit": Library(
        "implicit",
        "with_implicit",
        {
            "als": "ALS",
            "bpr": "BPR",
            "bpr_again": "BPR, fitted again on full histories",
            "cosine": "item kNN, cosine",
            "tfidf": "item kNN, TF-IDF",
            "bm25": "item kNN, BM25",
        },
    ),
    "lenskit": Library(
        "LensKit", "with_lenskit", {"item_knn": "item kNN", "implicit_mf": "ALS (ImplicitMF)", "ease": "EASE"}
    ),
    "rectools": Library("RecTools", "with_rectools", {"sasrec": "SASRec, softmax loss"}),
    "recbole": Library(
        "RecBole",
        "with_recbole",
        {"ease": "EASE", "ease_as_recbole_asks": "EASE, asked as RecBole evaluates", "sasrec": "SASRec"},
    ),
    "ours_ratings": Library(
        "rec_sys",
        "with_rec_sys_ratings",
        {"svd": "SVD", "biased_als": "biased ALS", "rating_bias": "user + product bias"},
        ratings=True,
    ),
    "surprise": Library(
        "Surprise",
        "with_surprise",
        {"svd": "SVD", "svdpp": "SVD++", "knn_baseline": "KNNBaseline", "baseline_only": "BaselineOnly"},
        ratings=True,
    ),
}

# names on the command lines: the same method, so that ours can be held against it
ALIKE = {
    "als": ("als", "implicit_mf"),
    "bpr": ("bpr", "bpr_again"),
    "item_knn": ("item_knn", "cosine", "tfidf", "bm25"),
    "ease": ("ease", "ease_as_recbole_asks"),
    "sasrec": ("sasrec",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=DEFAULT_SETS, choices=SETS, metavar="SET", help=", ".join(SETS))
    every = list(LIBRARIES)
    parser.add_argument("--peers", nargs="+", default=every, choices=every, metavar="PEER", help=", ".join(every))
    parser.add_argument("--models", nargs="+", help="only these, by the names of the scripts; else all of each peer")
    parser.add_argument("--limit", type=int, default=900, help="processor seconds of one model on one set, one way")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--work-dir", type=Path, default=Path("family"))
    parser.add_argument("--name", default="peers", help="of the result file")
    parser.add_argument("--again", action="store_true", help="try again what failed")
    parser.add_argument("--fresh", action="store_true", help="do again what is done or failed")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    for name in args.sets:
        exported = Exported.of(name, args.work_dir)
        for found in results(exported, args):
            (left_out if "left out" in found else rows).append(found)
        beside += beside_ours(exported)
    ranking, ratings = ([row for row in rows if kind in row] for kind in ("N@10 filtered", "RMSE"))
    print_table(ratings)
    print_table(beside)
    for each in left_out:
        print(f"{each['data']}: {each['library']}: {each['model']}, {each['way']}: {each['left out']}")
    report(
        args.name,
        ranking,
        data="last interaction of each user, all products ranked; ratings in four folds",
        seed=SEED,
        limit_seconds=args.limit,
        threads=args.threads,
        ratings=ratings,
        beside_ours=beside,
        left_out=left_out,
    )


@dataclass(frozen=True)
class Exported:
    """A data set as files for the scripts, and what is kept from them."""

    name: str
    folder: Path
    held_out: HeldOut
    rated: Rated | None  # none where the set has no ratings

    def file(self, peer: str, model: str, way: str) -> Path:
        """The facts of a model that is done; its arrays lie beside it."""
        return self.folder / f"{peer}-{model}-{way.split()[0]}.json"

    @classmethod
    def of(cls, name: str, work_dir: Path) -> Exported:
        """Read a data set by the name of its configuration and write it."""
        dataset = load(name, work_dir)
        folder = work_dir.absolute() / "peers" / name
        folder.mkdir(parents=True, exist_ok=True)
        task, held_out = task_of(dataset)
        task.save(folder / "ranking.npz")
        rated = rated_of(dataset, FOLDS, SEED) if dataset.has_ratings else None
        if rated is not None:
            rated.save(folder / "ratings.npz")
        return cls(name, folder, held_out, rated)


def load(name: str, work_dir: Path) -> Dataset:
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        config = compose("evaluate_config", [f"data={name}", f"paths.work_dir={work_dir}"])
    settings = read_settings(config, EvaluateSettings, "")
    return load_data(settings.data, settings.encoder, settings.paths, None, settings.split)


def results(exported: Exported, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every model both ways: its row, or why there is none."""
    for key in args.peers:
        library = LIBRARIES[key]
        if library.ratings and exported.rated is None:
            continue
        for model, title in library.models.items():
            for way in WAYS:
                if args.models is None or model in args.models:
                    row = {"data": exported.name, "library": library.name, "model": title, "way": way}
                    out = exported.file(key, model, way)
                    yield row | result(exported, library, model, way == WAYS[1], out, args)


def result(
    exported: Exported, library: Library, model: str, choose: bool, out: Path, args: argparse.Namespace
) -> dict[str, Any]:
    failed = out.with_suffix(".failed")
    if args.fresh:
        out.unlink(missing_ok=True)
    if args.fresh or args.again:
        failed.unlink(missing_ok=True)
    if failed.is_file():
        return {"left out": failed.read_text()}
    if not out.is_file():
        print(f"{exported.name}: {out.stem}", flush=True)
        reason = run(exported, library, model, choose, out, args)
        if reason:
            failed.write_text(reason)
            return {"left out": reason}
    facts = json.loads(out.read_bytes())
    arrays = out.with_suffix(".npz")
    if exported.rated is not None and library.ratings:
        with np.load(arrays, allow_pickle=False) as found:
            judged = rating_figures(found["predicted"], exported.rated)
    else:
        judged = figures_of(arrays, exported.held_out)
    return {
        **judged,
        "fit CPU s": round(facts["cpu_seconds"], 1),
        "fit MiB": round(facts["mib"]),
        "tried": facts["tried"],
        "version": facts["version"],
        "note": facts["note"],
        "settings": words(facts["settings"]),
    }


def beside_ours(exported: Exported) -> list[dict[str, Any]]:
    """What peers' models gain over ours of the same method, settings chosen on validation, of all that is done."""
    rows = []
    for own, names in ALIKE.items():
        ours = exported.file(OURS, own, WAYS[1])
        peers = [(key, model) for key in LIBRARIES if key != OURS for model in names]
        for key, model in peers:
            library, peer = LIBRARIES[key], exported.file(key, model, WAYS[1])
            if ours.is_file() and peer.is_file() and not library.ratings and model in library.models:
                gain = difference(ours.with_suffix(".npz"), peer.with_suffix(".npz"), exported.held_out)
                rows.append({"data": exported.name, "library": library.name, "model": library.models[model], **gain})
    return rows


def run(exported: Exported, library: Library, model: str, choose: bool, out: Path, args: argparse.Namespace) -> str:
    """Call a script; gives why it failed, or nothing."""
    script = str(ROOT / f"benchmarks/peer_scripts/{library.script}.py")
    own = library.name == LIBRARIES[OURS].name
    command = [sys.executable] if own else ["uv", "run", "--quiet", "--no-project", "--script"]
    command += [script, str(exported.folder / ("ratings.npz" if library.ratings else "ranking.npz")), str(out)]
    command += ["--model", model, "--limit", str(args.limit), *(["--choose"] if choose else [])]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(args.threads))
    environment = {**os.environ, **threads, "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    environment |= {"LK_NUM_THREADS": str(args.threads), "RAYON_NUM_THREADS": str(args.threads)}
    environment.pop("VIRTUAL_ENV", None)  # this project's
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=BUSY * args.limit,
            env=environment,
            cwd=exported.folder,  # RecBole leaves logs where it is called
            check=False,
        )
    except FileNotFoundError as error:
        return f"{error.filename} is not installed"
    except subprocess.TimeoutExpired:
        return f"not done after {BUSY * args.limit} s"
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}, as where memory runs out"
    if done.returncode:
        return last_line(done.stderr)
    return ""


def words(settings: Settings) -> str:
    """Settings in one line."""
    return ", ".join(
        f"{name} {value if not isinstance(value, dict) else f'({words(value)})'}" for name, value in settings.items()
    )


def last_line(stderr: str) -> str:
    """What an error says, without the way to it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "failed without a word"


if __name__ == "__main__":
    main()
