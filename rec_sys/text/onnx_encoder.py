"""The text encoder in ONNX Runtime with 8-bit weights: exported once from the same weights, then kept on disk."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rec_sys.errors import EncoderError
from rec_sys.files import atomic_file
from rec_sys.text.encoder_files import EncoderFiles
from rec_sys.text.onnx_session import onnx_session
from rec_sys.text.token_batches import padded


class OnnxInt8:
    """Dynamically quantised BERT with mean pooling.

    Args:
        files: of the encoder.
        model_file: the exported model; written first where it is missing.
        threads: of ONNX Runtime.

    Raises:
        EncoderError: the extra is not installed, the model is no BERT with mean pooling, or `model_file` is damaged.
    """

    def __init__(self, files: EncoderFiles, model_file: Path, threads: int) -> None:
        try:
            import onnx  # noqa: F401  (needed by the quantizer)
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401  (needed by the exporter)
        except ImportError as error:
            raise EncoderError(f"the onnx_int8 encoder needs {error.name}; install the extra rec-sys[onnx]") from error
        if not files.is_plain_bert:
            raise EncoderError(f"the onnx_int8 encoder needs BERT with mean pooling; {files.folder} is another model")
        if not model_file.is_file():
            _export(files.folder, model_file)
        try:
            self.session = onnx_session(model_file, threads)
        except ValueError as error:
            raise EncoderError(
                f"exported encoder {model_file} cannot be loaded ({error}); delete it and run again"
            ) from error

    def __call__(self, sequences: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Unit vectors of tokenized texts, (len(sequences), hidden_size)."""
        tokens, mask = padded(sequences)
        (vectors,) = self.session.run(["vectors"], {"input_ids": tokens, "attention_mask": mask})
        return np.asarray(vectors, dtype=np.float32)


class _Pooled(nn.Module):
    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        return nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=1)


def _export(folder: Path, model_file: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as scratch, _silence(), atomic_file(model_file) as temporary:
        write_float32(folder, Path(scratch) / "float32.onnx")
        # One scale per channel: mean cosine to float32 .99, with one scale per tensor .95.
        quantize_dynamic(Path(scratch) / "float32.onnx", temporary, per_channel=True)


def write_float32(folder: Path, path: Path) -> None:
    """Write a BERT with mean pooling as ONNX: `input_ids` and `attention_mask` to `vectors`, unit vectors.

    Args:
        folder: the sentence-transformers folder.
        path: the file; one, with the weights in it.
    """
    from transformers import AutoModel
    from transformers.utils import logging as talk

    talk.disable_progress_bar()  # type: ignore[no-untyped-call]
    bert = AutoModel.from_pretrained(folder, attn_implementation="eager", use_safetensors=True, local_files_only=True)
    # Two tensors: the exporter takes one tensor given twice for one input and silently drops the mask.
    example = (torch.ones(2, 16, dtype=torch.int64), torch.ones(2, 16, dtype=torch.int64))
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=bert.config.max_position_embeddings)
    with _silence():
        torch.onnx.export(
            _Pooled(bert).eval(),
            example,
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Exporter and quantizer talk about their own insides."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)
