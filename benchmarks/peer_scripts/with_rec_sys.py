"""Our own models, as the scripts of other libraries: fitted on the exported interactions, asked with them.

The export has no texts, ratings and times, as the peers get none. A model that needs them, or that refuses the data,
ends with its own message.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import rec_sys
from benchmarks.peer_scripts.exchange import Ints, Question, Task, arguments_of_script, first_items, write_facts
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.evaluation.tuning import fit_best
from rec_sys.ids import IdMap
from rec_sys.metrics.scorer import TwoWayScorer
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.registry import GRAPH, names, recommender_class
from rec_sys.tracking.resources import measured

SEED = 0


def dataset_of(task: Task) -> Dataset:
    """The exported interactions as a data set of ours, whose split has no test."""
    user, item = np.append(task.user, task.test_user), np.append(task.item, task.valid_item)
    order = np.argsort(user, kind="stable")  # the validation item of each user comes last
    number = np.arange(len(user))
    table = ReviewTable(
        users=IdMap(map(str, range(task.num_users)), "user"),
        products=IdMap(map(str, range(task.num_items)), "product"),
        user=user[order],
        product=item[order],
        rating=np.full(len(user), np.nan, dtype=np.float32),
        timestamp=number,
        row=number,
    )
    is_valid = order >= len(task.user)
    nothing = np.zeros(0, dtype=np.int64)
    split = Split(np.flatnonzero(~is_valid), np.flatnonzero(is_valid), nothing, nothing)
    return Dataset.of_table(table, split, name="export")


def rankings(model: Recommender, question: Question) -> tuple[Ints, Ints]:
    """(n, depth) products, best first: to leave seen ones out of, and to leave as they are."""
    known = question.history
    histories = Histories(known.indptr, np.full(len(known.item), -1), known.item).last(model.max_history)
    query = Query(histories, users=question.user)
    scores = model.score_both_ways(query) if isinstance(model, TwoWayScorer) else (model.score(query),)
    found = [first_items(each, question.depth) for each in scores]
    return found[0], found[-1]


def fitted(key: str, dataset: Dataset, choose: bool) -> tuple[Recommender, dict[str, Any], int]:
    """The model, what distinguishes its settings, and how many settings were tried."""
    kind = recommender_class(key)
    grid = kind.grid(dataset.table.num_products)
    seed = {"seed": SEED} if kind.seeded else {}
    if not choose:
        return kind(None, **seed).fit(dataset), {}, 1
    model = fit_best(kind, dataset, SEED)
    chosen = {name: getattr(model.settings, name) for name in (*grid.fitted, *grid.scored)}
    tried = int(np.prod([len(values) for values in (*grid.fitted.values(), *grid.scored.values())], dtype=np.int64))
    return model, chosen | ({"training": model.chosen} if model.chosen else {}), tried


def main(arguments: Sequence[str] | None = None) -> None:
    args = arguments_of_script([name for name in names() if name != GRAPH], arguments)
    task = Task.load(args.data)
    dataset = dataset_of(task)
    with measured() as used:
        started = time.process_time()
        model, settings, tried = fitted(args.model, dataset, args.choose)
        filtered, ranking = rankings(model, task.test)
        seconds = time.process_time() - started
    arrays = {"ranking": ranking.astype(np.int32), "ranking_filtered": filtered.astype(np.int32)}
    np.savez_compressed(Path(args.out).with_suffix(".npz"), **arrays)  # type: ignore[arg-type]
    note = f"reads the newest {model.max_history} of a history"
    write_facts(args.out, rec_sys.__version__, settings, tried, seconds, used.peak_mib, note)


if __name__ == "__main__":
    main()
