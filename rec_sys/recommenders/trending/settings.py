"""Settings of the forecasts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rec_sys.settings import Settings

Unit = Literal["week", "day"]


class TrendingSettings(Settings):
    """Settings of Trending."""

    unit: Unit = Field("week", description="periods that are forecast: weeks from Monday, or days")
    horizon: int = Field(4, ge=1, le=60, description="periods ahead; their sum is what the models learn")
    cutoffs: int = Field(10, ge=4, description="rolling cut-offs of the backtest, a week or three days apart")
    validation: int = Field(
        10, ge=4, description="cut-offs before those of the backtest, on which the method is chosen"
    )
    trees: int = Field(100, ge=1, description="of each LightGBM model")
    leaves: int = Field(15, ge=2, description="of each tree")
    learning_rate: float = Field(0.05, gt=0, le=1, description="of LightGBM")
    origins: int = Field(52, ge=1, description="newest periods (of days, every fifth) at which training rows begin")
    refit: int = Field(4, ge=1, description="cut-offs after which the rolling models are fitted again")
    coverage: float = Field(0.8, gt=0, lt=1, description="share of the products that shall lie between low and high")
    shrink: float = Field(10.0, gt=0, description="pieces added to both sides of the trend score's fraction")
    top: int = Field(50, ge=1, description="products whose share found the backtest reports")
    trust_last_day: bool = Field(False, description="the last day of the data is whole; else it ends no period")
