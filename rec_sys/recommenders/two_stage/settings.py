"""Settings of the two-stage model. Light: commands import it for --help."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from rec_sys.settings import Settings


class TwoStageSettings(Settings):
    """Settings of the two-stage model."""

    target: str = Field("addtocart", min_length=1, description="kind of event that is predicted; else the strongest")
    questions: Literal["next", "left_out"] = Field(
        "next",
        description="what the ranker learns from: target events of sliding windows, or pairs of user and product whose "
        "events were all left out, for questions without a time",
    )
    sources: tuple[str, ...] = Field(("item_knn", "als"), description="recommenders of the house that give candidates")
    source_settings: dict[str, dict[str, Any]] = Field(
        {"item_knn": {"shrink": 5.0, "decay": 0.9, "neighbours": 200}, "als": {"factors": 64, "alpha": 10.0}},
        description="settings of these recommenders, by name; the others of each have their defaults",
    )
    candidates: int = Field(600, ge=10, description="products per question that are ranked")
    per_source: int = Field(250, ge=10, description="products that each source gives, own ones aside")
    max_history: int = Field(200, ge=1, description="newest events of a user that are read when asked")
    max_learned: int = Field(
        300, ge=1, description="newest products of a user that recommenders of the house learn from: a few have a third"
    )
    max_covisited: int = Field(0, ge=0, description="newest events of a user that co-visitation learns from; 0: all")
    neighbours: int = Field(200, ge=1, description="products kept per product in the co-visitation")
    span: int = Field(10, ge=1, description="two events of a user are co-visits if at most this many events apart")
    step_decay: float = Field(0.5, gt=0, le=1, description="factor of a co-visit per event between its two")
    covisit_hours: float = Field(0.1, gt=0, description="and exp(-hours apart / this)")
    covisit_floor: float = Field(0.1, ge=0, le=1, description="what the hours apart leave at least")
    covisit_kinds: float = Field(0.0, ge=0, description="power of the weight of the kind led to; 0: kinds count alike")
    history_decay: float = Field(0.95, gt=0, le=1, description="weight of the n-th newest product of a user: this ** n")
    popular_days: float = Field(14.0, gt=0, description="popularity: an event counts exp(-days ago / this)")
    windows: int = Field(12, ge=3, description="sliding windows: the last tests, the one before chooses")
    window_share: float = Field(0.06, gt=0, lt=1, description="share of the target events that a window covers")
    max_per_user: int = Field(
        10, ge=1, description="questions of one user in a window: a few users have a third of all"
    )
    max_questions: int = Field(2_000, ge=1, description="questions of a window, drawn where there are more")
    negatives: int = Field(160, ge=4, description="candidates per question that the ranker learns from, about")
    start_weight: float = Field(1.0, ge=0, description="of the best source's order, from which the ranker starts")
    rounds: int = Field(300, ge=1, description="trees at most; validation decides how many")
    patience: int = Field(40, ge=1, description="trees without a better validation until training ends")
    learning_rate: float = Field(0.03, gt=0, le=1, description="of the ranker")
    leaves: int = Field(15, ge=2, description="of a tree")
    min_leaf: int = Field(100, ge=1, description="rows in a leaf at least")
    threads: int = Field(1, ge=1, description="of LightGBM; figures are the same for the same number")
    seed: int = Field(0, ge=0, description="draws questions, negatives, columns of trees, and is that of the sources")

    @field_validator("sources")
    @classmethod
    def _can_be_asked(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name in ("two_stage", "graph"):
                raise ValueError(f"{name!r} cannot be a source: it is not kept as plain arrays")
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is named twice")
        return names
