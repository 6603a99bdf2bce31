# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = ["recbole==1.2.1", "numpy<2", "pandas<3", "setuptools<80"]
#
# [tool.uv]
# exclude-newer = "2026-11-21T00:00:00Z"
# ///
"""EASE and SASRec of RecBole.

RecBole's own evaluation asks EASE with the training interactions alone: the history of the test lacks the validation
item. Here the models are asked with full histories; `ease_as_recbole_asks` shows the other way. SASRec is asked with
sequences, which are built here as RecBole builds them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.model.general_recommender import EASE
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed

from benchmarks.peer_scripts.exchange import (
    NOTHING,
    Floats,
    Ints,
    Model,
    Question,
    Rank,
    Settings,
    Task,
    first_items,
    run,
)

EVERY = 2  # epochs between two looks at validation
MOST = 300  # epochs, as RecBole's default; as there, ten epochs without a better validation end it earlier
ROWS = 512  # sequences scored at once
COLUMNS = "user_id:token\titem_id:token\ttimestamp:float\n"


def prepared(task: Task, model: str, settings: Settings, folder: Path) -> tuple[Any, Any, Any]:
    """Configuration, data set and training batches of the training interactions; places in the list are the times."""
    (folder / "peer").mkdir()
    pairs = zip(task.user.tolist(), task.item.tolist(), strict=True)
    rows = "".join(f"{user}\t{item}\t{place}\n" for place, (user, item) in enumerate(pairs))
    (folder / "peer/peer.inter").write_text(COLUMNS + rows)
    config = Config(
        model=model,
        dataset="peer",
        config_dict={
            "data_path": str(folder),
            "checkpoint_dir": str(folder / "saved"),
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            # all is trained on; an evaluation needs a part, and none is held out by an empty one
            "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": "user", "mode": "full"},
            "train_neg_sample_args": None,
            "use_gpu": False,
            "state": "ERROR",
            "show_progress": False,
            **settings,
        },
    )
    init_seed(config["seed"], config["reproducibility"])
    data = create_dataset(config)
    train, _, _ = data_preparation(config, data)
    return config, train, train.dataset


def numbers(task: Task, data: Any) -> tuple[Ints, Ints]:
    """RecBole's number of each product, 0 where training lacks it, and the product of each of RecBole's numbers."""
    tokens = data.field2id_token["item_id"]
    product = np.array([NOTHING, *map(int, tokens[1:])])
    number = np.zeros(task.num_items, dtype=np.int64)
    number[product[1:]] = np.arange(1, len(product))
    return number, product


def ranking(scores: Floats, product: Ints, question: Question, num_items: int) -> Ints:
    """From scores by RecBole's numbers, of which 0 is no product."""
    own = np.full((len(scores), num_items), -np.inf, dtype=np.float32)
    own[:, product[1:]] = scores[:, 1:]
    return first_items(own, question.depth)


def ease(task: Task, settings: Settings, full: bool = True) -> Iterator[tuple[Settings, Rank]]:
    with tempfile.TemporaryDirectory() as folder:
        config, _, data = prepared(task, "EASE", settings, Path(folder))
    model = EASE(config, data)
    number, product = numbers(task, data)
    weights = np.asarray(model.item_similarity)

    def rank(question: Question) -> Ints:
        if not full:
            places = [data.token2id("user_id", str(user)) for user in question.user.tolist()]
            asked = Interaction({"user_id": torch.tensor(places)})
            scores = model.full_sort_predict(asked).numpy().reshape(len(places), -1)
            return ranking(scores, product, question, task.num_items)
        known = question.history
        column = number[known.item]
        shape = (len(known), len(product))
        history = sp.csr_matrix((np.ones(len(column), np.float32), (known.row, column)), shape)
        history.data[:] = 1  # as RecBole's own matrix: once
        return ranking(np.asarray(history @ weights), product, question, task.num_items)

    yield settings, rank


def ease_as_recbole_asks(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    return ease(task, settings, full=False)


def sasrec(task: Task, settings: Settings) -> Iterator[tuple[Settings, Rank]]:
    """After every second epoch, so that validation ends the training."""
    with tempfile.TemporaryDirectory() as folder:
        config, train, data = prepared(task, "SASRec", settings, Path(folder))
    model = SASRec(config, data)
    trainer = Trainer(config, model)
    number, product = numbers(task, data)

    def rank(question: Question) -> Ints:
        model.eval()
        length = int(config["MAX_ITEM_LIST_LENGTH"])
        found = []
        for start in range(0, len(question.history), ROWS):
            histories = [
                number[question.history[row]] for row in range(start, min(start + ROWS, len(question.history)))
            ]
            sequence = torch.zeros((len(histories), length), dtype=torch.long)
            for row, history in enumerate(histories):
                newest = history[history > 0][-length:]
                sequence[row, : len(newest)] = torch.from_numpy(newest)
            lengths = (sequence > 0).sum(1).clamp(min=1)
            with torch.no_grad():
                found.append(model.full_sort_predict(Interaction({"item_id_list": sequence, "item_length": lengths})))
        return ranking(torch.cat(found).numpy(), product, question, task.num_items)

    for epoch in range(1, MOST + 1):
        trainer._train_epoch(train, epoch)
        if epoch % EVERY == 0:
            yield {**settings, "epochs": epoch}, rank


LAMBDAS = {"reg_weight": (20.0, 50.0, 100.0, 200.0, 500.0)}
MODELS = {
    "ease": Model(ease, {}, LAMBDAS),
    "ease_as_recbole_asks": Model(
        ease_as_recbole_asks, {}, LAMBDAS, note="asked as RecBole's own evaluation does: without the validation item"
    ),
    "sasrec": Model(sasrec, {}, {"hidden_dropout_prob": (0.2,)}, patience=5, stops=True),
}

if __name__ == "__main__":
    run(MODELS, lambda: version("recbole"))
