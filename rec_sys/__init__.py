"""Recommendations from reviews: data sets, models under one interface, and their evaluation.

    data = rec_sys.load_dataset("sample")  # or a path, or a DataFrame
    model = rec_sys.GraphModel().fit(data)  # or EASE(), ItemKNN(), rec_sys.create("sasrec", dim=64)
    print(model.evaluate(data))
    model.recommend("A2IBPI20UZIR0U", k=10)  # or history=[...] or reviews=[...] for somebody new
    model.save("runs/first")
    model = rec_sys.load("runs/first")

Names are imported when they are first used, so `import rec_sys` is quick and loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rec_sys.dataset.dataset import Dataset
    from rec_sys.dataset.load import load_dataset
    from rec_sys.dataset.query import Query
    from rec_sys.inference.graph_model import GraphModel
    from rec_sys.recommenders.als import ALS
    from rec_sys.recommenders.base import Recommender
    from rec_sys.recommenders.biased_als import BiasedALS
    from rec_sys.recommenders.bpr import BPR
    from rec_sys.recommenders.ease import EASE
    from rec_sys.recommenders.item_knn import ItemKNN
    from rec_sys.recommenders.neumf import NeuMF
    from rec_sys.recommenders.next_item import NextItem
    from rec_sys.recommenders.popularity import Popularity
    from rec_sys.recommenders.rating_bias import UserProductBias
    from rec_sys.recommenders.registry import create, load
    from rec_sys.recommenders.sasrec import SASRec
    from rec_sys.recommenders.svd import SVD
    from rec_sys.recommenders.text_cosine import TextCosine
    from rec_sys.recommenders.text_ease import TextEASE
    from rec_sys.recommenders.trending.model import Trending
    from rec_sys.recommenders.two_stage.model import TwoStage

    __version__: str

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "SVD",
    "BiasedALS",
    "Dataset",
    "GraphModel",
    "ItemKNN",
    "NeuMF",
    "NextItem",
    "Popularity",
    "Query",
    "Recommender",
    "SASRec",
    "TextCosine",
    "TextEASE",
    "Trending",
    "TwoStage",
    "UserProductBias",
    "__version__",
    "create",
    "load",
    "load_dataset",
]

_HOMES = {
    "ALS": "rec_sys.recommenders.als",
    "BPR": "rec_sys.recommenders.bpr",
    "EASE": "rec_sys.recommenders.ease",
    "SVD": "rec_sys.recommenders.svd",
    "BiasedALS": "rec_sys.recommenders.biased_als",
    "Dataset": "rec_sys.dataset.dataset",
    "GraphModel": "rec_sys.inference.graph_model",
    "ItemKNN": "rec_sys.recommenders.item_knn",
    "NextItem": "rec_sys.recommenders.next_item",
    "NeuMF": "rec_sys.recommenders.neumf",
    "Popularity": "rec_sys.recommenders.popularity",
    "Query": "rec_sys.dataset.query",
    "Recommender": "rec_sys.recommenders.base",
    "SASRec": "rec_sys.recommenders.sasrec",
    "TextCosine": "rec_sys.recommenders.text_cosine",
    "TextEASE": "rec_sys.recommenders.text_ease",
    "Trending": "rec_sys.recommenders.trending.model",
    "TwoStage": "rec_sys.recommenders.two_stage.model",
    "UserProductBias": "rec_sys.recommenders.rating_bias",
    "create": "rec_sys.recommenders.registry",
    "load": "rec_sys.recommenders.registry",
    "load_dataset": "rec_sys.dataset.load",
}


if not TYPE_CHECKING:  # a misspelt name is an error to type checkers

    def __getattr__(name: str) -> Any:
        """Import what a name stands for, once."""
        if name == "__version__":
            from importlib.metadata import version

            found: Any = version("rec-sys")
        elif name in _HOMES:
            found = getattr(importlib.import_module(_HOMES[name]), name)
        else:
            raise AttributeError(f"module 'rec_sys' has no attribute {name!r}; it has {', '.join(__all__)}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """What can be used, for completion."""
    return sorted({*globals(), *__all__})
