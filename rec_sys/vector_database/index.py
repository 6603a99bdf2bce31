"""The vector base: unit vectors of all products in a FAISS index, with their ids, names and where they come from.

FAISS: Douze et al. 2024, https://arxiv.org/abs/2401.08281; HNSW: Malkov and Yashunin 2018,
https://arxiv.org/abs/1603.09320.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import faiss
import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats, Ints
from rec_sys.ids import IdMap
from rec_sys.recommenders.graph.vector_layout import CONTENT, content_part
from rec_sys.settings import Settings

if TYPE_CHECKING:
    from rec_sys.recommenders.graph.stored import StoredGraph  # safetensors, which serving does without

Kind = Literal["exact", "hnsw"]

NONE = -1  # stands in a row of results where there is no product left
MARGIN = 16  # more candidates than asked for, so that which of several equal products is found does not hang on chance


class VectorBaseSettings(Settings):
    """How products are searched."""

    kind: Literal["auto", "exact", "hnsw"] = Field("auto", description="auto: exact up to exact_up_to, HNSW beyond")
    exact_up_to: int = Field(100_000, ge=0, description="most products that auto searches exactly")
    hnsw_m: int = Field(32, ge=4, le=256, description="HNSW: neighbours of a vector; more is better, slower, larger")
    ef_construction: int = Field(200, ge=8, le=10_000, description="HNSW: candidates looked at when a vector is added")
    ef_search: int = Field(128, ge=8, le=100_000, description="HNSW: candidates looked at in a search")

    def kind_for(self, count: int) -> Kind:
        """The kind of index for so many products."""
        if self.kind == "auto":
            return "exact" if count <= self.exact_up_to else "hnsw"
        return self.kind


class Origin(Settings):
    """Where the vectors of a base come from."""

    checkpoint: str = Field(description="file name of the checkpoint")
    fingerprint: str = Field(description="sha256 of that file")
    created: str = Field(description="ISO 8601, UTC")
    settings: VectorBaseSettings = Field(description="how products are searched")
    similarity_dim: int = Field(
        0,
        ge=0,
        description="coordinates after the rating bias that say what a product is like: preference and item factors; "
        "0: all",
    )


@dataclass(frozen=True)
class VectorBase:
    """All products that can be recommended.

    The products of the checkpoint keep their numbers; those added later follow in the order in which they came.
    """

    index: Any  # a FAISS index with inner product over (len(products), dim)
    products: IdMap
    names: list[str]  # one per product; empty where none is known
    added_history: Floats  # (num_added, history_dim) what the user tower reads of the products added later
    origin: Origin

    @classmethod
    def of_model(cls, stored: StoredGraph, settings: VectorBaseSettings | None = None) -> VectorBase:
        """The products of a trained graph model."""
        settings = settings or VectorBaseSettings()
        origin = Origin(
            checkpoint=stored.path.name,
            fingerprint=stored.fingerprint,
            created=_now(),
            settings=settings,
            similarity_dim=stored.layout.similarity_dim if stored.blend else 0,
        )
        none_added = np.empty((0, stored.history.shape[1]), dtype=np.float32)
        return cls(build_index(stored.target, settings), stored.products, list(stored.names), none_added, origin)

    def __len__(self) -> int:
        return len(self.products)

    @property
    def dim(self) -> int:
        return int(self.index.d)

    @property
    def kind(self) -> Kind:
        return "hnsw" if hasattr(self.index, "hnsw") else "exact"

    @property
    def num_added(self) -> int:
        return len(self.added_history)

    def with_products(self, ids: Sequence[str], names: Sequence[str], target: Floats, history: Floats) -> VectorBase:
        """This base and more products; this one stays as it is.

        Args:
            ids: (n,) product ids, none of them in the base.
            names: (n,)
            target: (n, dim) unit vectors.
            history: (n, history_dim) what the user tower reads of them.
        """
        settings = self.origin.settings
        if settings.kind_for(len(self) + len(ids)) == self.kind:
            index = faiss.clone_index(self.index)
            index.add(np.ascontiguousarray(target, dtype=np.float32))
        else:
            index = build_index(np.concatenate([self.vectors(np.arange(len(self))), target]), settings)
        return VectorBase(
            index,
            IdMap([*self.products.ids, *ids], "product"),
            [*self.names, *names],
            np.concatenate([self.added_history, history]).astype(np.float32),
            self.origin.model_copy(update={"created": _now()}),
        )

    def vectors(self, numbers: Ints) -> Floats:
        """(len(numbers), dim) vectors of some products."""
        if not len(numbers):
            return np.empty((0, self.dim), dtype=np.float32)
        vectors: Floats = self.index.reconstruct_batch(np.ascontiguousarray(numbers, dtype=np.int64))
        return vectors

    def without_codes(self, users: Floats) -> Floats:
        """Users' vectors, (n, dim), for a search that filters seen items by number.

        The exclusion codes, which push seen items down, push down what shares a code with them as well.
        """
        vectors = users.copy()
        if self.similarity.stop is not None:
            vectors[:, self.similarity.stop :] = 0
        return vectors

    @property
    def similarity(self) -> slice:
        """The coordinates that say what a product is like: neither the rating bias nor what follows item factors."""
        return content_part(self.origin.similarity_dim) if self.origin.similarity_dim else CONTENT

    def search(self, vectors: Floats, k: int, exclude: Sequence[Ints] | None = None) -> tuple[Ints, Floats]:
        """The products with the largest inner products, largest first, the lower number first where equal.

        Args:
            vectors: (n, dim).
            k: products wanted, at least 1.
            exclude: per vector the product numbers that must not be found.

        Returns:
            Product numbers and scores, both (n, min(k, len(self))). A row in which `exclude` leaves fewer products
            ends with -1 and -inf.
        """
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        left_out = [np.unique(numbers) for numbers in exclude] if exclude is not None else [np.empty(0)] * len(vectors)
        width = min(k, len(self))
        numbers = np.full((len(vectors), width), NONE, dtype=np.int64)
        scores = np.full((len(vectors), width), -np.inf, dtype=np.float32)
        if not len(vectors):
            return numbers, scores
        wanted = min(width + MARGIN + max(len(out) for out in left_out), len(self))
        for row, found in enumerate(self._nearest(vectors, wanted)):
            kept = found[~np.isin(found, left_out[row])]
            # FAISS's own scores of equal vectors differ in the last bit with their place and the size of the batch.
            score = np.einsum("nd,d->n", self.vectors(kept), vectors[row])
            order = np.lexsort((kept, -score))[:width]
            numbers[row, : len(order)], scores[row, : len(order)] = kept[order], score[order]
        return numbers, scores

    def _nearest(self, vectors: Floats, count: int) -> Ints:
        """(n, count) product numbers, nothing left out."""
        numbers: Ints
        if self.kind == "exact":
            _, numbers = self.index.search(vectors, count)
            return numbers
        effort = max(self.origin.settings.ef_search, count)
        parameters = faiss.SearchParametersHNSW(efSearch=effort)  # type: ignore[attr-defined]
        _, numbers = self.index.search(vectors, count, params=parameters)
        short = (numbers < 0).any(axis=1)  # the graph of neighbours does not lead everywhere
        if short.any():
            _, numbers[short] = faiss.downcast_index(self.index.storage).search(vectors[short], count)
        return numbers


def build_index(target: Floats, settings: VectorBaseSettings) -> Any:
    """A FAISS index of (num_products, dim) vectors."""
    count, dim = target.shape
    index: Any
    if settings.kind_for(count) == "exact":
        index = faiss.IndexFlatIP(dim)
    else:
        index = faiss.IndexHNSWFlat(dim, settings.hnsw_m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = settings.ef_construction
    index.add(np.ascontiguousarray(target, dtype=np.float32))
    return index


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
