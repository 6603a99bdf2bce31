"""The vectors of all review texts: from the cache where it knows them, from the encoder otherwise.

Texts pass through batch by batch and are never all in memory. What is done is kept: a run that was stopped or killed
goes on where it was, and a second run computes nothing and does not load the model.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_sys.files import atomic_file
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.text.embedding_cache import EmbeddingCache, text_key
from rec_sys.text.encoder import Encoder

_COMMIT_TEXTS = 512
_COMMIT_SECONDS = 5.0


@dataclass(frozen=True)
class EmbeddingResult:
    """Vectors of texts, and where they came from: new + from_cache + empty + repeated = all texts given."""

    vectors: npt.NDArray[np.float16]  # (num_texts, dimension), unit length or zeros; read-only map of `out` if given
    fingerprint: str  # of the encoder
    new: int  # encoded now
    from_cache: int  # known before; a text that an earlier batch of this run encoded counts here too
    empty: int  # nothing but white space: zeros
    repeated: int  # the same text as another one of its batch
    seconds: float

    @property
    def texts_per_second(self) -> float:
        return (self.new + self.from_cache + self.empty + self.repeated) / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        return (
            f"{self.new:,} texts embedded, {self.from_cache:,} from the cache, {self.repeated:,} repeated, "
            f"{self.empty:,} empty; {self.texts_per_second:,.0f} texts/s"
        )


def embed_texts(
    batches: Iterable[tuple[npt.NDArray[np.int64], list[str]]],
    num_texts: int,
    encoder: Encoder,
    cache_dir: Path,
    out: Path | None = None,
    progress: ProgressCallback | None = None,
) -> EmbeddingResult:
    """Embed texts, for instance those of `ReviewTable.texts()`.

    Args:
        batches: row numbers (n,) below `num_texts` and their n texts; rows that no batch names stay zero.
        num_texts: rows of the result.
        encoder: computes what the cache does not know.
        cache_dir: where the cache lies, one file per encoder.
        out: write the vectors to this .npy file, atomically, and return a map of it; None keeps them in memory.
        progress: told how many texts are done.

    Raises:
        DataError: the cache is damaged or cannot be used.
        EncoderError: the encoder cannot be loaded.
    """
    begin = time.monotonic()
    shape = (num_texts, encoder.dimension)
    counts = dict.fromkeys(("new", "from_cache", "empty", "repeated"), 0)
    with ExitStack() as stack:
        cache = stack.enter_context(EmbeddingCache(cache_dir, encoder.fingerprint, encoder.dimension))
        stage = Stage("embed", num_texts, "texts", progress)
        vectors: npt.NDArray[np.float16]
        if out is None:
            vectors = np.zeros(shape, dtype=np.float16)
        else:
            temporary = stack.enter_context(atomic_file(out))
            vectors = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        for rows, texts in batches:
            _embed_batch(rows, texts, vectors, encoder, cache, counts, stage)
        if isinstance(vectors, np.memmap):
            vectors.flush()
    if out is not None:
        vectors = np.load(out, mmap_mode="r", allow_pickle=False)
    return EmbeddingResult(vectors, encoder.fingerprint, **counts, seconds=time.monotonic() - begin)


def _embed_batch(
    rows: npt.NDArray[np.int64],
    texts: list[str],
    vectors: npt.NDArray[np.float16],
    encoder: Encoder,
    cache: EmbeddingCache,
    counts: dict[str, int],
    stage: Stage,
) -> None:
    """Fill `vectors[rows]`; every few hundred new texts go to the cache at once."""
    number_of = {text: number for number, text in enumerate(dict.fromkeys(t for t in texts if t.strip()))}
    distinct = list(number_of)
    keys = [text_key(text) for text in distinct]
    found, values = cache.get(keys)
    numbers = np.array([number_of.get(text, -1) for text in texts], dtype=np.int64)
    copies = np.bincount(numbers[numbers >= 0], minlength=len(distinct))
    missing = np.flatnonzero(~found)
    counts["new"] += len(missing)
    counts["from_cache"] += int(found.sum())
    counts["empty"] += int((numbers < 0).sum())
    counts["repeated"] += int((copies - 1).sum())
    stage.advance(len(texts) - int(copies[missing].sum()))

    waiting: list[npt.NDArray[np.int64]] = []
    last = time.monotonic()

    def keep() -> None:
        nonlocal last
        if waiting:
            places = np.concatenate(waiting)
            cache.put([keys[place] for place in places], values[places])
            waiting.clear()
        last = time.monotonic()

    try:
        for done, new in encoder.stream([distinct[place] for place in missing]):
            values[missing[done]] = new
            waiting.append(missing[done])
            stage.advance(int(copies[missing[done]].sum()))
            if sum(map(len, waiting)) >= _COMMIT_TEXTS or time.monotonic() - last >= _COMMIT_SECONDS:
                keep()
    finally:  # Ctrl-C, too, keeps what is done
        keep()
    vectors[rows] = np.concatenate([values, np.zeros((1, values.shape[1]), dtype=np.float16)])[numbers]
