"""First stage on its own: read and check raw reviews. `uv run -m rec_sys.dataset.prepare data.path=FILE`."""

from __future__ import annotations

from omegaconf import DictConfig

from rec_sys.command import command, register_schema, same_settings
from rec_sys.command_names import command_line
from rec_sys.dataset.dataset import prepare_data
from rec_sys.dataset.settings import DataSettings
from rec_sys.paths import Paths
from rec_sys.settings import read_settings
from rec_sys.terminal import ProgressBars
from rec_sys.text.settings import EncoderSettings

register_schema("data", DataSettings)
register_schema("encoder", EncoderSettings)
register_schema("paths", Paths)


@command("prepare_config")
def main(cfg: DictConfig) -> None:
    """Read and check; print what was kept, what was left out and why."""
    paths = read_settings(cfg.paths, Paths, "paths")
    _, prepared = prepare_data(read_settings(cfg.data, DataSettings, "data"), paths, ProgressBars())
    print(prepared.describe())
    print(f"\nprepared  {prepared.folder}\nnext:     {command_line('rec_sys.dataset.embed')}{same_settings()}")


if __name__ == "__main__":
    main()
