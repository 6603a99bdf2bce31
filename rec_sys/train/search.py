"""Hyper-parameter search as a sweeper of Hydra: Optuna chooses the settings of the next training.

uv run -m rec_sys.train.train +search=default "model.dim=64,128" "train.learning_rate=interval(0.0001,0.01)"
"""

from __future__ import annotations

from collections.abc import Iterable

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from rec_sys.errors import ConfigError
from rec_sys.paths import Paths
from rec_sys.settings import read_settings
from rec_sys.train.settings import SearchSettings


class OptunaSweeper(Sweeper):
    """Reads what is searched and what is the same for all trials from the command line; `Search` does the rest."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.loader, self.whole = hydra_context.config_loader, config
        self.jobs = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        """Search until enough trials are done.

        Args:
            arguments: the settings that were typed.

        Raises:
            ConfigError: there is nothing to search, or the study was begun with something else.
            SearchStopped: stopped by hand; the study stays.
        """
        from rec_sys.train.search_loop import Search  # Optuna takes a second to import: not for a training or --help

        if "search" not in self.whole:
            raise ConfigError("hydra/sweeper=optuna wants the settings of a search; give +search=default instead")
        settings = read_settings(self.whole.search, SearchSettings, "search")
        paths = read_settings(self.whole.paths, Paths, "paths")
        given = self.parse(f"{key}={values}" for key, values in settings.space.items()) | self.parse(arguments)
        Search(settings, paths, given, self).run()

    def parse(self, typed: Iterable[str]) -> dict[str, Override]:
        """Settings as Hydra reads them, by key."""
        parser = OverridesParser.create(config_loader=self.loader)
        return {word.get_key_element(): word for word in parser.parse_overrides(list(typed))}

    def compose(self, typed: list[str]) -> DictConfig:
        """The configuration of a job."""
        return self.loader.load_sweep_config(self.whole, typed)

    def launch(self, typed: list[str], number: int) -> None:
        """Run a job, and raise what it raised."""
        (job,) = self.jobs.launch([typed], initial_job_idx=number)
        _ = job.return_value


def register_search() -> None:
    """Make the sweeper the Hydra choice `hydra/sweeper=optuna`."""
    # Hydra starts no sweeper whose name begins otherwise, and `Plugins.register` would give it the name it has here.
    name = "hydra_plugins.rec_sys.OptunaSweeper"
    Plugins.instance().class_name_to_class[name] = OptunaSweeper
    ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node={"_target_": name}, provider="rec_sys")
