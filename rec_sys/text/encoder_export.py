"""The text encoder as a folder for serving: ONNX weights in float32, the tokenizer, and what it is."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np

from rec_sys.errors import EncoderError
from rec_sys.files import atomic_folder, sha256_of, write_json
from rec_sys.text.encoder import Encoder
from rec_sys.text.onnx_encoder import write_float32
from rec_sys.text.onnx_text_encoder import (
    ABOUT_FILE,
    FORMAT,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    OnnxTextEncoder,
)
from rec_sys.text.settings import EncoderSettings

LEAST_COSINE = 0.99999  # to the vectors of torch in float32
SAMPLES = (
    "a",
    "Great strings, warm tone.",
    "Ünïcode ☃ 日本 <b>html</b> &amp; emoji 🎸",
    "The pick broke after a week of playing, would not buy it again; my old one lasted for years! " * 3,
    "This pedal is noisy. " * 200,  # longer than what is read
)


def export_text_encoder(encoder: Encoder, folder: Path) -> str:
    """Write a text encoder for `OnnxTextEncoder`; the folder appears whole or not at all.

    Args:
        encoder: the one a checkpoint was trained with; whatever it computes in, float32 is written.
        folder: where to; an older one is replaced.

    Returns:
        The fingerprint of what was written; another one means other vectors.

    Raises:
        EncoderError: the model is no BERT with mean pooling, the extra rec-sys[onnx] is not installed, or what was
            exported differs from torch; nothing is written then.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise EncoderError(f"exporting the text encoder needs {error.name}; install the extra rec-sys[onnx]") from error
    if not encoder.files.is_plain_bert:
        raise EncoderError(
            f"only BERT with mean pooling can be exported for serving; {encoder.folder} is another model"
        )
    fingerprint = served_fingerprint(encoder)
    with atomic_folder(folder) as temporary:
        write_float32(encoder.folder, temporary / WEIGHTS_FILE)
        shutil.copyfile(encoder.folder / TOKENIZER_FILE, temporary / TOKENIZER_FILE)
        about = {
            "format": FORMAT,
            "name": encoder.settings.name,
            "fingerprint": fingerprint,
            "max_length": encoder.max_length,
            "dimension": encoder.dimension,
            "sha256": {name: sha256_of(temporary / name) for name in (WEIGHTS_FILE, TOKENIZER_FILE)},
        }
        write_json(temporary / ABOUT_FILE, about)
        _check(encoder, temporary)
    return fingerprint


def served_fingerprint(encoder: Encoder) -> str:
    """What `export_text_encoder` will call its folder: that of the encoder in float32, by ONNX Runtime."""
    float32 = _in_float32(encoder)
    return hashlib.sha256(f"{float32.fingerprint}\n{FORMAT}".encode()).hexdigest()[:32]


def _check(encoder: Encoder, folder: Path) -> None:
    ours = OnnxTextEncoder(folder).encode(SAMPLES)
    cosine = (ours * _in_float32(encoder).encode(SAMPLES)).sum(axis=1)
    if not (np.isfinite(ours).all() and cosine.min() > LEAST_COSINE):
        raise EncoderError(
            f"the exported text encoder differs from torch: cosine {cosine.min():.6f} at sample "
            f"{int(cosine.argmin())}; expected above {LEAST_COSINE}. Nothing was written; report this"
        )


def _in_float32(encoder: Encoder) -> Encoder:
    if encoder.backend == "float32":
        return encoder
    values = encoder.settings.model_dump()
    return Encoder(EncoderSettings.read({**values, "backend": "float32"}, "encoder"), encoder.cache_dir)
