"""Texts become unit vectors: all-MiniLM-L6-v2, or any other sentence-transformers folder.

What computes the vectors follows from `EncoderSettings.backend` and the machine:

float32, bfloat16   on a CPU `PackedBert` where the model allows it, otherwise (and on CUDA) the library's own model
onnx_int8           ONNX Runtime with 8-bit weights (extra `rec-sys[onnx]`); vectors differ a little more
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from rec_sys.errors import EncoderError
from rec_sys.text.encoder_files import EncoderFiles
from rec_sys.text.packed_bert import PackedBert
from rec_sys.text.padded_batches import LibraryModel
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.token_batches import token_batches

Forward = Callable[[Sequence[Sequence[int]]], npt.NDArray[np.float32]]


def native_backend() -> Literal["float32", "bfloat16"]:
    """bfloat16 on CUDA and on CPUs with AVX512-BF16 or AMX (elsewhere it is emulated and slow), otherwise float32."""
    if torch.cuda.is_available():
        return "bfloat16"
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


class Encoder:
    """Texts to unit vectors. Weights are loaded when the first text is encoded, never before.

    Args:
        settings: which model, and how it is computed.
        cache_dir: where the `onnx_int8` backend keeps its exported model; no other backend needs it.

    Raises:
        EncoderError: the model cannot be had or does not fit.
    """

    def __init__(self, settings: EncoderSettings | None = None, cache_dir: Path | None = None) -> None:
        self.settings = settings or EncoderSettings()
        self.cache_dir = cache_dir
        self.files = EncoderFiles(self.settings.name)
        self.folder = self.files.folder
        self.backend = native_backend() if self.settings.backend == "auto" else self.settings.backend
        self.loaded = False

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.files.dimension

    @property
    def max_length(self) -> int:
        """Longest text in tokens."""
        return self.files.max_length

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits; another one means other vectors (weights, tokenizer, pooling, length or number format)."""
        return self.files.fingerprint(self.backend)

    @cached_property
    def _forward(self) -> tuple[Forward, int]:
        """What computes one batch, and how many threads may do so at once."""
        self.loaded = True
        threads = self.settings.threads or torch.get_num_threads()
        if self.backend == "onnx_int8":
            from rec_sys.text.onnx_encoder import OnnxInt8

            if self.cache_dir is None:
                raise EncoderError("the onnx_int8 encoder needs a cache folder for its exported model; give cache_dir")
            return OnnxInt8(self.files, self.cache_dir / f"{self.fingerprint}.onnx", threads), 1
        dtype = torch.bfloat16 if self.backend == "bfloat16" else torch.float32
        if torch.cuda.is_available():
            return LibraryModel(self.folder, dtype, "cuda"), 1
        if self.files.is_plain_bert:
            return PackedBert(self.folder, dtype), threads
        return LibraryModel(self.folder, dtype, "cpu"), 1

    def encode(self, texts: Sequence[str], progress: Callable[[int], object] | None = None) -> npt.NDArray[np.float32]:
        """Unit vectors of texts; a text of nothing but white space gets zeros, and a repeated text is computed once.

        Args:
            texts: any texts, in any order.
            progress: called with the number of further texts done.

        Returns:
            (len(texts), dimension)
        """
        number_of = {text: number for number, text in enumerate(dict.fromkeys(t for t in texts if t.strip()))}
        vectors = np.zeros((len(number_of) + 1, self.dimension), dtype=np.float32)  # the last one: the empty text
        numbers = np.array([number_of.get(text, -1) for text in texts], dtype=np.int64)
        copies = np.bincount(numbers[numbers >= 0], minlength=len(number_of))
        if progress is not None and (numbers < 0).any():
            progress(int((numbers < 0).sum()))
        for done, values in self.stream(list(number_of)):
            vectors[done] = values
            if progress is not None:
                progress(int(copies[done].sum()))
        return vectors[numbers]

    def stream(self, texts: list[str]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Encode distinct, non-empty texts batch by batch, in an order of its own.

        Yields:
            places in `texts` (n,) and their unit vectors (n, dimension).
        """
        if not texts:
            return
        forward, threads = self._forward
        tokens = [encoding.ids for encoding in self.files.tokenizer.encode_batch(texts)]
        batches = token_batches(np.array([len(ids) for ids in tokens]), self.settings.tokens_per_batch)

        def compute(batch: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            return forward([tokens[place] for place in batch])

        if threads == 1:
            yield from ((batch, compute(batch)) for batch in batches)
            return
        # One batch per thread beats one batch split over the threads: nobody waits at the end of every operation.
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                yield from zip(batches, pool.map(compute, batches), strict=True)
            finally:
                pool.shutdown(cancel_futures=True)  # Ctrl-C must not wait for all batches
                torch.set_num_threads(torch.get_num_threads())  # threads started later get the old number again
