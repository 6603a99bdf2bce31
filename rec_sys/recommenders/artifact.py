"""A trained model on disk: one folder whose manifest vouches for its files. No torch in here.

NAME/
manifest.json      kind of model, settings, data, encoder, figures, sums of the files; `complete`; written last
...                weights as safetensors, ids as JSON; nothing that can run code
vector_base/       the FAISS index, made by `create_vectorbase`; it carries a manifest of its own
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from rec_sys.errors import CheckpointError, ConfigError, Remedy
from rec_sys.files import atomic_folder, sha256_of, write_json
from rec_sys.paths import Paths
from rec_sys.settings import Settings

logger = logging.getLogger(__name__)

FORMAT = "rec_sys artifact 1"
MANIFEST_FILE = "manifest.json"
LATEST = "latest"  # folder of links, one per kind of model, to the one that was trained last
OLD_SUFFIX = ".ckpt"  # one file, as graph models were kept before there were folders
OLD_FORMAT, OLD_KIND = "rec_sys graph model 3", "graph"  # what the header of such a file says, and what it holds


class Manifest(Settings):
    """`manifest.json` of a trained model."""

    format: str = Field(FORMAT, description="of the folder")
    kind: str = Field(description="the recommender, by its name in the registry")
    created: str = Field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="seconds"))
    complete: bool = Field(True, description="false: training did not end; usable by name only")
    fingerprint: str = Field("", description="sha256 over names and sums of the files")
    files: dict[str, str] = Field(default_factory=dict, description="sha256 of each file, by name")
    settings: dict[str, Any] = Field(default_factory=dict, description="of the recommender")
    info: dict[str, Any] = Field(default_factory=dict, description="data, encoder, split, figures, ...: plain JSON")


@dataclass(frozen=True)
class Artifact:
    """A folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Of the model: the folder's."""
        return self.folder.name


@contextmanager
def writing_artifact(folder: Path, manifest: Manifest) -> Iterator[Path]:
    """Yield an empty folder to write files into; it takes the place of `folder` whole, its manifest written last."""
    with atomic_folder(folder) as temporary:
        yield temporary
        sums = {path.name: sha256_of(path) for path in sorted(temporary.iterdir()) if path.is_file()}
        kept = {"files": sums, "fingerprint": fingerprint_of(sums), "info": _info_to_keep(manifest.info, folder)}
        whole = manifest.model_copy(update=kept)
        write_json(temporary / MANIFEST_FILE, whole.model_dump(mode="json"))


def write_info(folder: Path, info: dict[str, Any]) -> None:
    """Write what a model says of itself anew; its files, and so its fingerprint, stay.

    Raises:
        CheckpointError: there is no model, or it is damaged.
    """
    manifest = read_artifact(folder, verify=False).manifest
    whole = manifest.model_copy(update={"info": _info_to_keep(info, folder)})
    write_json(folder / MANIFEST_FILE, whole.model_dump(mode="json"))


def with_work_folder(info: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a model says of itself, with the work folder of its data.

    Args:
        info: as it was kept.
        folder: in which the model lies: the work folder is kept relative to it, or it is one of its checkpoints.
    """
    settings = info.get("settings") or {}
    work_dir = (settings.get("paths") or {}).get("work_dir")
    if work_dir is None and folder.parent != Paths(work_dir=folder.parent.parent).checkpoints:
        return info
    found = folder.parent.parent if work_dir is None else Path(os.path.normpath(folder.absolute() / work_dir))
    return info | {"settings": settings | {"paths": {"work_dir": str(found)}}}


def _info_to_keep(info: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same with the work folder relative to the model's, since both may be moved."""
    settings = info.get("settings") or {}
    if not (work_dir := (settings.get("paths") or {}).get("work_dir")):
        return info
    relative = Path(os.path.relpath(Path(work_dir).absolute(), folder.absolute())).as_posix()
    return info | {"settings": settings | {"paths": {"work_dir": relative}}}


def fingerprint_of(sums: dict[str, str]) -> str:
    """One sum over the names and sums of all files."""
    return hashlib.sha256("\n".join(f"{name} {value}" for name, value in sorted(sums.items())).encode()).hexdigest()


def read_artifact(folder: Path, verify: bool = True) -> Artifact:
    """Read the manifest of a trained model.

    Args:
        folder: of the model.
        verify: compare every file with its sum.

    Raises:
        CheckpointError: there is none, it is damaged, or a file is not the one that was written.
    """
    path = folder / MANIFEST_FILE
    try:
        values = orjson.loads(path.read_bytes())
        manifest = Manifest.read(values if isinstance(values, dict) else {}, "manifest")
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no {MANIFEST_FILE}, so it is no trained model; name another") from error
    except (OSError, orjson.JSONDecodeError, ConfigError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train again or name another model") from error
    if manifest.format != FORMAT:
        raise CheckpointError(f"{folder} holds {manifest.format!r}; expected {FORMAT!r}: train again or name another")
    if verify:
        for name, expected in manifest.files.items():
            file = folder / name
            if not file.is_file():
                raise CheckpointError(f"{folder} lacks its file {name}; train again or name another model")
            if sha256_of(file) != expected:
                raise CheckpointError(f"{file} is not the file that was written; train again or name another model")
    return Artifact(folder, manifest)


def find_artifact(name: str, folder: Path, kind: str = "") -> Path:
    """The trained model that a command should use.

    Args:
        name: a path, a name in `folder`, or "" for the newest complete one there.
        folder: where models are kept.
        kind: the recommender that the newest one must be, by its name in the registry; "": any.

    Returns:
        A folder, or a file of before there were folders.

    Raises:
        CheckpointError: there is none.
    """
    if name:
        return _named(name, folder)
    for path in sorted(_models(folder), key=_time_of, reverse=True):
        try:
            found, complete = _kind_and_state(path)
        except CheckpointError as error:
            logger.warning("passed over: %s", error)
            continue
        if not complete:
            logger.warning(
                "passed over: %s is unfinished, its training did not end; name it to use it all the same", path.name
            )
        elif not kind or found == kind:
            return path
    which = f" of the kind {kind!r}" if kind else ""
    remedy = train_first(folder)
    if kind and kind != OLD_KIND:
        remedy = Remedy(remedy.action, remedy.module, {"recommender": kind, **remedy.settings})
    raise CheckpointError(f"no trained model{which} in {folder}", remedy)


def point_latest(folder: Path, kind: str) -> Path:
    """Have `latest/KIND` beside the model lead to it: a link, switched in one step, so that it is never missing.

    Args:
        folder: of the model.
        kind: the recommender, by its name in the registry.
    """
    link = folder.parent / LATEST / kind
    link.parent.mkdir(exist_ok=True)
    temporary = link.with_name(f".{kind}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path("..") / folder.name, target_is_directory=True)
    os.replace(temporary, link)
    return link


def _named(name: str, folder: Path) -> Path:
    bare = name.removesuffix(OLD_SUFFIX)  # a folder may be called as its file was
    for path in (Path(name), folder / name, folder / f"{name}{OLD_SUFFIX}", Path(bare), folder / bare):
        if path.is_file():
            return path
        if (path / MANIFEST_FILE).is_file():
            if not read_artifact(path, verify=False).manifest.complete:
                logger.warning("%s is unfinished: its training did not end; used because it was named", path)
            return path.resolve() if path.is_symlink() else path
    raise CheckpointError(f"no model {name!r}, neither as a path nor in {folder}", train_first(folder))


def kind_of(path: Path) -> str:
    """The recommender that a model is, by its name in the registry.

    Raises:
        CheckpointError: it is damaged, or of another format.
    """
    return _kind_and_state(path)[0]


def _kind_and_state(path: Path) -> tuple[str, bool]:
    """The recommender that a model is, and whether its training ended; no weights are read.

    Raises:
        CheckpointError: it is damaged, or of another format.
    """
    if path.is_dir():
        manifest = read_artifact(path, verify=False).manifest
        return manifest.kind, manifest.complete
    from safetensors import SafetensorError, safe_open  # only here: serving does without it

    try:
        with safe_open(path, framework="numpy") as file:
            found = (file.metadata() or {}).get("format")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a model ({error})") from error
    if found != OLD_FORMAT:
        raise CheckpointError(f"{path} holds {found or 'something else'!r}; expected {OLD_FORMAT!r}")
    return OLD_KIND, True


def train_first(folder: Path) -> Remedy:
    """The advice to train, in the work folder to which a folder of models belongs."""
    return Remedy("train one first", "rec_sys.train.train", Paths(work_dir=folder.parent).settings)


def _models(folder: Path) -> list[Path]:
    files = [path for path in folder.glob(f"*{OLD_SUFFIX}") if path.is_file()]
    return [path.parent for path in folder.glob(f"*/{MANIFEST_FILE}")] + files


def _time_of(path: Path) -> int:
    return (path / MANIFEST_FILE if path.is_dir() else path).stat().st_mtime_ns
