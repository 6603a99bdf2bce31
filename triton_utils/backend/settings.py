"""What the model `recommend` may use and what it refuses; written into its config.pbtxt as parameters."""

from __future__ import annotations

from pydantic import Field

from rec_sys.settings import Settings


class RecommendSettings(Settings):
    """Limits of the model `recommend`."""

    workers: int = Field(4, ge=1, le=256, description="calls worked on at once")
    max_waiting: int = Field(64, ge=0, description="calls that may wait; one more is answered 'unavailable' at once")
    cached_texts: int = Field(50_000, ge=0, description="texts whose vectors are remembered, 768 bytes and more each")
    max_people: int = Field(1_000, ge=1, description="people in one call")
    max_reviews: int = Field(20_000, ge=1, description="reviews in one call")
    max_text: int = Field(100_000, ge=1, description="characters of one text")
    max_answers: int = Field(1_000_000, ge=1, description="people times products asked for")
