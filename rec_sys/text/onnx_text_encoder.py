"""The text encoder for serving: a folder of ONNX weights and the tokenizer is all it needs; no torch in here.

`rec_sys.text.encoder_export` writes the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from rec_sys.errors import EncoderError
from rec_sys.text.onnx_session import onnx_session
from rec_sys.text.token_batches import padded, tight_batches

FORMAT = "rec_sys text encoder 1"
WEIGHTS_FILE, TOKENIZER_FILE, ABOUT_FILE = "model.onnx", "tokenizer.json", "encoder.json"
TOKENS_AT_ONCE = 512  # padding counted; more saves hardly anything

Vectors = npt.NDArray[np.float32]


class OnnxTextEncoder:
    """Texts to unit vectors, as `rec_sys.text.encoder.Encoder` in float32; several threads may ask at once.

    Args:
        folder: as `export_text_encoder` wrote it.
        threads: batches computed at once; 0: as many as there are cores.

    Raises:
        EncoderError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        from tokenizers import Tokenizer

        missing = [name for name in (WEIGHTS_FILE, TOKENIZER_FILE, ABOUT_FILE) if not (folder / name).is_file()]
        if missing:
            raise EncoderError(f"exported text encoder {folder} lacks {', '.join(missing)}; export it again")
        try:
            about = orjson.loads((folder / ABOUT_FILE).read_bytes())
            if about["format"] != FORMAT:
                raise EncoderError(f"{folder / ABOUT_FILE} holds {about['format']!r}; expected {FORMAT!r}")
            self.name, self.fingerprint = str(about["name"]), str(about["fingerprint"])
            self.max_length, self.dimension = int(about["max_length"]), int(about["dimension"])
            self.tokenizer: Any = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
            self.tokenizer.no_padding()
            self.tokenizer.enable_truncation(self.max_length)
            # One batch per thread beats one batch split over the threads.
            self.session = onnx_session(folder / WEIGHTS_FILE, threads=1)
        except (EncoderError, ImportError):
            raise
        except Exception as error:  # the errors of `tokenizers` have no common public base
            raise EncoderError(
                f"exported text encoder {folder} is damaged ({str(error)[:200]}); export it again"
            ) from error
        self.threads = threads or _cores()
        self.pool = ThreadPoolExecutor(self.threads, "encode") if self.threads > 1 else None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts; a text of nothing but white space gets zeros, and a repeated text is computed once.

        Args:
            texts: any texts, in any order.

        Returns:
            (len(texts), dimension)
        """
        number_of = {text: number for number, text in enumerate(dict.fromkeys(t for t in texts if t.strip()))}
        vectors = np.zeros((len(number_of) + 1, self.dimension), dtype=np.float32)  # the last one: the empty text
        if number_of:
            tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(list(number_of))]
            batches = tight_batches(np.array([len(ids) for ids in tokens]), TOKENS_AT_ONCE)
            jobs = [[tokens[place] for place in batch] for batch in batches]
            several = self.pool is not None and len(jobs) > 1
            results = self.pool.map(self._forward, jobs) if several and self.pool else map(self._forward, jobs)
            for batch, values in zip(batches, results, strict=True):
                vectors[batch] = values
        return vectors[np.array([number_of.get(text, -1) for text in texts], dtype=np.int64)]

    def _forward(self, sequences: Sequence[Sequence[int]]) -> Vectors:
        tokens, mask = padded(sequences)
        (vectors,) = self.session.run(["vectors"], {"input_ids": tokens, "attention_mask": mask})
        return np.asarray(vectors, dtype=np.float32)


def _cores() -> int:
    """Cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
