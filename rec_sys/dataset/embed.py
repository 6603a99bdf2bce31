"""Second stage on its own: embed the texts of prepared reviews. `uv run -m rec_sys.dataset.embed data.path=FILE`."""

from __future__ import annotations

from omegaconf import DictConfig

from rec_sys.command import command, register_schema, same_settings
from rec_sys.command_names import command_line
from rec_sys.dataset.dataset import load_data
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
    """Read, check and embed; what has been done before is found again."""
    data = load_data(
        read_settings(cfg.data, DataSettings, "data"),
        read_settings(cfg.encoder, EncoderSettings, "encoder"),
        read_settings(cfg.paths, Paths, "paths"),
        ProgressBars(),
    )
    _ = data.vectors  # embedded when they are first asked for
    print(f"\nnext:  {command_line('rec_sys.train.train')}{same_settings()}")


if __name__ == "__main__":
    main()
