"""Trending: what will be sold in the next weeks, from the sales of all products alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.errors import ConfigError
from rec_sys.frames import frame_of
from rec_sys.ids import IdMap
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.trending.forecasting import Forecast, forecast_sales
from rec_sys.recommenders.trending.intervals import Intervals
from rec_sys.recommenders.trending.ratio_model import RatioModel
from rec_sys.recommenders.trending.report import report_sections
from rec_sys.recommenders.trending.sales_matrix import DAYS, Doubles
from rec_sys.recommenders.trending.settings import TrendingSettings
from rec_sys.tables import Section

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

logger = logging.getLogger(__name__)

TIE = 1e-6  # weight of all that was ever sold, where forecasts are equal
SPANS = ("whole", "single")  # intervals: of sums over the horizon, of single periods


class Trending(Recommender):
    """The same list for everybody: products by their expected sales in the horizon.

    A product's ratio of coming sales to its own recent level is learned by LightGBM, blended with exponential smoothing
    and scaled to the expected total; where that is not better on validation cut-offs, the best classical forecast is
    used. `forecast` and `trending` give the figures. Where data has no orders, the strongest kind of event is counted.
    """

    key, name = "trending", "Trending"
    paper = "Ke et al., NIPS 2017 (LightGBM); Brown 1959 (exponential smoothing)"
    settings_class = TrendingSettings
    settings: TrendingSettings
    needs = frozenset({"times"})
    is_personal = False
    used_fitted_on_all = True

    # ---- fitting ------------------------------------------------------------------------------------------------

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        sales = dataset.training_sales
        forecast, rolled = forecast_sales(sales, self.settings, progress)
        logger.info("%s: %s", self.name, "; ".join([forecast.reason, *rolled.matrix.left_out]))
        ever = np.bincount(sales.product, np.maximum(sales.pieces, 0), minlength=len(sales.products))
        self._forecast, self._ever = forecast, ever
        self.sold_products = IdMap(sales.products.ids, "product")  # of the sales, not of the catalogue
        self.sold_names = list(sales.names)
        self.counted = sales.unit
        self._place: Ints = sales.products.known_numbers(dataset.table.products.ids)  # (num_products,); -1: never sold

    @property
    def chosen(self) -> str:
        return self._forecast.reason.partition(":")[0]

    @property
    def reason(self) -> str:
        """Which method forecasts, and why."""
        return self._forecast.reason

    @property
    def model_texts(self) -> dict[str, str]:
        """The learned models in LightGBM's text format, by name; empty where a classical forecast is used."""
        return {} if self._forecast.model is None else dict(self._forecast.model.texts)

    # ---- asking -------------------------------------------------------------------------------------------------

    def _score(self, query: Query) -> Floats:
        everything = self._forecast.predicted + TIE * (self._ever + 1)
        scores = np.where(self._place >= 0, everything[self._place], TIE).astype(np.float32)
        return np.tile(scores, (len(query), 1))

    def forecast(self, k: int | None = None, horizon: int | None = None) -> DataFrame:
        """Sales of each product in each period to come.

        Args:
            k: products with the highest predicted sales; None: all that were ever sold.
            horizon: periods; None: all that were forecast.

        Returns:
            Columns product_id, name, start (of the period), predicted (expected sales), median (the period's share of
            the horizon's), low and high (nan where the history was too short to measure them). Products by predicted
            sales, periods in order.

        Raises:
            NotFittedError: it has not been fitted.
            ConfigError: k is less than 1, or the horizon not within what was forecast.
        """
        _ = self.fitted_products
        most = self.settings.horizon
        horizon = most if horizon is None else horizon
        if not 1 <= horizon <= most:
            raise ConfigError(f"horizon={horizon}: this model forecasts {most} {self.settings.unit}s; give 1 to {most}")
        order = self._order(self._forecast.predicted, k)
        shares = self._forecast.shares[:horizon]
        predicted = (self._forecast.predicted[order, None] * shares).reshape(-1)
        median = (self._forecast.median[order, None] * shares).reshape(-1)
        starts = self._forecast.start + DAYS[self.settings.unit] * np.arange(horizon)
        low, high = _within(self._forecast.single, predicted)
        rows = np.repeat(order, horizon)
        return self._frame(
            rows,
            start=np.tile(starts, len(order)),
            predicted=predicted,
            median=median,
            low=low,
            high=high,
        )

    def trending(self, k: int = 10, by: Literal["predicted", "trend_score"] = "predicted") -> DataFrame:
        """The best sellers to come, or what rises most.

        The trend score is (predicted + shrink) / (recent + shrink): above 1 what will sell more than lately; the pieces
        in `shrink` keep products of which hardly anything is sold from the top.

        Args:
            k: how many products.
            by: what they are ranked by.

        Returns:
            Columns rank, product_id, name, predicted (sum over the horizon), recent (the same number of periods
            before), trend_score, low and high.

        Raises:
            NotFittedError: it has not been fitted.
            ConfigError: k is less than 1, or `by` is unknown.
        """
        _ = self.fitted_products
        if by not in ("predicted", "trend_score"):
            raise ConfigError(f"by={by!r}: expected 'predicted' or 'trend_score'")
        found, shrink = self._forecast, self.settings.shrink
        score = (found.predicted + shrink) / (found.recent + shrink)
        order = self._order(found.predicted if by == "predicted" else score, k)
        low, high = _within(found.whole, found.predicted[order])
        return self._frame(
            order,
            rank=np.arange(1, len(order) + 1),
            predicted=found.predicted[order],
            recent=found.recent[order],
            trend_score=score[order],
            low=low,
            high=high,
        )

    def _order(self, values: Doubles, k: int | None) -> Ints:
        """Sold products from the highest value on, equal ones by what was ever sold."""
        if k is not None and k < 1:
            raise ConfigError(f"k={k}: expected at least 1")
        order: Ints = np.lexsort((-self._ever, -values))[:k]
        return order

    def _frame(self, rows: Ints, **columns: np.ndarray[Any, Any]) -> DataFrame:
        ids, names = ([each[row] for row in rows] for each in (self.sold_products.ids, self.sold_names))
        first = {"rank": columns.pop("rank")} if "rank" in columns else {}
        as_pandas = self.dataset is not None and self.dataset.as_pandas
        return frame_of({**first, "product_id": ids, "name": names, **columns}, as_pandas)

    # ---- report, saving, loading --------------------------------------------------------------------------------

    def sections(self, dataset: Dataset, progress: ProgressCallback | None = None) -> list[Section]:
        """Backtest of all sales of the data, also of those that the split holds out: its cut-offs part the time."""
        return report_sections(dataset.sales, self.settings, progress)

    def _arrays(self) -> Arrays:
        found = self._forecast
        facts = {
            "start": str(found.start),
            "reason": found.reason,
            "counted": self.counted,
            "ids": self.sold_products.ids,
            "names": self.sold_names,
        }
        arrays: Arrays = {
            "facts": _bytes(orjson.dumps(facts)),
            "predicted": found.predicted,
            "median": found.median,
            "recent": found.recent,
            "shares": found.shares,
            "ever": self._ever,
            "place": self._place,
        }
        for span in SPANS:
            if (intervals := getattr(found, span)) is not None:
                for part in ("edges", "low", "high"):
                    arrays[f"{span}.{part}"] = getattr(intervals, part)
        if found.model is not None:
            arrays |= {f"lightgbm.{name}": _bytes(text.encode()) for name, text in found.model.texts.items()}
        return arrays

    def _restore(self, arrays: Arrays) -> None:
        facts = orjson.loads(arrays["facts"].tobytes())
        texts = {
            name.partition(".")[2]: array.tobytes().decode()
            for name, array in arrays.items()
            if name.startswith("lightgbm.")
        }
        self._forecast = Forecast(
            start=np.datetime64(facts["start"], "D"),
            predicted=arrays["predicted"],
            median=arrays["median"],
            recent=arrays["recent"],
            shares=arrays["shares"],
            whole=_intervals(arrays, "whole"),
            single=_intervals(arrays, "single"),
            reason=facts["reason"],
            model=RatioModel(texts, self.settings.horizon) if texts else None,
        )
        self.sold_products, self.sold_names = IdMap(facts["ids"], "product"), facts["names"]
        self.counted = facts["counted"]
        self._ever, self._place = arrays["ever"], arrays["place"]


def _within(intervals: Intervals | None, forecast: Doubles) -> tuple[Doubles, Doubles]:
    if intervals is None:
        unknown = np.full(len(forecast), np.nan)
        return unknown, unknown
    return intervals.of(forecast)


def _intervals(arrays: Arrays, span: str) -> Intervals | None:
    """What `_arrays` kept of intervals."""
    if f"{span}.low" not in arrays:
        return None
    return Intervals(*(arrays[f"{span}.{part}"] for part in ("edges", "low", "high")))


def _bytes(text: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(text, dtype=np.uint8)
