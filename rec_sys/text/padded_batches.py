"""The sentence-transformers model itself, which reads batches padded to their longest sequence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rec_sys.text.token_batches import padded


class LibraryModel:
    """The sentence-transformers model itself, for CUDA and for models that are no plain BERT."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: str) -> None:
        from sentence_transformers import SentenceTransformer

        self.device = device
        options = {"dtype": dtype, "attn_implementation": "sdpa", "use_safetensors": True}
        self.model = SentenceTransformer(str(folder), device=device, model_kwargs=options, local_files_only=True).eval()

    def __call__(self, sequences: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        tokens, mask = (torch.from_numpy(part).to(self.device) for part in padded(sequences))
        with torch.inference_mode():
            vectors = self.model({"input_ids": tokens, "attention_mask": mask})["sentence_embedding"].float()
        return torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
