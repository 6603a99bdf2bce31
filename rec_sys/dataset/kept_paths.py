"""What is kept of where the raw files were: no absolute path, so that a work folder may be moved and models published.

A file below the work folder is kept relative to it, any other absolute path as the file's name alone. The prepared
reviews lie in the work folder and are known by their fingerprint, so nothing needs the raw files but making them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rec_sys.dataset.settings import DataSettings
from rec_sys.paths import Paths

FILES = ("path", "metadata", "user_ids", "product_ids", "category_tree")  # settings that may name a file
LISTS = ("item_properties",)  # settings that may name several
SQLITE = "sqlite:///"  # before the file in the address of such a database
WORDS = ("auto", "none")  # that such a setting may hold instead


def with_relative_paths(settings: DataSettings, paths: Paths) -> dict[str, Any]:
    """The settings as plain JSON to keep with a model."""
    values = settings.model_dump(mode="json")
    if values["sql"]["url"] is not None:
        values["sql"]["url"] = _kept_address(values["sql"]["url"], paths.work_dir)
    for key in LISTS:
        if isinstance(values[key], list):
            values[key] = [_kept(file, paths.work_dir) for file in values[key]]
        elif _is_file(values[key]):
            values[key] = _kept(values[key], paths.work_dir)
    return values | {key: _kept(values[key], paths.work_dir) for key in FILES if _is_file(values[key])}


def with_found_paths(values: Mapping[str, Any], paths: Paths) -> DataSettings:
    """The settings that were kept, with the files that are in the work folder found there.

    Args:
        values: of `with_relative_paths`, or of a model of before, which may hold absolute paths.
        paths: where the work folder is now.

    Raises:
        ConfigError: a setting is wrong.
    """
    here: dict[str, str | list[str]] = {
        key: str(paths.work_dir / values[key]) for key in FILES if _is_file(values.get(key))
    }
    for key in LISTS:
        if isinstance(files := values.get(key), list):
            here[key] = [str(paths.work_dir / file) for file in files]
        elif _is_file(files):
            here[key] = str(paths.work_dir / str(files))
    found: dict[str, Any] = {key: file for key, file in here.items() if _is_there(file)}
    sql = values.get("sql") or {}
    if isinstance(sql.get("url"), str) and (file := _of_sqlite(sql["url"])) and (paths.work_dir / file).exists():
        found["sql"] = {**sql, "url": f"{SQLITE}{paths.work_dir / file}"}
    return DataSettings.read({**values, **found}, "data")


def _is_there(files: str | list[str]) -> bool:
    return all(Path(file).exists() for file in ([files] if isinstance(files, str) else files))


def _kept_address(address: str, work_dir: Path) -> str:
    """The address of a database; that of a file without its absolute path."""
    file = _of_sqlite(address)
    return address if file is None else f"{SQLITE}{_kept(file, work_dir)}"


def _of_sqlite(address: str) -> str | None:
    """The file that an address of SQLite names; None for others."""
    file = address.removeprefix(SQLITE)
    return file if file != address and file and not file.startswith((":", "file:")) else None


def _is_file(value: object) -> bool:
    return isinstance(value, str) and value not in WORDS


def _kept(given: str, work_dir: Path) -> str:
    path, folder = Path(given).expanduser(), work_dir.resolve()
    if path.resolve().is_relative_to(folder):
        return path.resolve().relative_to(folder).as_posix()
    return path.name if path.is_absolute() else given
