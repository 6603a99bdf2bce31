from __future__ import annotations

import numpy as np
import pytest

from rec_sys.recommenders.trending.choice import PREDICTED, TYPICAL, Totals, accuracy, forecasts_of, in_words
from rec_sys.recommenders.trending.classical import classical_forecasts, smoothed
from rec_sys.recommenders.trending.features import features_of
from rec_sys.recommenders.trending.forecasting import Rolled, backtest_rows, measured_coverage, rolled_forecasts
from rec_sys.recommenders.trending.intervals import intervals_of
from rec_sys.recommenders.trending.ratio_model import MEAN, MEDIAN, first_cutoff
from rec_sys.recommenders.trending.rolling import CutOff, plan
from rec_sys.recommenders.trending.sales_matrix import sales_matrix
from rec_sys.recommenders.trending.settings import TrendingSettings
from tests.support.sales import sales_of_days, sales_of_weeks, third_weeks

SMALL = {"horizon": 1, "trees": 40, "refit": 1, "cutoffs": 6, "validation": 6}


def rolled(pieces: np.ndarray[tuple[int, int], np.dtype[np.float64]], **settings: object) -> Rolled:
    chosen = TrendingSettings.read({**SMALL, **settings})
    return rolled_forecasts(sales_matrix(sales_of_weeks(pieces), "week"), chosen, None)


@pytest.fixture(scope="module")
def learned() -> Rolled:
    return rolled(third_weeks())


# ---- classical ------------------------------------------------------------------------------------------------------


def test_classical_forecasts_by_hand() -> None:
    pieces = np.array([[8.0, 0, 4, 2, 6], [0, 0, 0, 0, 0]])
    found = classical_forecasts(sales_matrix(sales_of_weeks(pieces), "week"), 2)
    assert found["naive (last period)"][0] == 12
    assert found["seasonal naive (4 weeks)"][0] == 0 + 4
    assert found["mean of 2 weeks"][0] == 8
    assert found["mean of 4 weeks"][0] == 6
    assert found["open-day mean of 4 weeks"][0] == pytest.approx(6)
    assert "seasonal naive (52 weeks)" not in found


def test_smoothing_is_the_recursion() -> None:
    rates = np.random.default_rng(0).uniform(0, 9, size=(3, 12))
    level = rates[:, 0]
    for step in range(1, 12):
        level = 0.3 * rates[:, step] + 0.7 * level
    np.testing.assert_allclose(smoothed(rates, 0.3), level)


def test_a_closed_week_does_not_lower_the_open_day_mean() -> None:
    pieces = np.ones((30, 9 * 7 + 1))
    pieces[:, 42:49] = 0
    found = classical_forecasts(sales_matrix(sales_of_days(pieces), "week"), 1)
    assert found["mean of 4 weeks"][0] == 7 * 3 / 4
    assert found["open-day mean of 4 weeks"][0] == pytest.approx(7)
    assert found["exponential smoothing (0.3)"][0] == pytest.approx(7)


# ---- nothing from the future ----------------------------------------------------------------------------------------


def test_features_do_not_change_with_the_future() -> None:
    pieces = third_weeks(20, 30)
    other = pieces.copy()
    other[:, 20:] = other[:, 20:][:, ::-1] * 3
    first, second = (features_of(sales_matrix(sales_of_weeks(each), "week").until(20)) for each in (pieces, other))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    later = features_of(sales_matrix(sales_of_weeks(other), "week").until(21))
    assert not np.array_equal(first[0], later[0], equal_nan=True)


def test_shifting_the_future_changes_no_forecast(learned: Rolled) -> None:
    """Of each method, and of the blend: forecasts at a cut-off are the same whatever comes after it."""
    pieces = third_weeks()
    cutoff = learned.backtest[2].period
    pieces[:, cutoff:] = np.roll(pieces[:, cutoff:], 1, axis=1) * 2 + 1
    other = rolled(pieces)
    assert other.choice == learned.choice
    pairs = [pair for pair in zip(learned.cutoffs, other.cutoffs, strict=True) if pair[0].period <= cutoff]
    assert pairs[-1][0].period == cutoff
    for before, after in pairs:
        assert set(before.forecasts) >= {MEAN, MEDIAN}
        for name, forecast in before.forecasts.items():
            np.testing.assert_array_equal(forecast, after.forecasts[name], err_msg=f"{name} at {before.period}")
    for name in (PREDICTED, TYPICAL):
        both = [forecasts_of(each.backtest[:3], each.choice, each.totals)[name] for each in (learned, other)]
        np.testing.assert_array_equal(both[0], both[1])
    assert not np.array_equal(learned.backtest[2].truth, other.backtest[2].truth)


def test_the_choice_does_not_read_the_backtest(learned: Rolled) -> None:
    pieces = third_weeks()
    begin = learned.plan.backtest.start
    pieces[:, begin:] = pieces[::-1, begin:] * 5
    assert rolled(pieces).choice == learned.choice


def test_the_choice_reads_the_validation(learned: Rolled) -> None:
    """The counterpart of the test above: noise without a pattern is left to a classical method."""
    generator = np.random.default_rng(1)
    noise = rolled(generator.poisson(20, size=(120, 45)).astype(np.float64))
    assert not noise.choice.calibrated
    assert noise.choice.reason.startswith(f"{noise.choice.classical}: the best blend is not better")
    assert noise.choice.predicted == {noise.choice.classical: 1.0}


# ---- what is learned ------------------------------------------------------------------------------------------------


def test_a_pattern_is_learned_and_sums_are_right(learned: Rolled) -> None:
    rows = {str(row["method"]): row for row in backtest_rows(learned, TrendingSettings.read(SMALL))}
    used = rows["Trending, predicted"]
    classical = [row for name, row in rows.items() if "learned" not in name and "Trending" not in name]
    assert learned.choice.calibrated
    assert float(str(used["MAE"])) < 0.7 * min(float(str(row["MAE"])) for row in classical)
    assert float(str(used["RMSE"])) < 0.7 * min(float(str(row["RMSE"])) for row in classical)
    assert abs(float(str(used["bias"]))) < 0.05


def test_intervals_hold_what_they_promise(learned: Rolled) -> None:
    sums, singles = measured_coverage(learned, 0.8)
    assert sums == singles  # one period ahead
    assert 0.7 < sums < 0.9


def test_the_same_sales_give_the_same_forecasts(learned: Rolled) -> None:
    again = rolled(third_weeks())
    for before, after in zip(learned.cutoffs, again.cutoffs, strict=True):
        np.testing.assert_array_equal(before.forecasts[MEAN], after.forecasts[MEAN])


def test_products_first_sold_later_are_counted_and_left_out() -> None:
    pieces = third_weeks()
    pieces[0, :40] = 0
    pieces[0, 40:] = 9
    found = next(each for each in rolled(pieces).backtest if each.period == 40)
    assert 0 not in found.known
    assert found.unseen == 9


# ---- plan -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 4])
def test_validation_ends_before_the_backtest(horizon: int) -> None:
    found = plan(52, TrendingSettings(horizon=horizon))
    assert found.learned
    assert (len(found.validation), len(found.backtest)) == (10, 10)
    assert found.backtest[-1] + horizon == 52
    assert found.validation[-1] + horizon == found.backtest[0]
    assert found.validation[0] >= first_cutoff("week", horizon)


@pytest.mark.parametrize(("periods", "learned", "cutoffs", "words"), [
    (34, True, 9, "allow 10 and 9"),
    (24, True, 4, "allow 5 and 4"),
    (21, False, 10, "too few to learn from: at least 23"),
    (4, False, 0, "too few for a backtest"),
])  # fmt: skip
def test_a_short_history_says_so(periods: int, learned: bool, cutoffs: int, words: str) -> None:
    found = plan(periods, TrendingSettings(horizon=1))
    assert found.learned is learned
    assert len(found.backtest) == cutoffs
    assert words in found.reason


def test_cutoffs_of_days_come_to_all_weekdays() -> None:
    found = plan(300, TrendingSettings(unit="day", horizon=2))
    assert {period % 7 for period in found.backtest} == set(range(7))
    assert found.validation[-1] + 2 <= found.backtest[0]


# ---- figures --------------------------------------------------------------------------------------------------------


def cutoff_of(truth: list[float], forecast: list[float], period: int = 5) -> CutOff:
    return CutOff(
        period=period,
        known=np.arange(len(truth)),
        truth=np.array(truth)[:, None],
        unseen=0,
        usual=1,
        shares=np.ones(1),
        forecasts={"only": np.array(forecast)},
    )


def test_accuracy_by_hand() -> None:
    cutoffs = [cutoff_of([4, 0, 6], [1, 0, 10]), cutoff_of([2, 2, 0], [2, 1, 0])]
    found = accuracy(cutoffs, [each.forecasts["only"] for each in cutoffs], top=1)
    assert found.rmse == pytest.approx(np.sqrt((25 / 3 + 1 / 3) / 2))
    assert found.mae == pytest.approx((7 / 3 + 1 / 3) / 2)
    assert found.wape == pytest.approx(8 / 14)
    assert found.bias == pytest.approx(0)
    assert found.top == 1


def test_totals_follow_what_has_come() -> None:
    """Half of what came was forecast, at 8 cut-offs: the ratio 2, one period ahead to the power 1/2."""
    cutoffs = [cutoff_of([8.0, 4.0], [4.0, 2.0], period) for period in range(8)]
    totals = Totals(cutoffs, {"only": 1.0})
    assert totals.factor(3) == 1  # three have come
    assert totals.factor(8) == pytest.approx(np.sqrt(2))
    np.testing.assert_allclose(
        totals.calibrated({"only": np.array([1.0, 3.0])}, {"only": 1.0}, 8).sum(), 4 * np.sqrt(2)
    )


def test_intervals_by_quantiles_of_the_ratio() -> None:
    generator = np.random.default_rng(0)
    forecast = generator.uniform(5, 100, size=4_000)
    truth = forecast * generator.uniform(0.5, 1.5, size=4_000)
    found = intervals_of([forecast[:2_000]], [truth[:2_000]], 0.8)
    assert found.covered(forecast[2_000:], truth[2_000:]) == pytest.approx(0.8, abs=0.03)
    low, high = found.of(np.array([50.0]))
    assert low[0] == pytest.approx(0.6 * 50, rel=0.1)
    assert high[0] == pytest.approx(1.4 * 50, rel=0.1)


def test_a_blend_in_words() -> None:
    assert in_words({"a": 1.0}) == "a"
    assert in_words({"a": 0.5, "b": 0.5}) == "0.5 a + 0.5 b"
