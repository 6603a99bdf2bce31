"""MLflow's registry of models: versions by name, the alias `champion`, and the folder behind an address.

A version is the model's folder as it was kept with its run. Stages, which MLflow is giving up, are not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rec_sys.errors import CheckpointError
from rec_sys.paths import Paths

CHAMPION = "champion"
ADDRESS, OF_RUN = "models:/", "runs:/"
FIGURE, VALUE, SPLIT = "figure", "value", "split"  # tags of a version


@dataclass(frozen=True)
class Version:
    """A registered version."""

    name: str
    number: int
    is_champion: bool
    reason: str  # why it is, or is not

    @property
    def address(self) -> str:
        """What `rec_sys.load` takes."""
        return f"{ADDRESS}{self.name}/{self.number}"


def register(
    paths: Paths, name: str, run_id: str, folder_name: str, figure: str, value: float, split: str, higher: bool = True
) -> Version:
    """Make the folder that was kept with a run the next version of a registered model.

    The alias `champion` is moved to it where there is none yet, or where its figure is better on the same split.

    Args:
        paths: with the store.
        name: of the registered model.
        run_id: of the run that keeps the folder.
        folder_name: of the model, among the files of the run.
        figure: by which versions are compared, such as "test/ndcg_at_10".
        value: of this version; nan where nothing was tested.
        split: fingerprint of data and split; figures of different ones are not compared.
        higher: whether a higher figure is better.
    """
    client = _client(paths)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    tags = {FIGURE: figure, VALUE: repr(value), SPLIT: split}
    made = client.create_model_version(name, f"{OF_RUN}{run_id}/{folder_name}", run_id, tags=tags)
    number = int(made.version)
    before = _champion(client, name)
    better, reason = _compare(before, figure, value, split, higher)
    if better:
        client.set_registered_model_alias(name, CHAMPION, str(number))
    return Version(name, number, better, reason)


def _compare(before: Any, figure: str, value: float, split: str, higher: bool) -> tuple[bool, str]:
    """Whether a version is to be the champion, and why."""
    if value != value:  # nan
        return False, "it was not tested"
    if before is None:
        return True, "it is the first"
    tags, which = before.tags, f"version {before.version}"
    if tags.get(SPLIT) != split or tags.get(FIGURE) != figure:
        return False, f"{which} was tested on other data or another split, so the two cannot be compared"
    was = float(tags[VALUE])
    better = value > was if higher else value < was
    return better, f"{figure} {value:.4f} against {was:.4f} of {which}, on the same split"


def _champion(client: Any, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def registered_folder(address: str, paths: Paths) -> Path:
    """The folder of a registered version.

    Args:
        address: models:/NAME@champion, models:/NAME/3 or models:/NAME, the newest one.
        paths: with the store.

    Raises:
        CheckpointError: the address cannot be read, or there is no such version.
    """
    read = re.fullmatch(rf"{ADDRESS}([^/@]+)(?:@([^/@]+)|/(\d+))?", address)
    if read is None:
        raise CheckpointError(f"{address} is no address of a model; expected models:/NAME@champion or models:/NAME/3")
    if not paths.mlflow.is_file():
        raise CheckpointError(f"{address}: no MLflow store {paths.mlflow}; give the work folder it lies in")
    from mlflow.exceptions import MlflowException

    client = _client(paths)
    name, alias, number = read.groups()
    try:
        if alias:
            version = client.get_model_version_by_alias(name, alias)
        elif number:
            version = client.get_model_version(name, number)
        else:
            found = client.search_model_versions(f"name = '{name}'")
            if not found:
                raise CheckpointError(f"{address}: no registered model {name!r}; {_known(client)}")
            version = max(found, key=lambda each: int(each.version))
        run_id, _, folder = version.source.removeprefix(OF_RUN).partition("/")
        kept = str(client.get_run(run_id).info.artifact_uri)
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{address} is not registered ({reason}); {_known(client)}") from error
    path: Path = Path(url2pathname(urlsplit(kept).path)) / folder
    if not path.is_dir():
        raise CheckpointError(f"{address} was kept in {path}, which is gone; bring it back or name another version")
    return path


def _known(client: Any) -> str:
    names: Mapping[str, Any] = {model.name: model for model in client.search_registered_models()}
    return f"registered are {', '.join(sorted(names))}" if names else "nothing is registered yet"


def _client(paths: Paths) -> Any:
    from mlflow import MlflowClient

    from rec_sys.tracking.runs import address_of

    address = address_of(paths.mlflow)
    return MlflowClient(address, registry_uri=address)
