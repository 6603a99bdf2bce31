"""What the web app reads and writes, as its documentation shows it.

Reviews are read by `rec_sys.inference.read_reviews` under all names of `readers/column_aliases.py`; answers are the
dataclasses of `rec_sys.inference.recommend`. Tests hold these classes to both.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rec_sys.dataset.readers.column_aliases import ALIASES, plain
from triton_utils.web.errors import CAUSES, ErrorBody

SHOWN = 12  # other names of a field that are listed


def _also(field: str, shown: str) -> str:
    names = [name for name in ALIASES[field] if plain(name) != plain(shown)]
    return f"also, whatever the case and punctuation: {', '.join(names[:SHOWN])}" + ", ..." * (len(names) > SHOWN)


class ReviewIn(BaseModel):
    """One review. Only a product or a text is needed; the more there is, the better."""

    model_config = ConfigDict(extra="allow")

    reviewerID: str | int | None = Field(  # noqa: N815  the name in the data
        None, description=f"who wrote it; reviews without it are one user's; {_also('user', 'reviewerID')}"
    )
    asin: str | int | None = Field(None, description=f"the product's id; {_also('product', 'asin')}")
    verified: bool | None = Field(None, description="whether the product was bought; not used")
    score: float | None = Field(None, ge=1, le=5, description=f"stars; {_also('rating', 'score')}")
    product_name: str | None = Field(
        None,
        description=f"for an unknown id; {_also('product_name', 'product_name')}",
    )
    product_info: str | None = Field(
        None, description=f"a description, likewise; {_also('product_info', 'product_info')}"
    )
    comment: str | None = Field(None, description=f"the review; {_also('text', 'comment')}")
    title: str | None = Field(None, description=f"its title; {_also('title', 'title')}")
    date: str | int | None = Field(None, description=f"seconds since 1970 or ISO 8601; {_also('timestamp', 'date')}")


class Item(BaseModel):
    """One product."""

    product_id: str
    name: str = Field(description="empty where none is known")
    score: float = Field(description="inner product of user and product vector, -1 to 1; falls from rank to rank")
    stars: float = Field(description="predicted rating, 0 to 5")


class Why(BaseModel):
    """A review on which the recommendations rest."""

    product_id: str
    name: str
    excerpt: str = Field(description="start of the review")
    attention: float = Field(description="0 to 1, part of the attention over all reviews that were read")


class UserOut(BaseModel):
    """The recommendations of one user, and the reviews they rest on."""

    user_id: str
    items: list[Item] = Field(description="best first")
    why: list[Why] = Field(description="most attention first")
    note: str = Field(description="what the user should know about the list; mostly empty")


class Answer(BaseModel):
    """Recommendations of all users of the request, in the order in which they first appear."""

    model: str = Field(description="fingerprint of the checkpoint that answered")
    recommendations: list[UserOut]


class SimilarItem(BaseModel):
    """A product like another."""

    product_id: str
    name: str = Field(description="empty where none is known")
    score: float = Field(description="how alike they are, -1 to 1")


class SimilarAnswer(BaseModel):
    """Products like one, most alike first, without it."""

    product_id: str
    name: str
    version: int = Field(description="deployed version")
    items: list[SimilarItem]


class Health(BaseModel):
    """Whether the app can answer, and what is missing."""

    status: str = Field(examples=["ready"])
    version: int = Field(0, description="deployed version")
    checkpoint: str = Field("", description="fingerprint of the deployed checkpoint")
    problems: dict[str, str] = Field(default_factory=dict, description="what is missing, by part")


EXAMPLES: dict[str, dict[str, Any]] = {
    "one user": {
        "summary": "Reviews of one user",
        "value": [
            {
                "reviewerID": "A2IBPI20UZIR0U",
                "asin": "B0002E1G5C",
                "verified": True,
                "score": 5,
                "product_name": "Guitar strings",
                "product_info": "Light gauge, nickel wound",
                "comment": "Bright and long lasting.",
            },
            {"reviewerID": "A2IBPI20UZIR0U", "score": 2, "comment": "The stand fell over twice."},
        ],
    },
    "several users": {
        "summary": "Several users in one request, each answered apart",
        "value": [
            {"reviewerID": "A1", "asin": "B0002E1G5C", "score": 5, "comment": "Love them"},
            {"reviewerID": "A2", "product_name": "Drum sticks", "score": 4, "comment": "Good balance"},
        ],
    },
    "other names": {
        "summary": "Field names of other sources",
        "value": [
            {"user_id": "A3", "product_id": "B0002E1G5C", "overall": 4, "reviewText": "Fine", "date": "2018-09-30"}
        ],
    },
}

REVIEWS_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "array", "items": ReviewIn.model_json_schema(), "title": "Reviews"},
            "examples": EXAMPLES,
        }
    },
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the documentation says about answers that are errors."""
    causes = {status: sorted(cause.name for cause in CAUSES if cause.status == status) for status in statuses}
    return {
        status: {"model": ErrorBody, "description": f"cause: {', '.join(names)}"} for status, names in causes.items()
    }
