"""Vectors of all products of a checkpoint into the vector base; later, new products into it.

uv run -m rec_sys.vector_database.create_vectorbase
uv run -m rec_sys.vector_database.create_vectorbase add_products=new_products.jsonl
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from pydantic import Field

from rec_sys.command import command, register_schema
from rec_sys.command_names import command_line
from rec_sys.dataset.readers.metadata import Product, read_products
from rec_sys.errors import CheckpointError, VectorBaseError
from rec_sys.paths import Paths, typed
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.recommenders.graph.numpy_encoder import NumpyGraphEncoder
from rec_sys.recommenders.graph.stored import KIND, read_stored
from rec_sys.recommenders.graph.trained_encoder import LazyTextEncoder
from rec_sys.settings import Settings, read_settings
from rec_sys.terminal import ProgressBars
from rec_sys.text.text_encoder import TextEncoder, embed
from rec_sys.vector_database.index import VectorBase, VectorBaseSettings
from rec_sys.vector_database.storage import load_vector_base, save_vector_base, vector_base_folder


class CreateSettings(Settings):
    """What goes into the vector base."""

    checkpoint: str = Field("", description="name or path; empty: the newest good one")
    add_products: Path | None = Field(None, description="file about new products: JSON lines, CSV or Parquet")
    batch_size: int = Field(1024, ge=1, description="new products encoded at once")
    vector_db: VectorBaseSettings = Field(default_factory=VectorBaseSettings, description="how products are searched")
    paths: Paths = Field(default_factory=Paths, description="where to read and write")


register_schema("vectorbase", CreateSettings)
register_schema("vector_db", VectorBaseSettings)
register_schema("paths", Paths)


@dataclass(frozen=True)
class Created:
    """What was written, and where."""

    folder: Path
    base: VectorBase
    counts: Counter[str]  # of the rows of add_products, by what became of them; empty without one
    dropped: int  # products that had been added to the base before and are not in the new one

    def describe(self) -> str:
        """A few lines for a person."""
        base = self.base
        size = sum(file.stat().st_size for file in self.folder.iterdir()) / 1e6
        lines = [
            f"vector base  {self.folder}",
            f"products     {len(base):,}" + (f", {base.num_added:,} of them added later" if base.num_added else ""),
            f"vectors      {base.dim} dimensions, {base.kind} search, {size:,.2f} MB",
            f"checkpoint   {base.origin.checkpoint} ({base.origin.fingerprint[:12]})",
        ]
        if self.counts:
            lines.append("file         " + ", ".join(f"{count:,} {what}" for what, count in self.counts.items()))
        if self.dropped:
            lines.append(f"left out     {self.dropped:,} products added to the old base; add them again: add_products=")
        return "\n".join(lines)


def create_vectorbase(
    settings: CreateSettings, encoder: TextEncoder | None = None, progress: ProgressCallback | None = None
) -> Created:
    """Write the vector base of a checkpoint, or add products to it.

    Products are added without training, from their texts alone. With `add_products` a missing base is made first, and
    one that is there keeps its kind of search.

    Args:
        settings: what to do.
        encoder: of the texts of new products; None loads the checkpoint's own.
        progress: told how many products are done.

    Raises:
        CheckpointError: there is none, or products shall be added to one that learned without texts.
        VectorBaseError: products shall be added to a base that is damaged or belongs to another checkpoint.
        DataError: the file about products cannot be read.
    """
    stored = read_stored(find_artifact(settings.checkpoint, settings.paths.checkpoints, KIND))
    if settings.add_products is not None and not stored.text_dim:
        raise CheckpointError(
            f"add_products={settings.add_products}: checkpoint {stored.path.name} learned without texts, so "
            f"a product that nobody has reviewed is nothing to it; leave add_products out, or train with texts"
        )
    folder = vector_base_folder(stored.path, settings.paths)
    counts: Counter[str] = Counter()
    dropped = 0
    if settings.add_products is None:
        dropped = _num_added(folder)
        base = VectorBase.of_model(stored, settings.vector_db)
    else:
        there = folder.exists()
        base = load_vector_base(folder, stored) if there else VectorBase.of_model(stored, settings.vector_db)
        rows = read_products(settings.add_products, counts)
        encoder = encoder or LazyTextEncoder(stored, settings.paths)
        base = add_products(base, rows, NumpyGraphEncoder(stored), encoder, counts, settings.batch_size, progress)
    save_vector_base(base, folder)
    return Created(folder, base, counts, dropped)


def add_products(
    base: VectorBase,
    products: Iterable[Product],
    graph: NumpyGraphEncoder,
    encoder: TextEncoder,
    counts: Counter[str] | None = None,
    batch_size: int = 1024,
    progress: ProgressCallback | None = None,
) -> VectorBase:
    """A base with more products, from their texts alone; those it knows stay as they are.

    Args:
        base: of the checkpoint; not changed.
        products: each id once.
        graph: turns vectors of texts into vectors of products.
        encoder: the checkpoint's.
        counts: where products are counted as "added" and "known already".
        batch_size: texts encoded at once.
        progress: told how many products are done.
    """
    counts = Counter() if counts is None else counts
    ids: list[str] = []
    names: list[str] = []
    target, history = [], []
    left = iter(products)
    stage = Stage("new products", None, "products", progress)
    while batch := list(islice(left, batch_size)):
        new = [product for product in batch if product.product_id not in base.products]
        counts["known already"] += len(batch) - len(new)
        if new:
            text = embed(encoder, [product.text for product in new])
            history_of_batch, target_of_batch = graph.encode_cold_items(text)
            ids += [product.product_id for product in new]
            names += [product.name for product in new]
            target.append(target_of_batch)
            history.append(history_of_batch)
        stage.advance(len(batch))
    counts["added"] += len(ids)
    if not ids:
        return base
    return base.with_products(ids, names, np.concatenate(target), np.concatenate(history))


def _num_added(folder: Path) -> int:
    """How many products were added to the base that is there; 0 where none can be read."""
    try:
        return load_vector_base(folder).num_added
    except VectorBaseError:
        return 0


@command("vectorbase_config")
def main(cfg: DictConfig) -> None:
    """Create the vector base and say what comes next."""
    settings = read_settings(cfg, CreateSettings, "")
    created = create_vectorbase(settings, progress=ProgressBars())
    print(created.describe())
    checkpoint = f" {typed('checkpoint', settings.checkpoint)}" if settings.checkpoint else ""
    print(f"\nnext:\n  {command_line('rec_sys.inference.infer')}{settings.paths.option}{checkpoint}")


if __name__ == "__main__":
    main()
