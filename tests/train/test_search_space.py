"""What is typed for a search: gathered before Hydra reads it, as distributions of Optuna's, and typed again."""

from __future__ import annotations

from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import rec_sys.train.train  # registers the schemas  # noqa: F401
from rec_sys.command import CONFIG_FOLDER
from rec_sys.errors import ConfigError
from rec_sys.train.search_space import Distribution, Space, distribution_of, is_within, read_space, values_in
from rec_sys.train.search_words import gather_space, parsed, typed_words
from rec_sys.train.settings import SearchSettings


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("x=8,16", CategoricalDistribution(["8", "16"])),
        ("x='a b',[1,2],null", CategoricalDistribution(["'a b'", "[1,2]", "null"])),
        ("x=interval(0,1)", FloatDistribution(0, 1)),
        ("x=int(interval(8,64))", IntDistribution(8, 64)),
        ("x=tag(log,interval(0.001,1))", FloatDistribution(0.001, 1, log=True)),
        ("x=range(1,4)", IntDistribution(1, 3)),
        ("x=range(0,10,4)", IntDistribution(0, 8, step=4)),
        ("x=range(0.5,2)", CategoricalDistribution(["0.5", "1.5"])),
        ("x=range(3,0,-1)", CategoricalDistribution(["3", "2", "1"])),
    ],
)
def test_a_sweep_is_a_distribution(word: str, expected: Distribution) -> None:
    assert distribution_of(parsed([word])[0]) == expected


@pytest.mark.parametrize(
    "word",
    [
        "model.dropout=interval(0.5,0.1)",
        "model.dim=range(3,3)",
        "model=glob(*)",
        "data.path=a.csv,b.csv",
        "data=sample,file",
        "encoder=minilm,other",
        "split.seed=0,1",
        "search.seed=0,1",
        "train.name=a,b",
        "model.item_factors=0,512",
        "model.factors.regularisation=interval(10,1000)",
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(word: str) -> None:
    with pytest.raises(ConfigError, match=word.partition("=")[0]):
        distribution_of(parsed([word])[0])


def composed_space(*words: str) -> dict[str, Any]:
    """`search.space` as the command has it when these words are typed."""
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", gather_space(["+search=default", "~search.space", *words]))
    return SearchSettings(**cfg.search).space


@pytest.mark.parametrize(
    "values",
    ["8,16", "choice(8,16)", "tag(log,interval(1e-4,1e-2))", "'a b',[1,2],null", r"'it\'s','back\\'", "{a:1},{b:2}"],
)
def test_several_values_reach_the_space_as_they_are_typed(values: str) -> None:
    assert composed_space(f"model.dim={values}") == {"model.dim": values}


def test_words_with_one_value_and_flags_stay_words() -> None:
    single = [
        "model.dim=64",
        "~search.space",
        "train.baselines=[ease,popularity]",
        "--config-dir",
        "a,b",
        "hydra.verbose=a,b",
    ]
    typed = ["+search=default", "--multirun", *single, "+model.x=1,2", "model.layers=range(1,3)"]
    assert gather_space(typed) == [
        "+search=default",
        *single,
        "++search.space={+model.x:'1,2',model.layers:'range(1,3)'}",
    ]
    typed = ["+search=default", "model.dim=8,16", "~search.space", "--help"]
    assert gather_space(typed) == [typed[0], "~search.space", "++search.space={model.dim:'8,16'}", "--help"]
    assert gather_space([*typed[:2], *typed[3:]])[1:] == ["++search.space={model.dim:'8,16'}", "--help"]
    assert composed_space("model.dim=8,16", "model.dim=8,32") == {"model.dim": "8,32"}


def test_without_a_search_nothing_is_changed() -> None:
    typed = ["--multirun", "train.seed=0,1", "train.name=search", "not a word"]
    assert gather_space(typed) == typed


def test_a_setting_typed_with_one_value_is_searched_no_longer() -> None:
    space = {"model.dim": "8,16", "model.layers": "range(1,3)", "model.hops": "1", "+model.x": "1,2"}
    typed = ["+search=default", "++model.dim=32", "search.trials=3", "~model.y", "model.x=1", "train.seed=1"]
    searched, fixed = read_space(space, typed)
    assert searched == {"model.layers": IntDistribution(1, 2)}
    assert fixed == ["model.hops=1", "++model.dim=32", "~model.y", "model.x=1", "train.seed=1"]
    with pytest.raises(ConfigError, match="nothing to search"):
        read_space(space, [*typed, "model.layers=1"])


def test_what_is_chosen_can_be_typed() -> None:
    chosen = {"a": 0.00012345678, "b": 8, "c": "'a b'", "d": "[1,2]", "e": "null"}
    values = {word.key_or_group: word.value() for word in parsed(typed_words(chosen))}
    assert values == {"a": 0.000123457, "b": 8, "c": "a b", "d": [1, 2], "e": None}


def test_values_of_a_configuration_are_taken_as_far_as_they_are_searched() -> None:
    cfg = OmegaConf.create({"a": 16, "b": None, "c": 0.5, "d": 3, "e": [1, 2], "f": 2.0})
    space: Space = {
        "a": CategoricalDistribution(["8", "16"]),
        "b": CategoricalDistribution(["1", "null"]),
        "c": FloatDistribution(0.1, 0.4),
        "d": IntDistribution(0, 8, step=4),
        "e": CategoricalDistribution(["[1,2]", "[3]"]),
        "+f": FloatDistribution(1, 3),
        "g": IntDistribution(1, 2),
    }
    assert values_in(space, cfg) == {"a": "16", "b": "null", "e": "[1,2]", "+f": 2.0}
    assert [is_within(IntDistribution(0, 8, step=4), number) for number in (-4, 0, 3, 8, 12)] == [0, 1, 0, 1, 0]


def test_the_space_of_the_project_exists_and_holds_its_defaults() -> None:
    with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        cfg = hydra.compose("train_config", ["+search=default"])
        space, fixed = read_space(SearchSettings(**cfg.search).space, ["+search=default"])
        plain = hydra.compose("train_config", fixed)
    assert len(space) >= 5
    assert set(values_in(space, plain)) == set(space)
