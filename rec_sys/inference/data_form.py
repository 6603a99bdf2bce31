"""How the data that a model was trained on calls its fields and rates: requests in the same form are read alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from pydantic import Field

from rec_sys.arrays import Floats
from rec_sys.dataset.readers.ratings import STARS, Scale
from rec_sys.errors import ConfigError
from rec_sys.settings import Settings


class DataForm(Settings):
    """The names of columns and the rating scale; the defaults are those of data of which nothing is recorded."""

    columns: dict[str, str] = Field(default_factory=dict, description="what a field is called, by field")
    rating_scale: Scale = Field(STARS, description="lowest and best rating")

    @classmethod
    def of_model(cls, info: Mapping[str, Any]) -> Self:
        """What a model's record says; models of before there was such a record have the defaults."""
        data = info.get("data") or {}
        taken: Mapping[str, list[str]] = data.get("columns") or {}
        return cls(
            columns={field: names[0] for field, names in taken.items() if names},
            rating_scale=tuple(data.get("rating_scale") or STARS),
        )

    @classmethod
    def of_text(cls, text: str) -> Self:
        """From JSON, as `model_dump_json` writes it.

        Raises:
            ConfigError: it is none.
        """
        try:
            return cls.model_validate_json(text)
        except ValueError as error:
            raise ConfigError(f"the form of the data cannot be read ({error})") from error

    def shown(self, stars: Floats) -> Floats:
        """Predicted ratings of 1 to 5 (any shape; nan stays) on the scale of the data, within its limits."""
        low, high = self.rating_scale
        if (low, high) == STARS:
            return stars
        on_scale: Floats = np.clip(low + (stars - STARS[0]) * (high - low) / (STARS[1] - STARS[0]), low, high)
        return on_scale
