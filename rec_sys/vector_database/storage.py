"""A vector base as a folder: index.faiss, products.parquet, added_history.npy, and meta.json that vouches for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import orjson

from rec_sys import columns
from rec_sys.errors import ConfigError, Remedy, VectorBaseError
from rec_sys.files import atomic_folder, sha256_of, write_json
from rec_sys.ids import IdMap
from rec_sys.paths import Paths
from rec_sys.recommenders.artifact import MANIFEST_FILE
from rec_sys.vector_database.index import Origin, VectorBase

if TYPE_CHECKING:
    from rec_sys.recommenders.graph.stored import StoredGraph  # safetensors, which serving does without

FORMAT = "rec_sys vector base 1"
INDEX_FILE, PRODUCTS_FILE, ADDED_FILE = "index.faiss", "products.parquet", "added_history.npy"
META_FILE = "meta.json"
SHOWN = 12  # characters of a fingerprint in a message


def save_vector_base(base: VectorBase, folder: Path) -> None:
    """Write a vector base; the folder appears whole, in the place of an older one, or not at all."""
    import polars as pl  # only where it is used: a command that prints its help needs none

    with atomic_folder(folder) as temporary:
        faiss.write_index(base.index, str(temporary / INDEX_FILE))
        products = pl.DataFrame({columns.PRODUCT_ID: base.products.ids, columns.PRODUCT_NAME: base.names})
        products.write_parquet(temporary / PRODUCTS_FILE)
        np.save(temporary / ADDED_FILE, base.added_history, allow_pickle=False)
        meta = {
            "format": FORMAT,
            "kind": base.kind,
            "count": len(base),
            "added": base.num_added,
            "dim": base.dim,
            "history_dim": base.added_history.shape[1],
            "origin": base.origin.model_dump(mode="json"),
            "sha256": {name: sha256_of(temporary / name) for name in (INDEX_FILE, PRODUCTS_FILE, ADDED_FILE)},
        }
        write_json(temporary / META_FILE, meta)


def vector_base_folder(model: Path, paths: Paths) -> Path:
    """Where the vector base of a model lies: in its folder; of a file of before, in the work folder."""
    return model / "vector_base" if model.is_dir() else paths.vector_base


def load_vector_base(folder: Path, model: StoredGraph | None = None) -> VectorBase:
    """Read a vector base.

    Args:
        folder: written by `save_vector_base`.
        model: what it must have been made from; None: it may be any.

    Raises:
        VectorBaseError: it is missing, damaged, or made from another model; its remedy makes it anew.
    """
    import polars as pl
    from polars.exceptions import PolarsError

    if not folder.is_dir():
        raise VectorBaseError(f"no vector base at {folder}", create_remedy("make it first", folder))
    meta = _read_meta(folder)
    try:
        origin = _origin(meta)
        for name, expected in meta["sha256"].items():
            if not (folder / name).is_file():
                raise _damaged(folder, f"{name} is missing")
            if sha256_of(folder / name) != expected:
                raise _damaged(folder, f"{name} is not the file that was written")
        if model is not None:
            check_origin(origin, folder, model)
        index = faiss.read_index(str(folder / INDEX_FILE))
        products = pl.read_parquet(folder / PRODUCTS_FILE)
        added = np.load(folder / ADDED_FILE, allow_pickle=False)
        base = VectorBase(
            index,
            IdMap(products[columns.PRODUCT_ID].to_list(), "product"),
            products[columns.PRODUCT_NAME].to_list(),
            added,
            origin,
        )
        counts = {"meta.json": meta["count"], "index": int(index.ntotal), "products": len(products)}
        shape = (meta["added"], meta["history_dim"])
    except (ConfigError, KeyError, TypeError, AttributeError, ValueError, RuntimeError, OSError, PolarsError) as error:
        raise _damaged(folder, str(error).splitlines()[0]) from error
    if len(set(counts.values())) > 1:
        raise _damaged(folder, "numbers of products differ: " + ", ".join(f"{key} {n:,}" for key, n in counts.items()))
    if base.dim != meta["dim"] or added.shape != shape:
        raise _damaged(folder, f"dimension {base.dim}, added products {added.shape}; expected {meta['dim']}, {shape}")
    return base


def check_origin(origin: Origin, folder: Path, model: StoredGraph) -> None:
    """Refuse a base that was made from another model.

    Raises:
        VectorBaseError: names both models; its remedy makes the base anew.
    """
    if origin.fingerprint != model.fingerprint:
        raise VectorBaseError(
            f"the vector base {folder} was made on {origin.created} from checkpoint {origin.checkpoint} "
            f"({origin.fingerprint[:SHOWN]}), but the checkpoint here is {model.path.name} "
            f"({model.fingerprint[:SHOWN]})",
            create_remedy("make it anew", folder, model.path),
        )


def create_remedy(action: str, folder: Path, model: Path | None = None) -> Remedy:
    """The command that makes the vector base in a folder."""
    in_model = (folder.parent / MANIFEST_FILE).is_file()  # else it is one of before, in the work folder
    model = model or (folder.parent if in_model else None)
    work_dir = folder.parent
    if in_model:
        models = folder.parent.parent
        work_dir = models.parent if models == Paths(work_dir=models.parent).checkpoints else Path()
    settings = Paths(work_dir=work_dir).settings | ({"checkpoint": model} if model else {})
    return Remedy(action, "rec_sys.vector_database.create_vectorbase", settings)


def _origin(meta: dict[str, Any]) -> Origin:
    """Where a base comes from; bases of before have another name for one value."""
    values = dict(meta["origin"])
    if "likeness" in values:
        values["similarity_dim"] = values.pop("likeness")
    return Origin.read(values, "origin")


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / META_FILE
    if not path.is_file():
        raise _damaged(folder, f"{META_FILE} is missing")
    try:
        meta = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise _damaged(folder, f"{META_FILE}: {error}") from error
    found = meta.get("format") if isinstance(meta, dict) else None
    if found != FORMAT:
        raise VectorBaseError(
            f"{folder} holds {found or 'something else'!r}; expected {FORMAT!r}", create_remedy("make it anew", folder)
        )
    return dict(meta)


def _damaged(folder: Path, reason: str) -> VectorBaseError:
    return VectorBaseError(f"the vector base {folder} is damaged ({reason})", create_remedy("make it anew", folder))
