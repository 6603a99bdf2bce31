"""Vectors of texts that were seen before are not computed again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats
from rec_sys.text.text_encoder import TextEncoder

DIGEST = 16  # bytes of a text's digest: two texts of one digest are not to be expected in this universe


class CachedEncoder:
    """An encoder with a cache of the texts used last; several threads may call it at once.

    Vectors are kept in the half precision to which `embed` rounds them anyway, so a text gives the same products
    whether it was seen before or not: 768 bytes a text with 384 dimensions.

    Args:
        encoder: computes what the cache lacks.
        text_dim: of its vectors.
        size: texts in the cache; 0: none.
    """

    def __init__(self, encoder: TextEncoder, text_dim: int, size: int) -> None:
        self.encoder, self.text_dim, self.size = encoder, text_dim, size
        self.hits = self.misses = 0
        self._vectors: OrderedDict[bytes, npt.NDArray[np.float16]] = OrderedDict()  # least recently used first
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._vectors)

    def encode(self, texts: list[str]) -> Floats:
        """(len(texts), text_dim) float32, rounded to half precision; zeros where a text is blank."""
        vectors = np.zeros((len(texts), self.text_dim), dtype=np.float32)
        rows_of: dict[bytes, list[int]] = {}
        for row, text in enumerate(texts):
            if text.strip():
                rows_of.setdefault(_digest(text), []).append(row)
        unknown = []
        with self._lock:
            for digest, rows in rows_of.items():
                vector = self._vectors.get(digest)
                if vector is None:
                    unknown.append(digest)
                else:
                    self._vectors.move_to_end(digest)
                    vectors[rows] = vector
            self.hits += len(rows_of) - len(unknown)
            self.misses += len(unknown)
        if not unknown:
            return vectors
        new = self.encoder.encode([texts[rows_of[digest][0]] for digest in unknown]).astype(np.float16)
        for digest, vector in zip(unknown, new, strict=True):
            vectors[rows_of[digest]] = vector
        with self._lock:
            for digest, vector in zip(unknown, new, strict=True):
                self._vectors[digest] = vector.copy()  # a copy: a view would hold the whole batch
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)
        return vectors


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST).digest()
