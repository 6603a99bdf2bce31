"""The frame of every command: Hydra reads the settings, expected errors become one line on stderr.

Exit codes: 0 done, 2 a setting or an input the person at the keyboard can put right (`error: ...`, no traceback),
130 stopped by Ctrl-C, 1 anything else, which is a bug and keeps its traceback.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from rec_sys.closest import did_you_mean
from rec_sys.command_names import command_line
from rec_sys.errors import RecSysError
from rec_sys.passwords import without_password
from rec_sys.paths import quoted, typed
from rec_sys.settings import Settings

_IN_CLONE, _IN_WHEEL = (Path(__file__).resolve().parents[place] / "config" for place in (1, 0))
CONFIG_FOLDER = _IN_CLONE if (_IN_CLONE / "train_config.yaml").is_file() else _IN_WHEEL  # the wheel has a copy
HYDRA_VERSION = "1.3"  # the Hydra version whose rules hold

OURS = ("rec_sys", "triton_utils", "rec_chat", "rec_service")  # loggers whose messages a command shows


OF_IDS = ("users", "history", "data.nothing")  # settings that hold ids
OF_TEXTS = ("data.sql.url", "data.sql.query")  # settings that hold a text with signs of Hydra's own
ADDRESS = "data.sql.url"  # of a database, which may hold a password
NO_IDS = ("", "null", "all")  # what such a setting may hold instead


def register_schema(name: str, settings: type[Settings]) -> None:
    """Make the defaults of `settings` the Hydra choice `schema/<name>`.

    A YAML file that opens with `defaults: [/schema/<name>@_here_, _self_]` then holds only what differs.
    """
    ConfigStore.instance().store(group="schema", name=name, node=settings().model_dump(mode="json"))


def same_settings() -> str:
    """The settings that were typed after the command now running, each with a space before it, ready for a shell."""
    return "".join(f" {quoted(word)}" for word in HydraConfig.get().overrides.task)


def command(
    config_name: str, folder: Path = CONFIG_FOLDER, level: int = logging.INFO
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make `task(cfg)` a command that reads `<folder>/<config_name>.yaml` and the overrides of the command line.

    What the library logs from `level` upwards is shown: news on stdout, warnings on stderr.

    The decorated function takes its arguments from `sys.argv`; what a test wants to call stays a function of its own:

        def train(cfg: DictConfig) -> TrainResult: ...

        @command("train_config")
        def main(cfg: DictConfig) -> None:
            print(train(cfg).summary())
    """

    def decorate(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
        inside_task = False

        @functools.wraps(task)
        def job(cfg: DictConfig) -> None:
            nonlocal inside_task
            inside_task = True
            show_messages(level)
            try:
                _without_password(cfg)
                task(cfg)
            # Hydra swallows an Exception of the job and reports it in its own way; SystemExit passes.
            except RecSysError as error:
                _stop(with_remedy(error))
            # HydraException: of a configuration that the task composes itself, as a search does for each trial.
            except (MissingMandatoryValue, InterpolationResolutionError, HydraException) as error:
                _stop(_explain(error, folder, config_name))
            inside_task = False  # with --multirun Hydra composes the next job's configuration now

        hydra_main = hydra.main(version_base=HYDRA_VERSION, config_path=str(folder), config_name=config_name)(job)

        def main() -> None:
            nonlocal inside_task
            inside_task = False
            sys.argv[1:] = map(with_kept_spelling, sys.argv[1:])
            os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra prints the error itself and exits with 1
            try:
                hydra_main()
            except KeyboardInterrupt as stop:
                print(str(stop) or "stopped", file=sys.stderr)
                raise SystemExit(130) from None
            except (HydraException, OmegaConfBaseException, YAMLError) as error:
                if inside_task:
                    raise
                _stop(_explain(error, folder, config_name))
            except OSError as error:  # Hydra makes the folder of the run before the task begins
                if inside_task:
                    raise
                where = error.filename or "the folder of the run"
                _stop(f"{where}: {error.strerror}; give a folder that can be written to: paths.work_dir=FOLDER")

        main.__doc__ = task.__doc__
        return main

    return decorate


def with_kept_spelling(word: str) -> str:
    """A word of the command line whose ids and texts stay as they are typed; Hydra would read NULL and 5e3 as values.

    Words with quotes or brackets of their own are left to Hydra's rules, but for an address or a query, which is no
    value of Hydra's. An address loses its password here, before Hydra writes down what was typed.
    """
    setting, _, value = word.partition("=")
    if setting in OF_TEXTS:
        return f"{setting}={_as_text(without_password(value) if setting == ADDRESS else value)}"
    if setting not in OF_IDS or value.lower() in NO_IDS:
        return word
    listed = value.startswith("[") and value.endswith("]")
    ids = value[1:-1].split(",") if listed else [value]
    if any(not name.strip() or re.search(r"[\[\]{}'\"\\\\,]", name) for name in ids):
        return word
    as_texts = ",".join(f"'{name.strip()}'" for name in ids)
    return f"{setting}=[{as_texts}]" if listed else f"{setting}={as_texts}"


def _as_text(value: str) -> str:
    """A text in Hydra's quotes; one that has some already, or means nothing, stays."""
    if value == "null" or re.fullmatch(r"""(['"]).*\1""", value, re.DOTALL):
        return value
    quoted_ = re.sub(r'(\\*)"', r'\1\1\\"', value)
    return '"' + re.sub(r"(\\+)$", r"\1\1", quoted_) + '"'


def _without_password(cfg: DictConfig) -> None:
    """Take the password out of the address of a database that a configuration holds."""
    address = OmegaConf.select(cfg, ADDRESS)
    if isinstance(address, str):
        OmegaConf.update(cfg, ADDRESS, without_password(address))


class _Shown(logging.Handler):
    """Messages as plain lines, above a bar that may be moving: news on stdout, warnings on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            warns = record.levelno >= logging.WARNING
            line = f"warning: {record.getMessage()}" if warns else record.getMessage()
            bars = sys.modules.get("tqdm")  # imported by whoever draws bars; without them print will do
            write = bars.tqdm.write if bars else print
            write(line, file=sys.stderr if warns else sys.stdout)
        except Exception:
            self.handleError(record)


def show_messages(level: int = logging.INFO) -> None:
    """Show what the library logs as a command does."""
    for name in OURS:
        ours = logging.getLogger(name)
        ours.handlers = [_Shown()]
        ours.setLevel(level)
        ours.propagate = False


def with_remedy(error: RecSysError) -> str:
    """The message, and the command that puts it right as it is typed."""
    if error.remedy is None:
        return str(error)
    given = "".join(f" {typed(key, value)}" for key, value in error.remedy.settings.items())
    return f"{error}; {error.remedy.action}: {command_line(error.remedy.module)}{given}"


def _stop(message: str) -> NoReturn:
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(2)


def _explain(error: Exception, folder: Path, config_name: str) -> str:
    """One sentence for what Hydra says in many lines: the key that came and the closest one that is known."""
    message = str(error)
    if isinstance(error, OmegaConfBaseException):
        return f"setting {error.full_key}: {message.splitlines()[0]}"
    if isinstance(error, OverrideParseException):
        return (
            f"setting {error.override} cannot be read; expected key=value, with quotes around a text that holds "
            f"spaces, commas, brackets or letters beyond ASCII: \"key='some text'\", \"users=['ùser 1']\""
        )
    if isinstance(error, MissingConfigException):
        if absent := re.search(r"config directory '([^']+)' exists", message):
            return f"no folder {absent[1]}: run from a clone of the project, or give the folder with --config-path"
        if missing := re.search(r"Could not find '([^']+)'", message):
            options = re.findall(r"^\t(?!provider=)(\S+)$", message, re.MULTILINE)
            group, _, choice = missing[1].rpartition("/")
            return f"no choice {choice!r} for {group!r}; {_closest(choice, options)}"
        return message.partition("Config search path:")[0]
    if unknown := re.match(r"Could not override '([^']+)'", message):
        return f"unknown setting {unknown[1]!r}; {_closest(unknown[1], _known_keys(folder, config_name, unknown[1]))}"
    return re.sub(r"See https\S+ for details", "Settings are given as key=value.", message)


def _closest(name: str, known: list[str]) -> str:
    leaf = name.rpartition(".")[2]
    elsewhere = [key for key in known if key.rpartition(".")[2] == leaf]  # the right name in another group
    if elsewhere:
        return f"did you mean {elsewhere[0]!r}?"
    return did_you_mean(name, known, listed=lambda key: "." not in key)


def _known_keys(folder: Path, config_name: str, unknown: str) -> list[str]:
    """All keys of the configuration, with the choices of the command line where they can be composed."""
    choices = [word for word in sys.argv[1:] if re.fullmatch(r"\+?[\w/]+=[\w/-]+", word)]
    for overrides in ([word for word in choices if word.partition("=")[0] != unknown], []):
        try:
            inside = GlobalHydra.instance().is_initialized()  # a task is running
            with nullcontext() if inside else hydra.initialize_config_dir(str(folder), version_base=HYDRA_VERSION):
                return list(_dotted_keys(hydra.compose(config_name, overrides)))
        except (HydraException, OmegaConfBaseException):
            continue
    return []


def _dotted_keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key, inner in node.items_ex(resolve=False):
        dotted = prefix + str(key)
        yield dotted
        if isinstance(inner, DictConfig):
            yield from _dotted_keys(inner, f"{dotted}.")
