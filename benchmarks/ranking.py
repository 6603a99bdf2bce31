"""How long the protocol itself takes: ranks of given scores, filtered and unfiltered, coverage, groups, intervals.

    uv run -m benchmarks.ranking [--users 24772] [--products 9922] [--repeat 3] [--name ranking]

Generated reviews with the sizes of Amazon Instruments 2018. The scores are made before and handed out at once, of the
kinds that models give: all different (graph model, EASE), a few above a sea of zeros (item kNN), the same for everybody
with many equal ones (popularity). Of each the fastest of the repeats counts, as another program may run.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.report import report
from rec_sys.arrays import Floats
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.ids import IdMap
from rec_sys.metrics.bootstrap import differences
from rec_sys.metrics.protocol import RankingReport, evaluate
from rec_sys.tracking.resources import measured

BATCH = 1024


class Given:
    """Scores made before: one batch, given to every batch of users."""

    max_history = 20

    def __init__(self, name: str, scores: Floats) -> None:
        self.name, self.scores = name, scores

    def score(self, query: Query) -> Floats:
        return self.scores[: len(query)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=24_772)
    parser.add_argument("--products", type=int, default=9_922)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--name", default="ranking", help="of the result file")
    args = parser.parse_args()
    generator = np.random.default_rng(0)
    table = reviews(args.users, args.products, generator)
    split = split_by_time(table)
    rows: list[dict[str, Any]] = []
    reports: dict[str, RankingReport] = {}
    for model in models(args.products, generator):
        seconds = []
        for _ in range(args.repeat):
            with measured() as used:
                reports[model.name] = evaluate(model, table, split.test, batch_size=BATCH, train=split.train)
            seconds.append(used.seconds)
        rows.append({"scores": model.name, "seconds": round(min(seconds), 2), "peak, MiB": round(used.peak_mib)})
    started = time.perf_counter()
    differences(reports)
    interval_seconds = round(time.perf_counter() - started, 2)
    print(f"intervals of {4 * (len(reports) - 1)} differences, 10,000 draws: {interval_seconds} seconds\n")
    report(
        args.name,
        rows,
        data=f"{args.users:,} generated users x {args.products:,} products, filtered and unfiltered, coverage, groups",
        seed=0,
        repeats=args.repeat,
        interval_seconds=interval_seconds,
    )


def reviews(users: int, products: int, generator: np.random.Generator) -> ReviewTable:
    """A table of five reviews and more per user, eight on average, popular products more often."""
    lengths = 4 + generator.geometric(1 / 4.3, users)
    user = np.repeat(np.arange(users), lengths)
    number = np.arange(len(user))
    popularity = 1 / np.arange(10, products + 10)
    return ReviewTable(
        users=IdMap(map(str, range(users)), "user"),
        products=IdMap(map(str, range(products)), "product"),
        user=user,
        product=generator.choice(products, len(user), p=popularity / popularity.sum()),
        rating=np.full(len(user), np.nan, dtype=np.float32),
        timestamp=number,
        row=number,
    )


def models(products: int, generator: np.random.Generator) -> list[Given]:
    """Scores of the kinds that models give."""
    different = generator.standard_normal((BATCH, products), dtype=np.float32)
    few = np.where(generator.random((BATCH, products), dtype=np.float32) < 0.002, np.abs(different), np.float32(0))
    popular = np.floor(generator.pareto(1, products) * 3).astype(np.float32)
    return [
        Given("all different", different),
        Given("mostly zero", few),
        Given("the same for all", np.tile(popular, (BATCH, 1))),
    ]


if __name__ == "__main__":
    main()
