"""The model repository: versions of the whole path side by side, and which of them is served.

    model_repository/
      deployed.json                       which versions there are, which one is served: the truth, written atomically
      text_encoder/config.pbtxt           1/ 2/ ...   one folder per version; one number for all models of a deployment
      new_products/config.pbtxt           1/ 2/ ...
      graph_model/config.pbtxt            1/ 2/ ...
      recommend/config.pbtxt              1/ 2/ ...   calls exactly its own version of the others

`config.pbtxt` follows from `deployed.json`: `recommend` has one version, the current one; the others also the one
before, for calls that are on their way while versions change. A version that `deployed.json` does not name is served by
nobody.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
from pydantic import Field

from rec_sys.errors import Remedy, RepositoryError
from rec_sys.files import atomic_file, write_json
from rec_sys.inference.data_form import DataForm
from rec_sys.locks import exclusive
from rec_sys.modules import signature
from rec_sys.modules.config_pbtxt import CONFIG_FILE, PYTHON_FILE, Queue, Serving, Target, config_pbtxt, model_py
from rec_sys.modules.signature import DATA_FORM, MODELS, RECOMMEND, TEXT_ENCODER, Signature
from rec_sys.settings import Settings
from triton_utils.backend.settings import RecommendSettings

DEFAULT_FOLDER = Path("triton_utils/model_repository")
FORMAT = "rec_sys model repository 1"
STATE_FILE = "deployed.json"
DEPLOY_LOCK, STATE_LOCK = ".deploy.lock", ".state.lock"
STAGING = ".staging-"
STATE_WAIT = 60.0  # seconds to wait while somebody else changes what is served
TEXTS_WAITING = 256  # calls of the text encoder that may wait


class Shape(Settings):
    """What the signatures of a version follow from."""

    history_dim: int = Field(description="of a product's state")
    text_dim: int = Field(description="of a text's vector; 0: the model reads no texts")
    review_texts: bool = Field(description="whether texts of reviews are read")
    dim: int = Field(description="of a person's vector")

    def signatures(self) -> list[Signature]:
        """Of all models of such a version, in the order in which they are loaded."""
        signatures = {
            signature.GRAPH_MODEL: signature.graph_model(
                self.history_dim, self.text_dim if self.review_texts else 0, self.dim
            ),
            signature.RECOMMEND: signature.recommend(),
        }
        if self.text_dim:
            signatures[signature.TEXT_ENCODER] = signature.text_encoder(self.text_dim)
            signatures[signature.NEW_PRODUCTS] = signature.new_products(self.text_dim, self.history_dim, self.dim)
        return [signatures[name] for name in MODELS if name in signatures]


class Version(Settings):
    """One deployment."""

    checkpoint: str = Field(description="file name")
    fingerprint: str = Field(description="sha256 of the checkpoint")
    created: str = Field(description="ISO 8601, UTC")
    shape: Shape = Field(description="lengths of its tensors")
    recommend: RecommendSettings = Field(default_factory=RecommendSettings, description="limits of recommend")
    data_form: DataForm = Field(default_factory=DataForm, description="of the data of the training")


class Instances(Settings):
    """How many processes compute calls of a model at once."""

    text_encoder: int = Field(1, ge=1, le=64)
    new_products: int = Field(1, ge=1, le=64)
    graph_model: int = Field(1, ge=1, le=64)


class Run(Settings):
    """How the models are run, whatever their version."""

    threads: int = Field(0, ge=0, description="of the text encoder; 0: one per core")
    instances: Instances = Field(default_factory=Instances, description="processes per model")


class State(Settings):
    """`deployed.json`."""

    format: str = Field(FORMAT, description="of this file")
    target: Target = Field("embedded", description="which server the models are made for")
    current: int = Field(description="the version that is served; the newest of `versions`")
    previous: int | None = Field(None, description="the one before, whose models are kept loaded")
    last: int = Field(description="the highest number a version ever had; none is given twice")
    versions: dict[int, Version] = Field(description="the served one and those to go back to, by number")
    run: Run = Field(default_factory=Run, description="how")


class Repository:
    """A model repository on disk.

    Args:
        folder: need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @contextmanager
    def deploying(self) -> Iterator[None]:
        """While the block runs nobody else deploys.

        Raises:
            RepositoryError: somebody does so now.
        """
        try:
            with exclusive(self.folder / DEPLOY_LOCK):
                yield
        except BlockingIOError:
            raise RepositoryError(f"another deployment into {self.folder} is running; wait until it is done") from None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While the block runs nobody else changes which versions are served, or starts a server on them."""
        try:
            with exclusive(self.folder / STATE_LOCK, wait=STATE_WAIT):
                yield
        except BlockingIOError:
            raise RepositoryError(f"another program has been changing {self.folder} for a minute; stop it") from None

    def state(self) -> State | None:
        """What is deployed; None where nothing is.

        Raises:
            RepositoryError: `deployed.json` is damaged.
        """
        path = self.folder / STATE_FILE
        if not path.is_file():
            return None
        try:
            values = orjson.loads(path.read_bytes())
            if values.get("format") != FORMAT:
                raise ValueError(f"it is {values.get('format')!r}, expected {FORMAT!r}")
            state = State(**values)
            if state.current != max(state.versions, default=0):
                raise ValueError(f"it serves version {state.current}, which is not the newest it lists")
        except (ValueError, AttributeError, TypeError) as error:
            raise RepositoryError(
                f"{path} is damaged ({str(error).splitlines()[0]})", self._remedy("delete the folder and deploy again")
            ) from error
        return state

    def deployed(self) -> State:
        """What is deployed.

        Raises:
            RepositoryError: nothing is, or `deployed.json` is damaged.
        """
        state = self.state()
        if state is None:
            raise RepositoryError(f"nothing is deployed in {self.folder}", self._remedy("deploy first"))
        return state

    def _remedy(self, action: str) -> Remedy:
        """A deployment into this folder, which is named where it is not the one that commands use by themselves."""
        given = {} if self.folder == DEFAULT_FOLDER.resolve() else {"repository": self.folder}
        return Remedy(action, "triton_utils.deploy", given)

    def next_version(self) -> int:
        """A number that no version has or had."""
        state = self.state()
        numbers = [state.last if state else 0]
        numbers += [int(path.name) for path in self.folder.glob("[!.]*/*") if path.name.isdecimal()]
        return max(numbers) + 1

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A hidden folder on the same disk; gone afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix=STAGING))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def models(self, version: int) -> list[str]:
        """Names of the models that have a folder of this version, in the order in which they are loaded."""
        return [name for name in MODELS if (self.folder / name / str(version)).is_dir()]

    def add(self, staged: Path, version: int) -> None:
        """Move the model folders of a new version into place; nobody serves them yet."""
        for model in sorted(path for path in staged.iterdir() if path.is_dir()):
            (self.folder / model.name).mkdir(exist_ok=True)
            (model / str(version)).rename(self.folder / model.name / str(version))

    def remove(self, version: int) -> None:
        """Remove the folders of a version that is not served."""
        for name in MODELS:
            shutil.rmtree(self.folder / name / str(version), ignore_errors=True)

    def write_state(self, state: State) -> None:
        """Make a state the truth, and let the configs follow it."""
        write_json(self.folder / STATE_FILE, orjson.loads(state.model_dump_json()))
        self.write_configs(state)

    def write_configs(self, state: State, served: Sequence[int] | None = None) -> None:
        """Write every `config.pbtxt`; those of models that no served version has are removed.

        Args:
            state: what there is.
            served: versions of all models but `recommend`; None: the current one and the one before.
        """
        if served is None:
            served = [version for version in (state.previous, state.current) if version is not None]
        served = [version for version in sorted(served) if self._fits(state, version)]
        signatures: dict[str, list[Signature]] = {}
        for version in served:
            for model in state.versions[version].shape.signatures():
                signatures.setdefault(model.name, []).append(model)
        for name in MODELS:
            path = self.folder / name / CONFIG_FILE
            if name not in signatures:
                path.unlink(missing_ok=True)
                continue
            versions = [state.current] if name == RECOMMEND else [v for v in served if name in self._names(state, v)]
            serving = _serving(name, state, tuple(versions))
            _write_text(path, config_pbtxt(_widened(signatures[name]), serving))

    def configure(self, run: Run) -> None:
        """Write the configs anew for the way the models shall be run, also after a deployment that was cut off."""
        with self.changing():
            self.write_state(self.deployed().model_copy(update={"run": run}))

    def prune(self) -> None:
        """Remove what an interrupted deployment left behind; only for the holder of the deployment lock."""
        for folder in self.folder.glob(f"{STAGING}*"):
            shutil.rmtree(folder, ignore_errors=True)
        state = self.state()
        if state is None:
            return  # what lies here was exported by hand
        for path in self.folder.glob("[!.]*/*"):
            if path.parent.name in MODELS and path.name.isdecimal() and int(path.name) not in state.versions:
                shutil.rmtree(path, ignore_errors=True)

    def _names(self, state: State, version: int) -> list[str]:
        return [model.name for model in state.versions[version].shape.signatures()]

    def _fits(self, state: State, version: int) -> bool:
        """Whether one config can describe a version and the current one: the same inputs, in lengths that may differ.

        In the container the native backend compares lengths itself, so there they must not differ.
        """
        current, other = (state.versions[number].shape for number in (state.current, version))
        if state.target == "container":
            return current == other
        return (current.text_dim > 0, current.review_texts) == (other.text_dim > 0, other.review_texts)


def write_model_py(folder: Path, name: str) -> None:
    """Write `model.py` into the folder of one version."""
    _write_text(folder / PYTHON_FILE, model_py(name))


def _serving(name: str, state: State, versions: tuple[int, ...]) -> Serving:
    """How one model is run."""
    parameters: Mapping[str, str] = {}
    if name == RECOMMEND:
        current = state.versions[state.current]
        parameters = {key: str(value) for key, value in current.recommend.model_dump().items()}
        parameters[DATA_FORM] = current.data_form.model_dump_json()
    return Serving(
        target=state.target,
        versions=versions,
        instances=getattr(state.run.instances, name, 1),
        threads=state.run.threads if name == TEXT_ENCODER else 1,  # the towers are too small to be shared out
        queue=Queue(max_size=TEXTS_WAITING) if name == TEXT_ENCODER else None,
        parameters=parameters,
    )


def _widened(signatures: Sequence[Signature]) -> Signature:
    """One signature for versions of other lengths: an axis whose length differs between them is free."""
    first = signatures[0]
    if all(other == first for other in signatures):
        return first

    def widened(side: str) -> tuple[signature.Tensor, ...]:
        columns = zip(*(getattr(each, side) for each in signatures), strict=True)
        return tuple(
            replace(
                tensors[0],
                axes=tuple(
                    lengths[0] if len(set(lengths)) == 1 else "any"
                    for lengths in zip(*(tensor.axes for tensor in tensors), strict=True)
                ),
            )
            for tensors in columns
        )

    return replace(first, inputs=widened("inputs"), outputs=widened("outputs"))


def _write_text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
