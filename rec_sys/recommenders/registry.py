"""Every recommender by its name; a model's file is imported when the model is asked for.

To add a model: its file (see `base.py`), one line here and a row in docs/models.md; docs/development.md has an example.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rec_sys.closest import did_you_mean
from rec_sys.errors import CheckpointError, ConfigError, Remedy
from rec_sys.paths import Paths
from rec_sys.recommenders.artifact import MANIFEST_FILE, OLD_SUFFIX, Manifest, read_artifact, train_first
from rec_sys.tracking.registered import ADDRESS, registered_folder

if TYPE_CHECKING:
    from rec_sys.dataset.dataset import Dataset
    from rec_sys.recommenders.base import Recommender

GRAPH = "graph"
RECOMMENDERS = {
    "popularity": "rec_sys.recommenders.popularity:Popularity",
    "item_knn": "rec_sys.recommenders.item_knn:ItemKNN",
    "ease": "rec_sys.recommenders.ease:EASE",
    "ease_pairs": "rec_sys.recommenders.ease:PairsEASE",
    "text_ease": "rec_sys.recommenders.text_ease:TextEASE",
    "als": "rec_sys.recommenders.als:ALS",
    "bpr": "rec_sys.recommenders.bpr:BPR",
    "sasrec": "rec_sys.recommenders.sasrec:SASRec",
    "next_item": "rec_sys.recommenders.next_item:NextItem",
    "neumf": "rec_sys.recommenders.neumf:NeuMF",
    "text_cosine": "rec_sys.recommenders.text_cosine:TextCosine",
    "svd": "rec_sys.recommenders.svd:SVD",
    "biased_als": "rec_sys.recommenders.biased_als:BiasedALS",
    "rating_bias": "rec_sys.recommenders.rating_bias:UserProductBias",
    "trending": "rec_sys.recommenders.trending.model:Trending",
    "two_stage": "rec_sys.recommenders.two_stage.model:TwoStage",
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


def load(
    folder: Path | str, dataset: Dataset | None = None, unfinished: bool = False, work_dir: Path | str = "."
) -> Recommender:
    """A saved recommender, of whatever kind.

    Args:
        folder: that `Recommender.save` or the training command wrote, a checkpoint file of the graph model, or the
            address of a version in MLflow's registry, such as "models:/svd@champion".
        dataset: where known users are looked up; None: it is read again when it is needed.
        unfinished: take a model whose training did not end.
        work_dir: with the registry, where an address is given.

    Raises:
        CheckpointError: it is missing, damaged, unfinished, or of a kind that is not known here.
    """
    if str(folder).startswith(ADDRESS):
        folder = registered_folder(str(folder), Paths(work_dir=Path(work_dir)))
    path = Path(folder)
    path = path.resolve() if path.is_symlink() else path  # latest/KIND: the model lies where its data is found
    if path.suffix == OLD_SUFFIX and path.is_file():
        return recommender_class(GRAPH).load(path, dataset)
    manifest = _manifest_of(path)
    if not manifest.complete and not unfinished:
        raise CheckpointError(
            f"{path} is unfinished: its training did not end; train it to its end, or take it as it is: "
            f"load(folder, unfinished=True)",
            _train_to_the_end(path),
        )
    kind = manifest.kind
    if kind not in RECOMMENDERS:
        raise CheckpointError(f"{path} holds a model of the unknown kind {kind!r}; {did_you_mean(kind, RECOMMENDERS)}")
    return recommender_class(kind).load(path, dataset)


def _manifest_of(folder: Path) -> Manifest:
    """The manifest of a model; where there is none, the error says what there is instead.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    if (folder / MANIFEST_FILE).is_file():
        return read_artifact(folder, verify=False).manifest
    if not folder.exists():
        beside = _models_in(folder.parent)
        known = f"; {did_you_mean(folder.name, beside)}" if beside else ""
        raise CheckpointError(
            f"no model at {folder}: there is no such folder{known}; give the folder that save() or the training wrote",
            None if beside else train_first(folder.parent),
        )
    places = [place for place in (folder, folder / "checkpoints") if _models_in(place)]
    if places:
        advice = f"it holds models, give the folder of one: {places[0] / _models_in(places[0])[0]}"
    else:
        advice = "give the folder that save() or the training wrote, such as checkpoints/NAME"
    raise CheckpointError(f"{folder} is no model: it has no {MANIFEST_FILE}; {advice}")


def _models_in(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST_FILE}"))


def _train_to_the_end(folder: Path) -> Remedy:
    """To go on where the state of the training is still there, else to train again."""
    remedy = train_first(folder.parent)
    if not (folder.parent / "resume" / f"{folder.name}{OLD_SUFFIX}").is_file():
        return Remedy("train it again", remedy.module, {**remedy.settings, "train.name": folder.name})
    return Remedy("go on with it", remedy.module, {**remedy.settings, "train.resume": folder.name})
