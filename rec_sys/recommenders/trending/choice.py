"""Which forecast is used: chosen on the validation cut-offs, before the backtest is read.

Two forecasts of each product are made. `predicted` is the expected sales: right in the mean, so that sums are right.
`median` is as often too high as too low: the smallest absolute error, and too low in sum, since few large sales
outweigh many small ones. No single number is best for both (Gneiting, JASA 2011; Kolassa, IJF 2020).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rec_sys.recommenders.trending.ratio_model import MEAN, MEDIAN
from rec_sys.recommenders.trending.rolling import CALIBRATION, CutOff
from rec_sys.recommenders.trending.sales_matrix import Doubles

PREDICTED, TYPICAL = "predicted", "median"
STEPS = 10  # weights of a blend are multiples of 1 / STEPS
MARGIN = 0.01  # a blend must be better by this share, else the classical forecast is used
ALLOWED_BIAS = 0.05  # of the total; what is beyond it counts as much as an error that is larger by so much
LEAST_MATURED = 4  # cut-offs whose sales are known, for a calibration
Blend = Mapping[str, float]  # weight of each method


@dataclass(frozen=True)
class Accuracy:
    """Errors of one method over cut-offs, in pieces of a product in the horizon."""

    rmse: float
    mae: float
    wape: float  # sum of absolute errors by sum of sales
    bias: float  # forecast total by sold total, less 1
    top: float  # share of the best sellers found

    def row(self) -> dict[str, float]:
        """By the names of tables."""
        return {"RMSE": self.rmse, "MAE": self.mae, "WAPE": self.wape, "bias": self.bias, "top found": self.top}


@dataclass(frozen=True)
class Choice:
    """What validation chose."""

    predicted: dict[str, float]  # blend
    median: dict[str, float]  # blend
    calibrated: bool  # whether the sum of `predicted` is brought to the expected total
    classical: str  # the best classical method
    reason: str  # in words


def accuracy(cutoffs: Sequence[CutOff], forecasts: Sequence[Doubles], top: int) -> Accuracy:
    """Errors of the forecasts at some cut-offs; each cut-off counts the same in RMSE and MAE."""
    squared, absolute, error, sold, found = [], [], [], [], []
    for cutoff, forecast in zip(cutoffs, forecasts, strict=True):
        truth = cutoff.total
        wrong = forecast - truth
        squared.append(np.mean(wrong**2))
        absolute.append(np.abs(wrong).sum())
        error.append(wrong.sum())
        sold.append(truth.sum())
        found.append(_share_found(forecast, truth, top))
    counts = np.array([max(len(cutoff.known), 1) for cutoff in cutoffs])
    total = max(float(np.sum(sold)), 1e-9)
    return Accuracy(
        rmse=float(np.sqrt(np.mean(squared))),
        mae=float(np.mean(np.array(absolute) / counts)),
        wape=float(np.sum(absolute)) / total,
        bias=float(np.sum(error)) / total,
        top=float(np.mean(found)),
    )


def _share_found(forecast: Doubles, truth: Doubles, top: int) -> float:
    count = min(top, int((truth > 0).sum()))
    if not count:
        return 1.0
    best, guessed = (set(np.argsort(-values, kind="stable")[:count].tolist()) for values in (truth, forecast))
    return len(best & guessed) / count


def mix(forecasts: Mapping[str, Doubles], blend: Blend) -> Doubles:
    """The weighted sum of forecasts."""
    mixed: Doubles = sum((weight * forecasts[name] for name, weight in blend.items()), np.zeros(1))
    return mixed


class Totals:
    """The expected total of all products: the mean of learned mean and smoothing, corrected by what has come.

    At a cut-off, the totals of the last CALIBRATION cut-offs whose horizon has passed are divided by what had been
    forecast for them. One period more counts as without error, since the total of a single period says little: the
    correction is the ratio to the power of horizon / (horizon + 1).
    """

    def __init__(self, cutoffs: Sequence[CutOff], expected: Blend) -> None:
        self.expected = expected
        self.horizon = cutoffs[0].truth.shape[1]
        self._matured = [
            (each.period, each.truth.sum() / max(each.usual, 0.1), mix(each.forecasts, expected).sum())
            for each in cutoffs
            if each.usual > 0.5
        ]

    def factor(self, period: int) -> float:
        """Of the total forecast at a cut-off; 1 where too little has come."""
        known = [each for each in self._matured if each[0] + self.horizon <= period][-CALIBRATION:]
        came, forecast = (sum(each[place] for each in known) for place in (1, 2))
        if len(known) < LEAST_MATURED or not came or not forecast:
            return 1.0
        return float((came / forecast) ** (self.horizon / (self.horizon + 1)))

    def calibrated(self, forecasts: Mapping[str, Doubles], blend: Blend, period: int) -> Doubles:
        """A blend, scaled to the expected total."""
        mixed = mix(forecasts, blend)
        total = mixed.sum()
        wanted = mix(forecasts, self.expected).sum() * self.factor(period)
        return mixed * (wanted / total) if total > 0 else mixed


def forecasts_of(cutoffs: Sequence[CutOff], choice: Choice, totals: Totals | None) -> dict[str, list[Doubles]]:
    """Both forecasts, PREDICTED and TYPICAL, at some cut-offs."""
    found: dict[str, list[Doubles]] = {PREDICTED: [], TYPICAL: []}
    for each in cutoffs:
        if choice.calibrated and totals is not None:
            found[PREDICTED].append(totals.calibrated(each.forecasts, choice.predicted, each.period))
        else:
            found[PREDICTED].append(mix(each.forecasts, choice.predicted))
        found[TYPICAL].append(mix(each.forecasts, choice.median))
    return found


def classical_names(cutoffs: Sequence[CutOff]) -> list[str]:
    """The classical methods that all cut-offs have."""
    return [
        name
        for name in cutoffs[-1].forecasts
        if name not in (MEAN, MEDIAN) and all(name in each.forecasts for each in cutoffs)
    ]


def choose(validation: Sequence[CutOff], totals: Totals | None, level: str, top: int) -> Choice:
    """Choose between blends and classical methods by RMSE and MAE, relative to the best classical ones, and by bias.

    `predicted` may mix learned mean, learned median and the recent level, and is scaled to the expected total. `median`
    mixes learned median and recent level: the smallest MAE whose RMSE is not above the best classical one's.

    Args:
        validation: cut-offs whose sales end before the backtest.
        totals: expected totals; None: nothing was learned.
        level: name of the exponential smoothing that is the recent level.
        top: for `Accuracy`.
    """
    plain = {
        name: accuracy(validation, [each.forecasts[name] for each in validation], top)
        for name in classical_names(validation)
    }
    rmse, mae = (max(min(getattr(each, name) for each in plain.values()), 1e-9) for name in ("rmse", "mae"))

    def relative(each: Accuracy) -> float:
        value: float = (each.rmse / rmse + each.mae / mae) / 2 + max(abs(each.bias) - ALLOWED_BIAS, 0.0)
        return value

    best = min(plain, key=lambda name: relative(plain[name]))
    if totals is None:
        return Choice({best: 1.0}, {best: 1.0}, calibrated=False, classical=best, reason="")
    blends = _blends((MEAN, MEDIAN, level))
    scaled = [
        accuracy(validation, [totals.calibrated(e.forecasts, blend, e.period) for e in validation], top)
        for blend in blends
    ]
    chosen = min(range(len(blends)), key=lambda n: relative(scaled[n]))
    gain = relative(plain[best]) - relative(scaled[chosen])
    figures = (
        f"on {len(validation)} validation cut-offs, RMSE {scaled[chosen].rmse:.4g} and MAE {scaled[chosen].mae:.4g} "
        f"against {plain[best].rmse:.4g} and {plain[best].mae:.4g} of {best}"
    )
    if gain < MARGIN:
        return Choice(
            {best: 1.0}, {best: 1.0}, False, best, f"{best}: the best blend is not better by {MARGIN:.0%} ({figures})"
        )
    medians = _blends((MEDIAN, level))
    raw = [accuracy(validation, [mix(each.forecasts, blend) for each in validation], top) for blend in medians]
    median = min(range(len(medians)), key=lambda n: (max(raw[n].rmse, rmse), raw[n].mae))
    return Choice(blends[chosen], medians[median], True, best, f"{in_words(blends[chosen])}: {figures}")


def _blends(names: Sequence[str]) -> list[dict[str, float]]:
    """All blends of two or three methods."""
    return [
        {name: weight / STEPS for name, weight in zip(names, weights, strict=True) if weight}
        for weights in itertools.product(range(STEPS + 1), repeat=len(names))
        if sum(weights) == STEPS
    ]


def in_words(blend: Blend) -> str:
    """Such as "0.5 learned mean + 0.5 exponential smoothing (0.3)"."""
    if len(blend) == 1:
        return next(iter(blend))
    return " + ".join(f"{weight:g} {name}" for name, weight in blend.items())
