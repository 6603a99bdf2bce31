"""The main job: raw reviews to a saved model, with a report. `uv run -m rec_sys.train.train --help` tells more."""

from __future__ import annotations

import functools
import re
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from rec_sys.allocator import keep_freed_memory
from rec_sys.command import command, register_schema
from rec_sys.command_names import command_line
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.recommenders.registry import GRAPH
from rec_sys.settings import read_settings
from rec_sys.text.settings import EncoderSettings
from rec_sys.train.search_words import gather_space
from rec_sys.train.settings import SearchSettings

for _name, _settings in (
    ("data", DataSettings),
    ("encoder", EncoderSettings),
    ("model", GraphModelSettings),
    ("split", SplitSettings),
    ("train", TrainSettings),
    ("search", SearchSettings),
    ("paths", Paths),
):
    register_schema(_name, _settings)


def main() -> None:
    """Train and print the closing report; with `+search=...`, search for settings and print the best."""
    keep_freed_memory()
    sys.argv[1:] = gather_space(sys.argv[1:])
    _train_or_search()


@command("train_config")
def _train_or_search(cfg: DictConfig) -> None:
    recommender = cfg.recommender.name
    if recommender != GRAPH:
        (_search_recommender if "search" in cfg else _train_recommender)(cfg)
    elif "search" in cfg:
        _search(cfg)
    else:
        _train(cfg)


# Lightning and MLflow take seconds to import: in these functions, not for --help or a typing error.


def _train(cfg: DictConfig) -> None:
    from rec_sys.terminal import ProgressBars
    from rec_sys.train.run import train

    result = train(cfg, ProgressBars())
    print(f"\n{result.report.text()}\n")
    print(f"checkpoint  {result.checkpoint}")
    for file in result.files:
        print(f"report      {file}")
    here = read_settings(cfg.paths, Paths, "paths").option
    print("\nnext:")
    for module in ("rec_sys.vector_database.create_vectorbase", "rec_sys.inference.infer"):
        print(f"  {command_line(module)}{here}")


def _train_recommender(cfg: DictConfig) -> None:
    from rec_sys.terminal import ProgressBars
    from rec_sys.train.recommender_run import train_recommender

    typed = [re.split(r"[=@]", word.lstrip("+~"), maxsplit=1)[0] for word in HydraConfig.get().overrides.task]
    result = train_recommender(cfg, ProgressBars(), typed)
    print(f"\n{result.report.text()}\n")
    print(f"model       {result.checkpoint}")
    print(f"latest      {result.latest}")
    for file in result.files:
        print(f"report      {file}")
    version = result.version
    print(f"registered  {version.address}{', the champion' if version.is_champion else ''}: {version.reason}")
    here = read_settings(cfg.paths, Paths, "paths").option
    print(f"\nnext:\n  {command_line('rec_sys.inference.infer')} recommender={result.model.key}{here}")


def _search(cfg: DictConfig) -> None:
    from rec_sys.terminal import ProgressBars
    from rec_sys.train.search import search

    run = HydraConfig.get()
    best = search(cfg, run.overrides.task, functools.partial(hydra.compose, run.job.config_name), ProgressBars())
    if best is None:
        print("\nno trial was trained to its end")
        return
    done, early = best.trials["complete"] + best.trials["stopped early"], best.trials["stopped early"]
    print(f"\nbest of {done} trials, {early} of them stopped early: trial {best.trial}, {best.figure} {best.value:.4f}")
    print(f"\nnext, to train it and evaluate it on the test reviews:\n  {best.command}")


def _search_recommender(cfg: DictConfig) -> None:
    from rec_sys.terminal import ProgressBars
    from rec_sys.train.rating_search import search_recommender

    found, command = search_recommender(cfg, HydraConfig.get().overrides.task, ProgressBars())
    print(f"\n{found.section.text()}")
    print(f"\nnext, to train it and evaluate it on the test reviews:\n  {command}")


if __name__ == "__main__":
    main()
