"""Settings of the data: which reviews, how they are read, how they are split. Light: commands import it for --help."""

from __future__ import annotations

from pydantic import Field

from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.sources.locate import SourceSettings
from rec_sys.settings import Settings


class DataSettings(SourceSettings, ReadingSettings):
    """Which reviews, and how they are read."""

    k_core: int = Field(1, ge=1, description="keep users and products with at least this many reviews; 1 keeps all")


class SplitSettings(Settings):
    """How the table is split."""

    held_out_users: float = Field(0.0, ge=0, lt=1, description="part of the users kept out of training whole")
    held_out_products: float = Field(0.0, ge=0, lt=1, description="part of the products kept out of training whole")
    seed: int = Field(0, ge=0, description="draws the held-out users and products")
