"""How hyperparameters are searched: every setting once, with its limits."""

from __future__ import annotations

from pydantic import Field

from rec_sys.settings import Settings


class SearchSettings(Settings):
    """How settings are searched. What is searched is `space`, and every setting that is typed with several values."""

    name: str = Field("search", pattern=r"^\w[\w.-]*$", description="of the search and its folder")
    trials: int = Field(40, ge=1, description="trainings in all, before and after an interruption; failed ones not")
    seed: int = Field(0, ge=0, description="of Optuna's choices")
    first_trials: int = Field(8, ge=1, description="drawn at random; none is stopped early before that many are done")
    first_epochs: int = Field(5, ge=1, description="that every trial has before it may be stopped early")
    space: dict[str, str] = Field({}, description="setting: choice(1,2), range(1,4) or interval(0,1), as Hydra has it")
