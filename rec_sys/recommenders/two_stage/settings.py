"""Settings of the two-stage model. Light: commands import it for --help."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from rec_sys.settings import Settings


class TwoStageSettings(Settings):
    """Settings of the two-stage model."""

    target: str = Field("addtocart", min_length=1, description="kind of event that is predicted; else the strongest")
    sources: tuple[str, ...] = Field(("item_knn", "als"), description="recommenders of the house that give candidates")
    source_settings: dict[str, dict[str, Any]] = Field(
        {"item_knn": {"shrink": 5.0, "decay": 0.9}, "als": {"factors": 64, "alpha": 10.0}},
        description="settings of these recommenders, by name; the others of each have their defaults",
    )
    candidates: int = Field(600, ge=10, description="products per question that are ranked")
    per_source: int = Field(250, ge=10, description="products that each source gives, own ones aside")
    max_events: int = Field(200, ge=1, description="newest events of a user that are read when asked")
    max_learned: int = Field(
        300, ge=1, description="newest products of a user that recommenders of the house learn from: a few have a third"
    )
    neighbours: int = Field(200, ge=1, description="products kept per product in the co-visitation")
    span: int = Field(10, ge=1, description="two events of a user are co-visits if at most this many events apart")
    step_decay: float = Field(0.5, gt=0, le=1, description="each event between two co-visited ones counts them this less")
    covisit_hours: float = Field(0.1, gt=0, description="and each such time between them by the factor 1/e")
    covisit_floor: float = Field(0.1, ge=0, le=1, description="what the time between them leaves at least")
    covisit_kinds: float = Field(0.0, ge=0, description="power of the weight of the kind led to; 0: kinds count alike")
    history_decay: float = Field(0.95, gt=0, le=1, description="weight of the n-th newest product of a user: this ** n")
    popular_days: float = Field(14.0, gt=0, description="popularity: an event counts exp(-days ago / this)")
    windows: int = Field(8, ge=3, description="sliding windows of questions: the last tests, the one before chooses")
    window_share: float = Field(0.06, gt=0, lt=1, description="share of the target events that a window covers")
    max_questions: int = Field(5, ge=1, description="questions of one user in a window; a few users have a third of all")
    negatives: int = Field(80, ge=1, description="candidates per question that the ranker learns from, the target aside")
    rounds: int = Field(300, ge=1, description="trees at most; validation decides how many")
    patience: int = Field(30, ge=1, description="trees without a better validation until training ends")
    learning_rate: float = Field(0.05, gt=0, le=1, description="of the ranker")
    leaves: int = Field(31, ge=2, description="of a tree")
    min_leaf: int = Field(40, ge=1, description="rows in a leaf at least")
    threads: int = Field(1, ge=1, description="of LightGBM; figures are the same for the same number")
    seed: int = Field(0, ge=0, description="draws questions, negatives and columns of trees")

    @field_validator("sources")
    @classmethod
    def _can_be_asked(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name in ("two_stage", "graph"):
                raise ValueError(f"{name!r} cannot be a source: it is not kept as plain arrays")
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is named twice")
        return names
