"""What a data set shows before any model is fitted. `uv run -m rec_sys.dataset.explore data.path=FILE`."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from rec_sys.command import command, register_schema, same_settings
from rec_sys.command_names import command_line
from rec_sys.dataset.dataset import load_data, prepare_data
from rec_sys.dataset.exploration.facts import explore
from rec_sys.dataset.exploration.page import exploration_text, write_exploration
from rec_sys.dataset.settings import DataSettings
from rec_sys.paths import Paths
from rec_sys.settings import read_settings
from rec_sys.terminal import ProgressBars
from rec_sys.text.settings import EncoderSettings

register_schema("data", DataSettings)
register_schema("encoder", EncoderSettings)
register_schema("paths", Paths)


@command("explore_config", level=logging.WARNING)
def main(cfg: DictConfig) -> None:
    """Print the findings, and write them with plots as one page."""
    settings, paths = read_settings(cfg.data, DataSettings, "data"), read_settings(cfg.paths, Paths, "paths")
    bars = ProgressBars()
    _, prepared = prepare_data(settings, paths, bars)
    dataset = load_data(settings, read_settings(cfg.encoder, EncoderSettings, "encoder"), paths, bars)
    facts = explore(dataset)
    bars.close()
    page = paths.reports / f"{dataset.name}-exploration.html"
    write_exploration(facts, page, prepared.account())
    print(f"{exploration_text(facts)}\n\npage      {page}")
    print(f"next:     {command_line('rec_sys.train.train')}{same_settings()}")


if __name__ == "__main__":
    main()
