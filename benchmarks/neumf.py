"""NeuMF beside popularity, EASE and implicit ALS, by full ranking and by the paper's sampled protocol.

    uv run -m benchmarks.neumf [--sets lastfm instruments_2018 dense] [--users 6040] [--products 3706] [--name neumf]

Sets are read from $REC_SYS_SHARED_DATA (default ../shared/data). MovieLens 1M, on which the paper reports, is not among
them; "dense" is generated with its size, density and activity: users with tastes over 18 genres take products by
taste, popularity and chance, so the best possible ranking is known and stands in the table. Rows of NeuMF:

    as published   binary cross-entropy, three layers, 8 factors, no weight decay, learned vectors of known users alone
    defaults       sampled softmax, weight decay, known users mostly by users alike
    as new         the same model without knowing its users: what a new user with this history gets

Rows of other sets stay in the result file. Settings are chosen on validation; the test is read once. Every model is
asked with the whole history, ALS with the newest 200 products of it: it solves a system of so many equations per user.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

import rec_sys
from benchmarks.report import RESULTS, report
from rec_sys.arrays import Floats
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.table import ReviewTable
from rec_sys.evaluation.tuning import chosen
from rec_sys.ids import IdMap
from rec_sys.metrics.grid_search import grid_search
from rec_sys.metrics.protocol import evaluate
from rec_sys.metrics.sampled import evaluate_sampled
from rec_sys.metrics.scorer import Scorer
from rec_sys.metrics.validation import validation_score
from rec_sys.recommenders.base import Grid, Recommender
from rec_sys.recommenders.neumf import AsNew

FILES = {
    "lastfm": "lastfm/interactions.csv.gz",
    "instruments_2018": "instruments_2018/Instruments.inter.json.gz",
    "sports_2014": "sports_2014/interactions.csv.gz",
}
DENSE = "dense"
VALID_USERS = 2_000  # that choose, at most
PUBLISHED: dict[str, Any] = {
    "loss": "bce",
    "depth": 3,
    "factors": 8,
    "weight_decay": 0,
    "learning_rate": 0.001,
    "batch_size": 256 * 5,
    "own": 1,
    "patience": 8,  # at this rate it stands still for some epochs before it learns
}
PUBLISHED_EPOCHS = {"lastfm": 40, "instruments_2018": 20, "sports_2014": 20, DENSE: 6}  # at most
DECAYS = {"decay": (1.0, 0.9, 0.8)}
LAMBDAS = {"lastfm": (100, 500), "instruments_2018": (50,), "sports_2014": (100,), DENSE: (500, 2_000)}


@dataclass(frozen=True)
class Whole:
    """A model that is given whole histories, or at least longer ones than by default."""

    model: Scorer
    name: str
    max_history: int = 1_000_000

    def score(self, query: Query) -> Floats:
        return self.model.score(query)


def whole(model: Recommender, name: str) -> Whole:
    """A model with as much of a history as it can take."""
    return Whole(model, name, 200 if model.key == "als" else 1_000_000)


@dataclass(frozen=True)
class Known:
    """The chances that generated the data: the best ranking there is."""

    chances: Floats  # (num_users, num_products)
    name: str = "what generated it"
    max_history: int = 1

    def score(self, query: Query) -> Floats:
        assert query.users is not None
        return self.chances[query.users]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["lastfm", "instruments_2018", DENSE], choices=[*FILES, DENSE])
    parser.add_argument("--users", type=int, default=6_040, help="of the generated set")
    parser.add_argument("--products", type=int, default=3_706, help="of the generated set")
    parser.add_argument("--name", default="neumf", help="of the result file")
    args = parser.parse_args()
    rows = rows_of_others(args.name, args.sets)
    for name in args.sets:
        dataset, best = data_of(name, args.users, args.products)
        print(dataset, flush=True)
        for label, scorer, facts in models(name, dataset, best):
            rows.append(row_of(name, label, scorer, dataset, facts))
            print(rows[-1], flush=True)
        report(
            args.name,
            rows,
            data=f"{DENSE}: {args.users:,} x {args.products:,}, generated, as MovieLens 1M is not at hand; test "
            f"reviews, one per user; sampled: among 99 drawn products that the user never had",
            seed=0,
        )


def rows_of_others(name: str, sets: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the result file that are not measured now."""
    path = RESULTS / f"{name}.json"
    kept = orjson.loads(path.read_bytes())["rows"] if path.is_file() else []
    return [row for row in kept if row["set"] not in sets]


def data_of(name: str, users: int, products: int) -> tuple[Dataset, Known | None]:
    """A data set by its name; for the generated one also what generated it."""
    if name == DENSE:
        return dense(users, products)
    folder = Path(os.environ.get("REC_SYS_SHARED_DATA", "../shared/data"))
    return rec_sys.load_dataset(folder / FILES[name], name=name, format="auto"), None


def dense(num_users: int, num_products: int, seed: int = 0) -> tuple[Dataset, Known]:
    """Users with tastes over genres: 20 products at least, 165 on average, in random order.

    A user takes the products with the highest of popularity + log(taste . genres) + Gumbel noise, which is drawing
    by softmax without putting back.
    """
    random = np.random.default_rng(seed)
    most = num_products // 2
    lengths = np.round(20 + random.lognormal(np.log(70), 1.1, num_users)).clip(20, most).astype(np.int64)
    taste = random.dirichlet(np.full(18, 0.25), num_users).astype(np.float32)
    genres = random.dirichlet(np.full(18, 0.15), num_products).astype(np.float32)
    popularity = random.normal(0, 1.4, num_products).astype(np.float32)
    chances = popularity + np.log(taste @ genres.T + 0.02)
    taken = []
    for chance, length in zip(chances, lengths.tolist(), strict=True):
        drawn = chance + random.gumbel(size=num_products)
        taken.append(random.permutation(np.argpartition(-drawn, length)[:length]))
    user, product = np.repeat(np.arange(num_users, dtype=np.int64), lengths), np.concatenate(taken).astype(np.int64)
    number = np.arange(len(product))
    table = ReviewTable(
        users=IdMap(map(str, range(num_users)), "user"),
        products=IdMap(map(str, range(num_products)), "product"),
        user=user,
        product=product,
        rating=np.full(len(product), np.nan, dtype=np.float32),
        timestamp=number,
        row=number,
    )
    return Dataset.of_table(table, name=DENSE), Known(chances.astype(np.float32))


def models(name: str, dataset: Dataset, best: Known | None) -> Iterator[tuple[str, Scorer, dict[str, Any]]]:
    """Label, fitted model, and what it took."""
    kinds: list[tuple[str, str, dict[str, Any], Grid]] = [
        ("most popular", "popularity", {}, Grid()),
        ("NeuMF as published", "neumf", {**PUBLISHED, "epochs": PUBLISHED_EPOCHS[name]}, Grid()),
        ("NeuMF", "neumf", {}, Grid({}, {"own": (0, 0.1, 0.5), **DECAYS})),
        ("ALS", "als", {"factors": 64}, Grid({"regularisation": (20, 100), "alpha": (10,)}, DECAYS)),
        ("EASE", "ease", {}, Grid({"regularisation": LAMBDAS[name]}, DECAYS)),
    ]
    for label, key, fixed, grid in kinds:
        model, facts = fitted(key, fixed, grid, dataset)
        yield label, whole(model, label), facts
        if label == "NeuMF":
            yield "NeuMF, users as new", Whole(AsNew(model), label), {}
    if best:
        yield best.name, best, {}


def fitted(key: str, fixed: Mapping[str, Any], grid: Grid, dataset: Dataset) -> tuple[Recommender, dict[str, Any]]:
    """A model with its settings chosen on validation, and what it took."""
    valid = dataset.split.valid
    valid = valid[:: max(1, -(-len(valid) // VALID_USERS))]

    def value(model: Recommender) -> float:
        return validation_score(whole(model, model.name), dataset.table, valid)

    cpu, wall = time.process_time(), time.perf_counter()
    settings: list[dict[str, Any]] = [{}]
    for setting, values in grid.fitted.items():
        settings = [{**each, setting: value} for each in settings for value in values]
    weights: list[dict[str, Any]] = [{}]
    for setting, values in grid.scored.items():
        weights = [{**each, setting: value} for each in weights for value in values]
    more = {"max_history": 1_000_000} if key == "neumf" else {}
    models = (
        model.with_settings(**some)
        for each in settings
        for model in [rec_sys.create(key, **fixed, **more, **each).fit(dataset, value)]
        for some in weights
    )
    search = grid_search(models, value, label=lambda model: chosen(model, grid))
    model = search.best
    facts = {"chosen": chosen(model, grid) or model.chosen, "fit CPU s": round(time.process_time() - cpu, 1)}
    facts |= {"fit s": round(time.perf_counter() - wall, 1), "valid N@10": round(search.value, 4)}
    seconds = getattr(model, "epoch_seconds", None)
    return model, facts | ({} if seconds is None else {"epoch s": round(seconds, 2)})


def row_of(name: str, label: str, scorer: Scorer, dataset: Dataset, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Test figures by both protocols."""
    table, test = dataset.table, dataset.split.test
    full = evaluate(scorer, table, test, cutoffs=(10,)).filtered
    sampled = evaluate_sampled(scorer, table, test).figures
    return {
        "set": name,
        "model": label,
        "R@10": round(full["recall@10"], 4),
        "N@10": round(full["ndcg@10"], 4),
        "HR@10 sampled": round(sampled["sampled recall@10"], 4),
        "N@10 sampled": round(sampled["sampled ndcg@10"], 4),
        **{each: facts.get(each) for each in ("valid N@10", "chosen", "epoch s", "fit s", "fit CPU s")},
    }


if __name__ == "__main__":
    main()
