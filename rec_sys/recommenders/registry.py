"""Every recommender by its name; a model's file is imported when the model is asked for.

To add a model: one line here, whose name is the class's `key`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_sys.closest import did_you_mean
from rec_sys.errors import CheckpointError, ConfigError
from rec_sys.recommenders.artifact import OLD_SUFFIX, read_artifact

if TYPE_CHECKING:
    from rec_sys.dataset.dataset import Dataset
    from rec_sys.recommenders.base import Recommender

GRAPH = "graph"
RECOMMENDERS = {
    "popularity": "rec_sys.recommenders.popularity:Popularity",
    "item_knn": "rec_sys.recommenders.item_knn:ItemKNN",
    "ease": "rec_sys.recommenders.ease:EASE",
    "ease_pairs": "rec_sys.recommenders.ease:NeighbourEASE",
    "text_ease": "rec_sys.recommenders.text_ease:TextEASE",
    "als": "rec_sys.recommenders.als:ALS",
    "bpr": "rec_sys.recommenders.bpr:BPR",
    "sasrec": "rec_sys.recommenders.sasrec:SASRec",
    "text_cosine": "rec_sys.recommenders.text_cosine:TextCosine",
    GRAPH: "rec_sys.inference.graph_model:GraphModel",
}


def names() -> list[str]:
    """The names of all recommenders."""
    return list(RECOMMENDERS)


def recommender_class(name: str) -> type[Recommender]:
    """The class of a recommender.

    Raises:
        ConfigError: the name is unknown; the message offers the closest one.
    """
    if name not in RECOMMENDERS:
        raise ConfigError(f"unknown model {name!r}; {did_you_mean(name, RECOMMENDERS)}")
    module, _, attribute = RECOMMENDERS[name].partition(":")
    found: type[Recommender] = getattr(importlib.import_module(module), attribute)
    return found


def create(name: str, **settings: Any) -> Recommender:
    """A new, unfitted recommender.

    Args:
        name: in the registry, such as "ease".
        settings: of the model, such as `regularisation=100`; what is left out has its default.

    Raises:
        ConfigError: the name or a setting is unknown, or a setting is out of its limits.
    """
    return recommender_class(name)(**settings)


def load(folder: Path | str, dataset: Dataset | None = None) -> Recommender:
    """A saved recommender, of whatever kind.

    Args:
        folder: that `Recommender.save` wrote, or a checkpoint file of the graph model.
        dataset: where known users are looked up; None: it is read again when it is needed.

    Raises:
        CheckpointError: it is missing, damaged, or of a kind that is not known here.
    """
    path = Path(folder)
    if path.suffix == OLD_SUFFIX and path.is_file():
        return recommender_class(GRAPH).load(path, dataset)
    kind = read_artifact(path, verify=False).manifest.kind
    if kind not in RECOMMENDERS:
        raise CheckpointError(f"{path} holds a model of the unknown kind {kind!r}; {did_you_mean(kind, RECOMMENDERS)}")
    return recommender_class(kind).load(path, dataset)
