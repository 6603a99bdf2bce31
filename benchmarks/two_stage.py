"""The two-stage model on the events of RetailRocket's shop, every source beside the ranker.

    uv run -m benchmarks.two_stage [--parts next held_out speed] [--work-dir DIR]

*next*: the next add to cart, and the next purchase, split by time inside the events: the last window of questions
tests, see rec_sys/recommenders/two_stage/questions.py. *held_out*: the purchases of test_purchase.csv, one per visitor,
of which the events hold neither time nor any trace; products that the visitor had are left out of the ranking, and a
product that the events do not know is a miss. The ranker learns from pairs that were left out the same way. A few
visitors look at ordered products hours after the order, which tells the answer, so the same is measured with the
newest 200 events of a visitor in the co-visitation. *speed*: candidates and features, one question, training.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.report import print_table, report
from rec_sys.arrays import Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.load import load_dataset
from rec_sys.dataset.query import Query
from rec_sys.metrics.bootstrap import bootstrap_intervals
from rec_sys.metrics.ranking import Ranks, rank_targets, values_of_ranks
from rec_sys.recommenders.two_stage.model import TwoStage
from rec_sys.tracking.resources import measured

SHARED = Path(os.environ.get("REC_SYS_SHARED_DATA") or Path(__file__).parents[1] / "../shared/data")
FOLDER = SHARED / "retailrocket"
AT_ONCE, MISS = 128, 1e9
HEAVY = {"all events": 0, "newest 200 events of a visitor": 200}  # max_covisited
PARTS = ("next", "held_out", "speed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--work-dir", type=Path, default=Path("family"))
    parser.add_argument("--name", default="two_stage", help="of the result file")
    args = parser.parse_args()
    data = load_dataset(FOLDER / "events_subset.csv.gz", format="events", work_dir=args.work_dir).learned_whole()
    rows: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    if "next" in args.parts:
        for target in ("addtocart", "transaction"):
            rows += next_events(data, target, facts)
    if "held_out" in args.parts:
        for name, limit in HEAVY.items():
            rows += held_out_purchases(data, name, limit, facts)
    if "speed" in args.parts:
        facts["speed"] = speed(data)
        print_table([facts["speed"]])
    report(args.name, rows, data="retailrocket: 97,381 events of 2,174 buyers", seed=0, facts=facts)


def next_events(data: Dataset, target: str, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the model's own report: sources, blend, ranker and ceiling on the last window."""
    with measured() as used:
        model = TwoStage(target=target).fit(data)
    found = model.report_facts
    facts[f"next {target}"] = {
        "choices": found["choices"],
        "difference": found["difference"],
        "became": found["became"],
        "gain": found["gain"],
        "fit_seconds": round(used.seconds, 1),
    }
    for section in model.sections(data):
        print(section.text(), "\n")
    return [{"question": f"next {target}", **row, "interval": ""} for row in found["sources"]]


def held_out_purchases(data: Dataset, heavy: str, limit: int, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The purchases that the file of events lacks, products of the visitor left out."""
    with measured() as used:
        model = TwoStage(target="transaction", questions="left_out", max_covisited=limit).fit(data)
    users, targets = read_held_out(data)
    values: dict[str, list[Ranks]] = {}
    for start in range(0, len(users), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        query, owned = ask(data, users[part])
        scores = {**model.score_by_source(query), "ranker": model.score(query)}
        for name, each in scores.items():
            known = targets[part] >= 0
            ranks = np.full(len(known), MISS)
            ranks[known] = rank_targets(each[known], targets[part][known], owned[known])
            values.setdefault(name, []).append(ranks)
    found = {name: np.concatenate(each) for name, each in values.items()}
    ndcg = {name: values_of_ranks(ranks, "ndcg@10") for name, ranks in found.items()}
    best = max((name for name in ndcg if name != "ranker"), key=lambda name: ndcg[name].mean())
    differences = ndcg["ranker"] - ndcg[best]
    low, high = (float(end[0]) for end in bootstrap_intervals(differences[:, None]))
    interval = f"less {best} {differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
    question = f"held-out purchases, co-visitation of {heavy}"
    facts[question] = {
        "choices": model.report_facts["choices"],
        "difference": [float(differences.mean()), low, high],
        "unknown_products": int((targets < 0).sum()),
        "fit_seconds": round(used.seconds, 1),
    }
    return [
        {
            "question": question,
            "source": name,
            "R@10 anything": None,
            "N@10 anything": None,
            "reach anything": None,
            "R@10 new only": float(values_of_ranks(ranks, "recall@10").mean()),
            "N@10 new only": float(ndcg[name].mean()),
            "reach new only": None,
            "interval": interval if name == "ranker" else "",
        }
        for name, ranks in found.items()
        if ndcg[name].any()
    ]


def read_held_out(data: Dataset) -> tuple[Ints, Ints]:
    """Visitors and products as numbers; -1: a product that the events do not know."""
    with (FOLDER / "test_purchase.csv").open() as file:
        rows = list(csv.DictReader(file))
    users = data.table.users.numbers([row["visitorid"] for row in rows])
    return users, data.table.products.known_numbers([row["itemid"] for row in rows])


def ask(data: Dataset, users: Ints) -> tuple[Query, sp.csr_matrix]:
    """The question of visitors at no particular time, and what they had."""
    table = data.table
    indptr = table.indptr()
    rows = np.concatenate([np.arange(indptr[user], indptr[user + 1]) for user in users])
    lengths = np.diff(indptr)[users]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    histories = Histories(starts, rows, table.product[rows])
    owned = sp.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), histories.product, starts), shape=(len(users), table.num_products)
    )
    return Query(histories, table, users), owned


def speed(data: Dataset) -> dict[str, Any]:
    """Seconds of 1,000 questions, scores of all products included, milliseconds of one, seconds of fitting."""
    with measured() as used:
        model = TwoStage().fit(data)
    users = np.random.default_rng(0).choice(data.table.num_users, 1_000, replace=False)
    query, _ = ask(data, users)
    began = time.perf_counter()
    for start in range(0, len(query), AT_ONCE):
        model.score(query.part(start, start + AT_ONCE))
    batch = time.perf_counter() - began
    each = []
    for place in range(100):
        one = query.part(place, place + 1)
        began = time.perf_counter()
        model.score(one)
        each.append(time.perf_counter() - began)
    return {
        "seconds of 1,000 questions": round(batch, 2),
        "ms of one (median)": round(1_000 * float(np.median(each)), 1),
        "seconds of fitting": round(used.seconds, 1),
    }


if __name__ == "__main__":
    main()
