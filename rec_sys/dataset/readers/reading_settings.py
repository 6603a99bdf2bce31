"""How a raw file of reviews is read, where its own bytes are not enough to tell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from rec_sys.dataset.readers.encoding import AUTO
from rec_sys.dataset.readers.formats import ColumnNames
from rec_sys.settings import Settings


class ReadingSettings(Settings):
    """What a file is told beside its content; all of it may be left alone."""

    format: Literal["auto", "interactions", "ratings", "events", "orders"] = Field(
        "auto",
        description="auto: reviews; interactions: whatever the file looks like, a user and a product are enough, "
        "without a time the order of the file counts; ratings: who rated what, without texts; events: views, carts, "
        "purchases; orders: lines of invoices",
    )
    columns: ColumnNames = Field(default_factory=ColumnNames, description="columns of files of no known format")
    encoding: str = Field(AUTO, min_length=1, description="of a text, such as cp1252; auto: told from its bytes")
    rating_scale: str | None = Field(
        None, description="lowest and best rating, such as 1..10 or 0..100; null: told from the ratings"
    )
    date_order: Literal["dmy", "mdy"] | None = Field(
        None, description="what 06/07/2018 means, day or month first; null: told from all dates"
    )
    check_dates: bool = Field(
        True, description="stop where the dates as a whole cannot be right: before 1995, in the future, all of one day"
    )
    max_left_out: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the rows that may be left out for one reason; null: 0.1, less where one kind of value "
        "is left out whole",
    )
    max_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of the reviews that one person may have written; whoever has more, or a name such as "
        "'Anonymous', counts as many people with one review each; null: told from the others, 1: nobody",
    )
    nothing: list[str] | None = Field(
        None, description="words that mean nobody where a person or product is named; null: NULL, nan and the like"
    )

    event_weights: dict[str, float] | None = Field(
        None,
        description="how much an event of each kind says, such as {view: 1, addtocart: 3, transaction: 5}, which is "
        "what null means; more kinds may be named, and 0 leaves a kind out",
    )
    not_products: list[str] | None = Field(
        None,
        description="codes or names of lines of invoices that are no products, such as [POSTAGE, gift_*]; null: told "
        "by their codes and names",
    )

    properties: list[str] | None = Field(
        None, description="names of item properties to keep beside the category and whether an item can be had"
    )

    @field_validator("event_weights", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        """Kinds may be numbers."""
        return {str(name): weight for name, weight in given.items()} if isinstance(given, dict) else given

    @field_validator("event_weights", mode="after")
    @classmethod
    def _weights(cls, given: dict[str, float] | None) -> dict[str, float] | None:
        if given and not all(0 <= weight < math.inf for weight in given.values()):
            raise ValueError("weights of events are numbers from 0 upwards")
        return given

    @field_validator("rating_scale", mode="before")
    @classmethod
    def _scale(cls, given: Any) -> Any:
        return str(given) if isinstance(given, int | float) else given

    @field_validator("nothing", "not_products", "properties", mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        return [str(word) for word in given] if isinstance(given, list) else given


class ReadSettings(ReadingSettings):
    """How a raw file is read, and which files belong to it."""

    metadata: Path | None = Field(None, description="file with names and texts of the products")
    user_ids: Path | None = Field(None, description="file with the ids of numbered users")
    product_ids: Path | None = Field(None, description="file with the ids of numbered products")
    category_tree: Path | None = Field(None, description="file with the parent of each category")
    item_properties: tuple[Path, ...] = Field((), description="files with properties of items at each time")
