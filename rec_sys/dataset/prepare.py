"""First stage on its own: read and check raw reviews. `uv run -m rec_sys.dataset.prepare data.path=FILE`."""

from __future__ import annotations

import io
import shutil
import sys

from omegaconf import DictConfig

from rec_sys.command import command, register_schema, same_settings
from rec_sys.command_names import command_line
from rec_sys.dataset.data_report import write_data_report
from rec_sys.dataset.dataset import prepare_data
from rec_sys.dataset.description import describe_reviews
from rec_sys.dataset.description_text import page_text
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
    """Read and check; print what was kept, what was left out and why, and write the same as a page with plots."""
    settings, paths = read_settings(cfg.data, DataSettings, "data"), read_settings(cfg.paths, Paths, "paths")
    _, prepared = prepare_data(settings, paths, ProgressBars())
    description = describe_reviews(prepared, settings.k_core)
    try:
        report = str(write_data_report(description))
    except OSError as error:  # a folder that others have prepared
        report = f"not written: {error.strerror}"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a file may hold letters that the terminal has not
    print(page_text(description, shutil.get_terminal_size((120, 24)).columns))
    print(
        f"\nprepared  {prepared.folder}\nreport    {report}\n"
        f"next:     {command_line('rec_sys.dataset.embed')}{same_settings()}"
    )


if __name__ == "__main__":
    main()
