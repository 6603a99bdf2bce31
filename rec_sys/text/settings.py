"""Settings of the text encoder. No torch in here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rec_sys.settings import Settings

Backend = Literal["auto", "float32", "bfloat16", "onnx_int8"]


class EncoderSettings(Settings):
    """Which text encoder, and how it is computed."""

    name: str = Field("all-MiniLM-L6-v2", min_length=1, description="model name, or a sentence-transformers folder")
    backend: Backend = Field("auto", description="auto: bfloat16 where the machine computes it natively, else float32")
    tokens_per_batch: int = Field(2048, ge=256, le=1_048_576, description="tokens computed at once by one thread")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0: as many as torch uses")
