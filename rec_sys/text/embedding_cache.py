"""Text embeddings on disk, so that no text is ever encoded twice: one SQLite file per encoder fingerprint."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from rec_sys.errors import DataError

_WAIT = 60.0  # seconds to wait for another process
_AT_ONCE = 900  # keys per query; old SQLite allows 999


def text_key(text: str) -> bytes:
    """The key of a text: 16 bytes of blake2b."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class EmbeddingCache:
    """Key to float16 vector. Several processes may read and write at once; a killed one loses no whole `put`.

    Args:
        folder: where the cache lies; made if missing.
        fingerprint: of the encoder; names the file.
        dimension: length of a vector.

    Raises:
        DataError: the file is damaged, or cannot be used; the message names it.
    """

    def __init__(self, folder: Path, fingerprint: str, dimension: int) -> None:
        self.path = folder / f"{fingerprint}.sqlite"
        self.dimension = dimension
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def _prepare(self) -> None:
        # Turning WAL on does not wait for another process that does the same; SQLite reports "locked" at once.
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self._database.execute("PRAGMA synchronous = NORMAL")  # whole after a crash; a power cut may lose the last put
        self._database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    def get(self, keys: Sequence[bytes]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float16]]:
        """Look keys up.

        Returns:
            found (len(keys),) and vectors (len(keys), dimension), zeros where not found.
        """
        found = np.zeros(len(keys), dtype=np.bool_)
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float16)
        with self._errors():
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                rows = dict(self._database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part))  # noqa: S608  (only question marks)
                for place, key in enumerate(part, start):
                    value = rows.get(key)
                    if value is None:
                        continue
                    if len(value) != 2 * self.dimension:
                        raise sqlite3.DatabaseError(f"{len(value)} bytes in place of {2 * self.dimension}")
                    vectors[place] = np.frombuffer(value, dtype="<f2")
                    found[place] = True
        return found, vectors

    def put(self, keys: Sequence[bytes], vectors: npt.NDArray[np.floating]) -> None:
        """Keep vectors (len(keys), dimension), all or none of them; a key already there keeps its vector."""
        if vectors.shape != (len(keys), self.dimension):
            raise ValueError(f"vectors have shape {vectors.shape}, expected {(len(keys), self.dimension)}")
        rows = [(key, vector.tobytes()) for key, vector in zip(keys, vectors.astype("<f2"), strict=True)]
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def __len__(self) -> int:
        with self._errors():
            return int(self._database.execute("SELECT COUNT(*) FROM vectors").fetchone()[0])

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # locked, disk full, no right to write
            raise DataError(
                f"embedding cache {self.path} cannot be used ({error}); check its folder and disk"
            ) from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"embedding cache {self.path} is damaged ({error}); delete it and run again") from error
