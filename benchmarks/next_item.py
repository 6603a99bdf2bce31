"""Next baskets of an online shop, split by time, recommenders side by side; and the next product of users of reviews.

    uv run -m benchmarks.next_item [--models item_knn ease ...] [--reviews instruments_2018 | none] [--work-dir DIR]

`online_retail` of $REC_SYS_SHARED_DATA (default ../shared/data), returns netted: what lies before 2011-11-01 is learned
from, and the invoices from then on are to be found by what their customers had bought on earlier days. *all* counts all
products of an invoice, *new* those that the customer never had. Models have their defaults and read as much of a
history as they always do. The first rows are floors, which read all of it: popularity of the last 28 days, how often
the customer bought a product, the chain x then y, EASE on customers and on invoices, own purchases mixed with EASE.

On the reviews the last product of each user is to be found, as `evaluate` does it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import print_table, report
from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.load import load_dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap
from rec_sys.metrics.next_basket import Baskets, baskets_after, evaluate_baskets
from rec_sys.metrics.scorer import Scorer
from rec_sys.recommenders import registry
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.next_item import NextItem
from rec_sys.recommenders.next_item_patterns import count_patterns
from rec_sys.recommenders.next_item_report import LEVELS, ChainCosine
from rec_sys.tracking.resources import measured

SHARED = Path(os.environ.get("REC_SYS_SHARED_DATA") or Path(__file__).parents[1] / "../shared/data")
ORDERS, REVIEWS = "online_retail/online_retail.csv.gz", {"instruments_2018": "Instruments.inter.json.gz"}
SINCE = datetime(2011, 11, 1, tzinfo=UTC)
MODELS = ("popularity", "item_knn", "ease", "als", "next_item")
WHOLE = 10_000  # newest entries of a history: all of it
QUERIES = 300


class Mixed:
    """Scores of several models, weighted."""

    max_history = WHOLE

    def __init__(self, *parts: tuple[float, Scorer]) -> None:
        self.name, self.parts = "mixed", parts

    def score(self, query: Query) -> Floats:
        mixed: Floats = np.sum([np.float32(weight) * model.score(query) for weight, model in self.parts], axis=0)
        return mixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=registry.names(), metavar="MODEL")
    parser.add_argument("--reviews", default="instruments_2018", choices=[*REVIEWS, "none"])
    parser.add_argument("--work-dir", type=Path, default=Path("family"))
    parser.add_argument("--name", default="next_item", help="of the result file")
    args = parser.parse_args()
    data = load_dataset(SHARED / ORDERS, format="orders", work_dir=args.work_dir)
    before = data.learned_from(np.flatnonzero(data.table.timestamp < SINCE.timestamp()))
    baskets = baskets_after(data.events, int(SINCE.timestamp()))
    rows = [row_of(name, model, baskets, WHOLE) for name, model in floors(before)]
    facts: dict[str, Any] = {}
    for name in args.models:
        with measured() as used:
            model = registry.create(name).fit(before)
        title = f"{model.name} ({model.chosen})" if model.chosen else model.name
        rows.append({**row_of(title, model, baskets, None), "fit s": round(used.seconds, 1)})
        if isinstance(model, NextItem):
            facts = {**model.facts, "blend": vars(model.blend), "query_ms": query_milliseconds(model, baskets)}
    patterns = count_patterns(data.events, True, min(LEVELS))
    by_support = [{"support": level, "patterns": at[0], "mean confidence": round(at[1], 4)}
                  for level in LEVELS for at in [patterns.at(level)]]  # fmt: skip
    print_table(by_support)
    print()
    reviews = [] if args.reviews == "none" else review_rows(args.reviews, args.models, args.work_dir)
    print_table(reviews)
    print()
    report(
        args.name,
        rows,
        data=f"online_retail, {len(baskets):,} invoices from {SINCE:%Y-%m-%d} on, "
        f"{int((baskets.sizes('new') > 0).sum()):,} of them with new products",
        seed=0,
        patterns_of_all_orders=by_support,
        next_item=facts,
        reviews=reviews,
    )


def row_of(name: str, model: Scorer, baskets: Baskets, max_history: int | None) -> dict[str, Any]:
    """Both columns of a model's figures."""
    started = time.perf_counter()
    found = evaluate_baskets(model, baskets, max_history=max_history)
    seconds = time.perf_counter() - started
    print(f"{name}: {seconds:.1f} s", flush=True)
    figures = {
        f"{column} {short}": round(found[column][f"{metric}@10"], 4)
        for column in ("all", "new")
        for short, metric in (("HR", "hr"), ("R", "recall"), ("N", "ndcg"))
    }
    return {"model": name, **figures, "reads": max_history or model.max_history, "fit s": None}


def floors(before: Dataset) -> Iterator[tuple[str, Scorer]]:
    """Simple models, by name."""
    simple: dict[str, Any] = {"linear": 0, "patterns": 0, "popularity": 1, "trend": 0, "decay": 1, "own_decay": 1}
    popular = NextItem(**simple, own=0, max_history=WHOLE).fit(before)
    own = NextItem(**simple | {"popularity": 1e-3}, own=1, max_history=WHOLE).fit(before)
    customers = registry.create("ease", regularisation=300, decay=1).fit(before)
    invoices = registry.create("ease", regularisation=300, decay=1).fit(of_invoices(before))
    yield "popularity of 28 days", popular
    yield "own frequency, then popularity", own
    yield "chain, cosine", ChainCosine(count_patterns(before.training_events, True, 1), WHOLE)
    yield "EASE on customers", customers
    yield "EASE on invoices", invoices
    yield "own + .3 EASE + .3 popularity", Mixed((1, own), (0.3, customers), (0.3, popular))


def of_invoices(data: Dataset) -> Dataset:
    """The same purchases with an invoice as a user, all learned from."""
    events = data.training_events
    order = np.argsort(events.basket, kind="stable")
    names, user = np.unique(events.basket[order], return_inverse=True)
    table = ReviewTable(
        users=IdMap(map(str, names), "invoice"),
        products=events.products,
        user=user.astype(np.int64),
        product=events.product[order],
        rating=np.full(len(order), np.nan, dtype=np.float32),
        timestamp=events.timestamp[order],
        row=order,
    )
    return replace(Dataset.of_table(table), name="invoices").learned_whole()


def query_milliseconds(model: Recommender, baskets: Baskets) -> dict[str, float]:
    """Of one query at a time: median and 99th percentile."""
    taken = []
    for start in np.linspace(0, len(baskets) - 1, QUERIES).astype(int).tolist():
        query = baskets.query.part(start, start + 1)
        started = time.perf_counter()
        model.score(query.last(model.max_history))
        taken.append(1_000 * (time.perf_counter() - started))
    median, high = np.percentile(taken, [50, 99])
    return {"median": round(float(median), 3), "99 %": round(float(high), 3), "products": float(baskets.num_products)}


def review_rows(name: str, models: list[str], work_dir: Path) -> list[dict[str, Any]]:
    """The models on reviews, by the protocol of the house."""
    data = load_dataset(SHARED / name / REVIEWS[name], name=name, work_dir=work_dir)
    rows = []
    for each in models:
        with measured() as used:
            model = registry.create(each).fit(data)
        found = model.evaluate(data)
        title = f"{model.name} ({model.chosen})" if model.chosen else model.name
        print(f"{name}: {title}: {used.seconds:.1f} s", flush=True)
        figures = {
            f"{short} {kind}": round(getattr(found, kind)[metric], 4)
            for kind in ("filtered", "unfiltered")
            for short, metric in (("R@10", "recall@10"), ("N@10", "ndcg@10"))
        }
        rows.append({"model": title, **figures, "fit s": round(used.seconds, 1)})
    return rows


if __name__ == "__main__":
    main()
