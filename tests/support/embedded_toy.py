"""The checkerboard with texts: what every test of the graph model starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch_geometric.data import HeteroData

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.splits import Split, split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.network import GraphNetwork
from rec_sys.recommenders.graph.product_tower import GraphSums
from rec_sys.recommenders.graph.review_graph import review_graph
from rec_sys.recommenders.graph.settings import GraphModelSettings
from tests.support.toy import checkerboard

TEXT_DIM = 12


@dataclass(frozen=True)
class Toy:
    """A table, its split and random unit vectors for texts."""

    table: ReviewTable
    split: Split
    review_text: Floats
    product_text: Floats

    @property
    def dataset(self) -> Dataset:
        """The same as a data set."""
        return Dataset.of_table(self.table, self.split, self.review_text, self.product_text, name="toy")

    def untrained(self, **settings: object) -> TrainedGraph:
        """An untrained network with its product states, the same each time."""
        torch.manual_seed(0)
        network = self.model(**settings)
        with torch.no_grad():
            states = network.product_tower(self.sums())
        names = [""] * self.table.num_products
        return TrainedGraph(network, states, self.table.products, names, {"data": {"name": "toy"}})

    def graph(self, reviews: Ints | None = None) -> HeteroData:
        return review_graph(
            self.table, self.split.train if reviews is None else reviews, self.review_text, self.product_text
        )

    def model(self, **settings: object) -> GraphNetwork:
        chosen = GraphModelSettings.read({"dim": 16, "heads": 2, **settings})
        return GraphNetwork(chosen, self.table.num_products, TEXT_DIM).eval()

    def sums(self) -> GraphSums:
        return GraphSums(self.graph())


def toy(seed: int = 0, with_product_text: bool = True, **sizes: int) -> Toy:
    table = checkerboard(seed=seed, dislikes=2, **sizes)
    generator = np.random.default_rng(seed)
    text = generator.normal(size=(len(table), TEXT_DIM)).astype(np.float32)
    text[::7] = 0  # some reviews have no text
    product_text = generator.normal(size=(table.num_products, TEXT_DIM)).astype(np.float32)
    if not with_product_text:
        product_text[:] = 0
    return Toy(table, split_by_time(table), _unit(text), _unit(product_text))


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
