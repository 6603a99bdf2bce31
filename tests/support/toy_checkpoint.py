"""A small model over the checkerboard with texts; not trained, but everything a saved model holds is there."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from rec_sys import columns
from rec_sys.arrays import Floats
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint, save_checkpoint
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import GraphSums
from rec_sys.recommenders.graph.review_graph import review_graph
from rec_sys.recommenders.graph.settings import GraphModelSettings
from tests.support.toy import checkerboard

TEXT_DIM = 64


class ToyEncoder:
    """Every word is a fixed random direction; counts how many texts it was given."""

    fingerprint = "toy encoder"

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, texts: Sequence[str]) -> Floats:
        self.encoded += len(texts)
        vectors = np.zeros((len(texts), TEXT_DIM), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row] += np.random.default_rng(zlib.crc32(word.encode())).normal(size=TEXT_DIM)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Floats = vectors / np.maximum(length, 1e-9).astype(np.float32)
        return unit


def toy_texts(table: ReviewTable) -> list[str]:
    """One text per review; every seventh is empty."""
    return [
        "" if number % 7 == 0 else f"{table.products.id(int(product))} is a {table.rating[number]:.0f} star thing"
        for number, product in enumerate(table.product)
    ]


def toy_table(folder: Path) -> tuple[ReviewTable, Floats]:
    """The checkerboard with its texts in a prepared folder, and the texts' vectors."""
    table = checkerboard(num_users=24, num_products=30, likes=7, dislikes=1)
    texts = toy_texts(table)
    in_file = [""] * len(table)
    for number, row in enumerate(table.row):
        in_file[row] = texts[number]
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({columns.TEXT: in_file}).write_parquet(folder / columns.REVIEWS_FILE)
    whole = ReviewTable(
        table.users, table.products, table.user, table.product, table.rating, table.timestamp, table.row, folder, "toy"
    )
    return whole, ToyEncoder().encode(texts).astype(np.float16).astype(np.float32)


def toy_checkpoint(
    path: Path,
    table: ReviewTable,
    review_text: Floats,
    seed: int = 0,
    info: dict[str, Any] | None = None,
    dim: int = 32,
) -> TrainedGraph:
    """Write the folder of an untrained model, and load it."""
    torch.manual_seed(seed)
    text_dim = review_text.shape[1]
    model = GraphNetwork(GraphModelSettings(dim=dim, heads=2, layers=2, max_history=5), table.num_products, text_dim)
    graph = review_graph(
        table, np.arange(len(table)), review_text, np.zeros((table.num_products, text_dim), dtype=np.float32)
    )
    with torch.inference_mode():
        states = model.eval().product_tower(GraphSums(graph))
    names = [f"Product {product}" for product in table.products.ids]
    trained = TrainedGraph(model, states, table.products, names, info or {"settings": {}, "encoder": {}})
    save_checkpoint(path, trained)
    return load_checkpoint(path)
