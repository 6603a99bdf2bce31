"""What is searched: Hydra's sweeps as Optuna's distributions, and a chosen value as the word a person would type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from rec_sys.errors import ConfigError


def distribution_of(sweep: Override) -> BaseDistribution:
    """`interval(0.1,1)` as a range of numbers (whole ones where both ends are), `a,b` as a choice.

    Raises:
        ConfigError: the ends are the wrong way round, or a logarithm wants others.
    """
    value = sweep.value()
    try:
        if isinstance(value, IntervalSweep):
            ends: tuple[Any, Any] = (value.start, value.end)
            whole = all(isinstance(end, int) for end in ends)
            return (IntDistribution if whole else FloatDistribution)(*ends, log="log" in value.tags)
        if isinstance(value, RangeSweep) and not value.shuffle:
            numbers = value.range()
            if isinstance(numbers, range) and numbers.step > 0:
                return IntDistribution(numbers[0], numbers[-1], step=numbers.step)
        # As words, so that a choice may be anything that can be typed, a list or another YAML file too.
        return CategoricalDistribution(list(dict.fromkeys(sweep.sweep_string_iterator())))
    except (ValueError, IndexError) as error:
        raise ConfigError(f"{sweep.input_line} cannot be searched: {error}") from error


def first_of(distribution: BaseDistribution) -> Any:
    """Some value of a distribution."""
    return distribution.choices[0] if isinstance(distribution, CategoricalDistribution) else distribution.low  # type: ignore[attr-defined]


def is_within(distribution: BaseDistribution, number: float) -> bool:
    """Whether a range of numbers holds `number`."""
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101  the ones that are ranges
    low, high, step = distribution.low, distribution.high, distribution.step
    return low <= number <= high and (step is None or (number - low) % step == 0)


def words(values: Mapping[str, Any]) -> list[str]:
    """Chosen values as Hydra reads them: `key=value`."""
    return [f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()]
