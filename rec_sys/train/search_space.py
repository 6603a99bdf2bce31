"""What is searched: several values of a setting, in Hydra's words, as a distribution of Optuna's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from rec_sys.errors import ConfigError
from rec_sys.train.search_words import parsed

Distribution = CategoricalDistribution | FloatDistribution | IntDistribution
Space = dict[str, Distribution]  # by setting, as typed

SAME_FOR_ALL = ("data", "encoder", "split", "paths", "search")  # groups in which trials do not differ
SET_BY_SEARCH = ("train.name", "train.resume", "train.final_test", "train.baselines")
# Of what is fitted after the network, which a trial trains alone.
NOT_OF_NETWORK = (
    "model.item_factor",
    "model.factors",
    "model.exclusion_codes",
    "model.cold_start",
    "model.new_product_cost",
)


def read_space(space: Mapping[str, str], typed: Sequence[str]) -> tuple[Space, list[str]]:
    """What is searched, and the words that all trials have in common.

    Args:
        space: values by setting, as `search.space` has them; a setting that is typed is searched no longer.
        typed: words of the command line, each with one value.

    Raises:
        ConfigError: nothing is searched, or something that cannot be.
    """
    common = [word for word in parsed(typed) if word.key_or_group.partition(".")[0] != "search"]
    single = {word.key_or_group for word in common}
    words = parsed(f"{key}={values}" for key, values in space.items() if key.lstrip("+") not in single)
    searched = {word.get_key_element(): distribution_of(word) for word in words if word.is_sweep_override()}
    if not searched:
        raise ConfigError("nothing to search: every setting has one value; give several, model.dim=32,64 for one")
    common = [*(word for word in words if not word.is_sweep_override()), *common]
    return searched, [str(word.input_line) for word in common]


def distribution_of(sweep: Override) -> Distribution:
    """`interval(0.1,1)` as a range of numbers (whole ones where both ends are), `a,b` as a choice.

    Raises:
        ConfigError: trials cannot differ in this setting, or no distribution has these values.
    """
    key, value = sweep.key_or_group, sweep.value()
    if key.partition(".")[0] in SAME_FOR_ALL or key in SET_BY_SEARCH:
        raise ConfigError(f"{key} cannot be searched, since it is the same for all trials; give it one value")
    if key.startswith(NOT_OF_NETWORK):
        raise ConfigError(f"{key} cannot be searched, since a trial trains the network alone; give it one value")
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
    except (ValueError, IndexError, HydraException) as error:
        raise ConfigError(f"{sweep.input_line} cannot be searched: {error}") from error


def first_of(distribution: Distribution) -> Any:
    """Some value of a distribution."""
    return distribution.choices[0] if isinstance(distribution, CategoricalDistribution) else distribution.low


def is_within(numbers: FloatDistribution | IntDistribution, number: float) -> bool:
    """Whether a range holds a number."""
    low, high, step = numbers.low, numbers.high, numbers.step
    return low <= number <= high and (step is None or (number - low) % step == 0)


def values_in(space: Space, cfg: DictConfig) -> dict[str, Any]:
    """The values that a configuration has, as far as the space holds them."""
    found: dict[str, Any] = {}
    for key, each in space.items():
        value = OmegaConf.select(cfg, key.lstrip("+"))
        if isinstance(each, CategoricalDistribution):
            choices = [word.value() for word in parsed(f"{key}={choice}" for choice in each.choices)]
            if value in choices:
                found[key] = each.choices[choices.index(value)]
        elif isinstance(value, int | float) and is_within(each, value):
            found[key] = value
    return found
