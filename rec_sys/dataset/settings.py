"""Settings of the data: which reviews, how they are read, how they are split. Light: commands import it for --help."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rec_sys.dataset.readers.formats import ColumnNames
from rec_sys.dataset.sources.locate import SourceSettings
from rec_sys.settings import Settings


class DataSettings(SourceSettings):
    """Which reviews, and how they are read."""

    format: Literal["auto", "interactions"] = Field(
        "auto",
        description="interactions: whatever the file looks like, a user and a product are enough; without a time the "
        "order of the file counts",
    )
    columns: ColumnNames = Field(default_factory=ColumnNames, description="columns of files of no known format")
    k_core: int = Field(1, ge=1, description="keep users and products with at least this many reviews; 1 keeps all")


class SplitSettings(Settings):
    """How the table is split."""

    held_out_users: float = Field(0.0, ge=0, lt=1, description="part of the users kept out of training whole")
    held_out_products: float = Field(0.0, ge=0, lt=1, description="part of the products kept out of training whole")
    seed: int = Field(0, ge=0, description="draws the held-out users and products")
