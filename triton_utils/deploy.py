"""Make a checkpoint and its vector base the served ones, while the version before goes on answering until they are.

uv run -m triton_utils.deploy                                       # the newest checkpoint, for `triton_utils.serve`
uv run -m triton_utils.deploy checkpoint=NAME target=container      # for NVIDIA's container
uv run -m triton_utils.deploy rollback=true                         # back to the version before
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig
from pydantic import Field

from rec_sys.command import command, register_schema
from rec_sys.command_names import command_line
from rec_sys.errors import RepositoryError, ServeError
from rec_sys.inference.data_form import DataForm
from rec_sys.modules.config_pbtxt import Target
from rec_sys.modules.signature import MODELS, RECOMMEND
from rec_sys.paths import Paths, typed
from rec_sys.recommenders.artifact import find_artifact
from rec_sys.recommenders.graph.stored import KIND
from rec_sys.settings import Settings, read_settings
from rec_sys.vector_database.storage import load_vector_base, vector_base_folder
from triton_utils.backend.settings import RecommendSettings
from triton_utils.repository.versions import DEFAULT_FOLDER, Repository, Run, State, Version
from triton_utils.server.http_api import call, is_gone, is_ready
from triton_utils.server.process import addresses_of

POLL = 0.05  # seconds between two looks at the server


class DeploySettings(Settings):
    """What is deployed, and where."""

    checkpoint: str = Field("", description="name or path; empty: the newest good one")
    target: Target = Field("embedded", description="embedded: for triton_utils.serve; container: for NVIDIA's image")
    rollback: bool = Field(False, description="serve the version before again instead of a new one")
    repository: Path = Field(DEFAULT_FOLDER, description="folder of models")
    server: str | None = Field(
        None,
        description="HTTP address of the server that loads it; none: the one of this machine with this repository",
    )
    keep: int = Field(3, ge=2, description="versions kept to go back to, the served one included")
    load_timeout: float = Field(120, gt=0, description="seconds that the server may take to load one model")
    recommend: RecommendSettings = Field(default_factory=RecommendSettings, description="limits of recommend")
    paths: Paths = Field(default_factory=Paths, description="where checkpoints and the vector base are")


register_schema("deploy", DeploySettings)
register_schema("paths", Paths)


@dataclass(frozen=True)
class Deployed:
    """What is served now."""

    version: int
    before: int | None  # the version that was served before
    state: State
    server: str | None  # HTTP address of the server that loaded it; None: none is running

    def describe(self) -> str:
        """A few lines for a person."""
        now = self.state.versions[self.version]
        lines = [
            f"version     {self.version}" + (f", in the place of {self.before}" if self.before is not None else ""),
            f"checkpoint  {now.checkpoint} ({now.fingerprint[:12]})",
            f"kept        {', '.join(map(str, sorted(self.state.versions)))}",
            f"server      {f'{self.server} answers with it now' if self.server else 'none is running'}",
        ]
        return "\n".join(lines)


def deploy(settings: DeploySettings) -> Deployed:
    """Build a version, check it against torch, and serve it; or go back to the one before.

    Whatever fails, the version that was served goes on being served.

    Raises:
        CheckpointError: there is no checkpoint, or what was exported is not what torch computes.
        VectorBaseError: the vector base is missing, damaged or of another checkpoint.
        RepositoryError: somebody else deploys now, there is nothing to go back to, or the server refuses the version.
    """
    repository = Repository(settings.repository)
    with repository.deploying():
        repository.prune()
        if settings.rollback:
            return _roll_back(repository, settings)
        _check_target(repository, settings.target)
        path = find_artifact(settings.checkpoint, settings.paths.checkpoints, KIND)
        # torch takes seconds to import: here, not for --help, a typing error or a rollback.
        from rec_sys.recommenders.graph.checkpoint import load_checkpoint
        from triton_utils.repository.build import build, shape_of

        checkpoint = load_checkpoint(path)
        base = load_vector_base(vector_base_folder(path, settings.paths), checkpoint.stored())
        version = repository.next_version()
        with repository.staging() as staged:
            build(staged, version, checkpoint, base, settings.paths, settings.target)
            repository.add(staged, version)
        new = Version(
            checkpoint=checkpoint.path.name,
            fingerprint=checkpoint.fingerprint,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            shape=shape_of(checkpoint),
            recommend=settings.recommend,
            data_form=DataForm.of_model(checkpoint.info),
        )
        return add_version(repository, version, new, settings)


def _check_target(repository: Repository, target: Target) -> None:
    state = repository.state()
    if state is not None and state.target != target:
        raise RepositoryError(
            f"{repository.folder} holds versions for target={state.target}, which cannot be served beside one for "
            f"target={target}; give another folder: repository=FOLDER"
        )


def add_version(repository: Repository, version: int, new: Version, settings: DeploySettings) -> Deployed:
    """Serve a version whose folders are in place; they are removed again where the server refuses it.

    Raises:
        RepositoryError: the server refuses it; what was served before still is.
    """
    old = repository.state()
    versions = {**(old.versions if old else {}), version: new}
    previous = None if old is None else old.current
    state = State(
        target=settings.target,
        current=version,
        previous=previous,
        last=version,
        versions={number: versions[number] for number in sorted(versions)[-settings.keep :]},
        run=Run() if old is None else old.run,
    )
    try:
        server = activate(repository, old, state, settings)
    except BaseException:
        now = repository.state()
        if now is None or now.current != version:  # else it is served, and what failed came afterwards
            repository.remove(version)
        raise
    for number in versions.keys() - state.versions.keys():
        repository.remove(number)
    return Deployed(version, previous, state, server)


def _roll_back(repository: Repository, settings: DeploySettings) -> Deployed:
    """Serve the version before; the one that was served is removed."""
    old = repository.deployed()
    versions = {number: version for number, version in old.versions.items() if number < old.current}
    if not versions:
        raise RepositoryError(
            f"{repository.folder} has no version before {old.current}; there is nothing to go back to"
        )
    # Both are listed until the server has changed over.
    state = old.model_copy(update={"current": max(versions), "previous": None})
    server = activate(repository, old, state, settings)
    repository.remove(old.current)
    return Deployed(state.current, old.current, repository.deployed(), server)


def activate(repository: Repository, old: State | None, new: State, settings: DeploySettings) -> str | None:
    """Activate another version: its models are loaded beside the old ones, `recommend` last.

    Args:
        repository: the folders of both versions are in it.
        old: what is served; None: nothing.
        new: what shall be served.
        settings: which server shall load it, and how long it may take.

    Returns:
        HTTP address of the server that loaded it; None where none is running.

    Raises:
        RepositoryError: the server refuses; configs and state are the old ones again, and so is what it answers with.
    """
    with repository.changing():
        server = settings.server or _server_of(repository)
        both = [new.current] if old is None else [old.current, new.current]
        touched: list[str] = []
        try:
            repository.write_configs(new, both)
            if server is not None:
                for name in repository.models(new.current):
                    touched.append(name)
                    _load(server, name, new.current, settings.load_timeout)
        except BaseException as error:
            _restore(repository, old, server, touched, settings.load_timeout)
            if isinstance(error, OSError | ServeError):
                now = "nothing is served" if old is None else f"version {old.current} is served as before"
                raise RepositoryError(
                    f"version {new.current} was not loaded by {server}: {touched[-1:] and touched[-1]}: {error}; {now}"
                ) from error
            raise
        listed = {number: version for number, version in new.versions.items() if number <= new.current}
        repository.write_state(new.model_copy(update={"versions": listed}))
        if server is not None and old is not None:
            _settle(repository, old, new, server, settings.load_timeout)
    return server


def _settle(repository: Repository, old: State, new: State, server: str, timeout: float) -> None:
    """Let go of what was only needed while versions changed, once no call of the version before is on its way."""
    gone = [name for name in repository.models(old.current) if name not in repository.models(new.current)]
    if gone or new.previous != old.current:
        _wait_for_calls(old.current, server, timeout)
    for name in gone:
        call(server, "POST", f"/v2/repository/models/{name}/unload", timeout=timeout)
    if new.previous != old.current:
        for name in repository.models(new.current):
            if name != RECOMMEND:
                _load(server, name, new.current, timeout)


def _wait_for_calls(version: int, server: str, timeout: float) -> None:
    """Until `recommend` of a version that is no longer served has answered everybody, or the time is over."""
    end = time.monotonic() + timeout
    with suppress(OSError, ServeError):  # the version has changed over already, whatever the server says now
        while not is_gone(server, RECOMMEND, version) and time.monotonic() < end:
            time.sleep(POLL)


def _restore(
    repository: Repository, old: State | None, server: str | None, touched: Sequence[str], timeout: float
) -> None:
    """Undo an activation that failed, as far as the server still lives."""
    if old is None:
        for name in MODELS:
            (repository.folder / name / "config.pbtxt").unlink(missing_ok=True)
    else:
        repository.write_configs(old)
    for name in touched:
        old_has_it = old is not None and name in repository.models(old.current)
        try:
            call(
                server or "",
                "POST",
                f"/v2/repository/models/{name}/{'load' if old_has_it else 'unload'}",
                timeout=timeout,
            )
        except (OSError, ServeError):
            continue  # it keeps what it has loaded, or is gone and reads the configs when it is started again


def _load(server: str, name: str, version: int, timeout: float) -> None:
    """Let the server read a model's config and folders again.

    Raises:
        ServeError: it cannot load them; what it had loaded stays.
        OSError: it does not answer.
    """
    call(server, "POST", f"/v2/repository/models/{name}/load", timeout=timeout)
    if not is_ready(server, name, version, timeout):
        raise ServeError(f"version {version} of {name} is not ready")


def _server_of(repository: Repository) -> str | None:
    addresses = addresses_of(repository.folder)
    return None if addresses is None else addresses.http


@command("deploy_config")
def main(cfg: DictConfig) -> None:
    """Deploy and say what comes next."""
    settings = read_settings(cfg, DeploySettings, "")
    deployed = deploy(settings)
    print(deployed.describe())
    if deployed.server is None and deployed.state.target == "embedded":
        usual = settings.repository == DEFAULT_FOLDER
        repository = "" if usual else f" {typed('repository', settings.repository)}"
        print(f"\nnext:\n  {command_line('triton_utils.serve')}{repository}")


if __name__ == "__main__":
    main()
