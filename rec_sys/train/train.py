"""The main job: raw reviews to a checkpoint, with a report. `uv run -m rec_sys.train.train --help` tells more."""

from __future__ import annotations

from omegaconf import DictConfig

from rec_sys.command import command, register_schema
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.settings import GraphModelSettings, TrainSettings
from rec_sys.settings import read_settings
from rec_sys.text.settings import EncoderSettings
from rec_sys.train.search import register_search
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
register_search()


@command("train_config")
def main(cfg: DictConfig) -> None:
    """Train and print the closing report."""
    # Lightning and MLflow take seconds to import: not for --help or a typing error.
    from rec_sys.terminal import ProgressBars
    from rec_sys.train.run import train

    result = train(cfg, ProgressBars())
    if not result.files:
        return  # a trial of a search, which tells by itself what came of it
    print(f"\n{result.report.text()}\n")
    print(f"checkpoint  {result.checkpoint}")
    for file in result.files:
        print(f"report      {file}")
    here = read_settings(cfg.paths, Paths, "paths").option
    print("\nnext:")
    for module in ("rec_sys.vector_database.create_vectorbase", "rec_sys.inference.infer"):
        print(f"  uv run -m {module}{here}")


if __name__ == "__main__":
    main()
