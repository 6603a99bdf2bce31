"""Deploying beside a running server: versions change while it answers, and a bad one never replaces a good one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from rec_sys.errors import RepositoryError, VectorBaseError
from rec_sys.files import sha256_of
from rec_sys.inference.recommend import Recommendations
from rec_sys.inference.users import Review, User
from rec_sys.vector_database.storage import save_vector_base, vector_base_folder
from tests.support.served_toy import ServedToy
from tests.triton_utils.conftest import Served
from triton_utils.backend.settings import RecommendSettings
from triton_utils.client import TritonClient
from triton_utils.deploy import Deployed, DeploySettings, add_version, deploy
from triton_utils.errors import Overloaded, TritonError
from triton_utils.repository.versions import Repository

pytestmark = pytest.mark.triton

PERSON = User("somebody", [Review("p1", "good", 5.0, 1), Review("p2", "", 1.0, 2), Review("", "known to nobody")])


def answer_of(served: Served) -> tuple[str, list[Recommendations]]:
    answer = served.client.served([PERSON], 5)
    return answer.model, answer.recommendations


@pytest.fixture
def version_one(served: Served) -> Iterator[tuple[str, list[Recommendations]]]:
    """What version 1 answers; it is served before and after the test."""
    before = answer_of(served)
    assert before[0] == served.checkpoint.fingerprint
    yield before
    repository = Repository(served.toy.repository)
    while repository.deployed().current != 1:
        deploy(served.toy.deploy_settings.model_copy(update={"rollback": True}))
    for path in served.toy.paths.checkpoints.iterdir():
        if path.name != served.checkpoint.path.name:
            shutil.rmtree(path)
    save_vector_base(served.base, vector_base_folder(served.checkpoint.path, served.toy.paths))
    assert answer_of(served) == before


@contextmanager
def asked_all_the_time(served: Served, clients: int = 3) -> Iterator[list[tuple[float, str | TritonError]]]:
    """Clients that ask without a pause and never try twice: (time, fingerprint of who answered, or the error)."""
    seen: list[tuple[float, str | TritonError]] = []
    stop = threading.Event()

    def go() -> None:
        settings = served.client.settings.model_copy(update={"tries": 1})
        with TritonClient(served.server.addresses.grpc, settings) as client:
            while not stop.is_set():
                try:
                    seen.append((time.monotonic(), client.served([PERSON], 5).model))
                except TritonError as error:
                    seen.append((time.monotonic(), error))

    threads = [threading.Thread(target=go) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait_for_answers(seen: list[tuple[float, str | TritonError]], since: float) -> None:
    """Until somebody who asked after `since` has an answer: a busy machine may need more than any fixed pause."""
    while not any(when > since for when, _ in list(seen)):
        assert time.monotonic() < since + 60, "nobody was answered for a minute"
        time.sleep(0.05)


def copied_version(settings: DeploySettings, change: Callable[[Path], None], **limits: int) -> Deployed:
    """Deploy the files of the current version under the next number, after a change to them."""
    repository = Repository(settings.repository)
    with repository.deploying():
        state = repository.deployed()
        version = repository.next_version()
        with repository.staging() as staged:
            for name in repository.models(state.current):
                shutil.copytree(repository.folder / name / str(state.current), staged / name / str(version))
            about = staged / "recommend" / str(version) / "served.json"
            served_json = orjson.loads(about.read_bytes())
            sums = {
                path.replace(f"/{state.current}/", f"/{version}/", 1): digest
                for path, digest in served_json["sha256"].items()
            }
            about.write_bytes(orjson.dumps({**served_json, "version": version, "sha256": sums}))
            change(staged)
            repository.add(staged, version)
        copied = state.versions[state.current].model_copy(update={"recommend": RecommendSettings(**limits)})
        return add_version(repository, version, copied, settings)


def test_two_deployments_at_once_under_load(served: Served, version_one: tuple[str, list[Recommendations]]) -> None:
    """One does it, the other is refused; the old version answers until the new one does; and back again."""
    newer, _ = served.toy.checkpoint(seed=2)
    outcomes: list[Deployed | str] = []

    def go() -> None:
        try:
            outcomes.append(deploy(served.toy.deploy_settings))
        except RepositoryError as error:
            outcomes.append(str(error))

    with asked_all_the_time(served) as seen:
        threads = [threading.Thread(target=go) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        deployed_at = time.monotonic()
        wait_for_answers(seen, deployed_at)
        with_new = list(seen)  # answered before the way back begins
        rolled_back = deploy(served.toy.deploy_settings.model_copy(update={"rollback": True}))
        back_at = time.monotonic()
        wait_for_answers(seen, back_at)
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert "another deployment into" in refused
    (deployed,) = [outcome for outcome in outcomes if isinstance(outcome, Deployed)]
    assert "answers with it now" in deployed.describe()
    assert (deployed.before, rolled_back.version, rolled_back.before) == (1, 1, deployed.version)
    assert [error for _, error in seen if isinstance(error, TritonError)] == []
    first_new = min(when for when, model in seen if model == newer.fingerprint)
    assert {model for when, model in seen if when < first_new} == {version_one[0]}
    assert {model for when, model in with_new if when > deployed_at} == {newer.fingerprint}
    assert {model for when, model in seen if when > back_at} == {version_one[0]}


def test_a_call_on_its_way_is_answered_by_the_version_that_is_taken_back(
    served: Served, version_one: tuple[str, list[Recommendations]]
) -> None:
    """Its models are there until it has its answer: it was sent before, and its client never tries twice."""
    newer, _ = served.toy.checkpoint(seed=5)
    deploy(served.toy.deploy_settings)
    many = [
        User(f"u{n}", [Review("", f"a long text of user {n} {place} " * 20) for place in range(5)]) for n in range(50)
    ]
    answers: list[str | TritonError] = []

    def go() -> None:
        try:
            answers.append(client.served(many, 1).model)
        except TritonError as error:
            answers.append(error)

    once = served.client.settings.model_copy(update={"tries": 1, "deadline": 240.0})
    with TritonClient(served.server.addresses.grpc, once) as client:
        call = threading.Thread(target=go)
        call.start()
        time.sleep(0.5)
        assert call.is_alive(), "the call must outlast the beginning of what comes now"
        deploy(served.toy.deploy_settings.model_copy(update={"rollback": True}))
        call.join()
    assert answers == [newer.fingerprint]


def test_a_version_of_other_lengths(served: Served, version_one: tuple[str, list[Recommendations]]) -> None:
    """Models of other dimensions are loaded beside the old ones too."""
    newer, _ = served.toy.checkpoint(seed=3, dim=16)
    with asked_all_the_time(served, clients=1) as seen:
        deployed = deploy(served.toy.deploy_settings)
    assert [error for _, error in seen if isinstance(error, TritonError)] == []
    assert answer_of(served)[0] == newer.fingerprint
    assert deployed.state.versions[deployed.version].shape.dim == 17


def damaged(name: str) -> Callable[[Path], None]:
    """One byte of a file is another one."""

    def change(staged: Path) -> None:
        (path,) = staged.glob(name)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.unlink()  # it may be a link to the file of version 1
        path.write_bytes(content)

    return change


def cut_off(name: str) -> Callable[[Path], None]:
    def change(staged: Path) -> None:
        (path,) = staged.glob(name)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[: len(content) // 2])

    return change


def missing(name: str) -> Callable[[Path], None]:
    return lambda staged: next(staged.glob(name)).unlink()


def other_vector_base(staged: Path) -> None:
    """The base says that it is of another checkpoint, and all sums fit."""
    (folder,) = staged.glob("recommend/*")
    meta = folder / "vector_base" / "meta.json"
    values = orjson.loads(meta.read_bytes())
    values["origin"]["fingerprint"] = "0" * 64
    meta.write_bytes(orjson.dumps(values))
    about = orjson.loads((folder / "served.json").read_bytes())
    about["sha256"][meta.relative_to(staged).as_posix()] = sha256_of(meta)
    (folder / "served.json").write_bytes(orjson.dumps(about))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut_off("graph_model/*/model.onnx"), r"graph_model: .* is damaged"),
        (damaged("recommend/*/history.npy"), r"recommend: .*history.npy is not the file that was written"),
        (missing("recommend/*/vector_base/index.faiss"), r"recommend: .*index.faiss is missing"),
        (cut_off("text_encoder/*/tokenizer.json"), r"text_encoder: .*exported text encoder .* is damaged"),
        (other_vector_base, r"recommend: .*vector base of version \d+ .* is of checkpoint toy1 \(000000000000\)"),
    ],
)
def test_a_broken_version_never_replaces_a_good_one(
    served: Served, version_one: tuple[str, list[Recommendations]], change: Callable[[Path], None], message: str
) -> None:
    before = sorted(path for path in served.toy.repository.rglob("config.pbtxt"))
    configs = [path.read_text() for path in before]
    with (
        asked_all_the_time(served, clients=1) as seen,
        pytest.raises(RepositoryError, match=message) as caught,
    ):
        copied_version(served.toy.deploy_settings, change)
    assert str(caught.value).endswith("version 1 is served as before")
    assert [model for _, model in seen if model != version_one[0]] == []
    assert [path.read_text() for path in before] == configs
    repository = Repository(served.toy.repository)
    assert repository.deployed().current == 1
    known = {str(number) for number in repository.deployed().versions}
    assert {path.name for path in repository.folder.glob("*/*") if path.name.isdecimal()} <= known


def test_the_vector_base_of_another_checkpoint_is_refused(
    served: Served, version_one: tuple[str, list[Recommendations]]
) -> None:
    _, other = served.toy.checkpoint(seed=4)
    save_vector_base(other, vector_base_folder(served.checkpoint.path, served.toy.paths))
    settings = served.toy.deploy_settings.model_copy(update={"checkpoint": "toy1"})
    with pytest.raises(VectorBaseError, match=r"was made on .* from checkpoint toy4 "):
        deploy(settings)


def test_a_full_queue_is_refused_at_once_and_the_rest_is_answered(
    served: Served, version_one: tuple[str, list[Recommendations]]
) -> None:
    copied_version(served.toy.deploy_settings, lambda _: None, workers=1, max_waiting=2, cached_texts=0)
    busy = User("busy", [Review("", f"a long text to read {number} " * 60) for number in range(5)])
    outcomes: list[tuple[float, str]] = []

    def go() -> None:
        start = time.monotonic()
        settings = served.client.settings.model_copy(update={"tries": 1})
        with TritonClient(served.server.addresses.grpc, settings) as client:
            try:
                client.recommend([busy], 3)
                outcomes.append((time.monotonic() - start, "answered"))
            except Overloaded:
                outcomes.append((time.monotonic() - start, "refused"))

    threads = [threading.Thread(target=go) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 24
    answered = [seconds for seconds, what in outcomes if what == "answered"]
    refused = [seconds for seconds, what in outcomes if what == "refused"]
    assert len(answered) >= 3
    assert refused
    assert min(refused) < max(answered)


@pytest.mark.usefixtures("served")
def test_only_so_many_versions_are_kept_and_no_number_is_given_twice(tmp_path: Path, toy: ServedToy) -> None:
    """In a copy of the repository that nobody serves."""
    shutil.copytree(toy.repository, tmp_path / "copy", ignore=shutil.ignore_patterns(".*"))
    settings = toy.deploy_settings.model_copy(update={"repository": tmp_path / "copy", "keep": 2})
    back = settings.model_copy(update={"rollback": True})
    with pytest.raises(RepositoryError, match="has no version before 1; there is nothing to go back to"):
        deploy(back)
    repository = Repository(settings.repository)
    first = repository.next_version()
    assert copied_version(settings, lambda _: None).server is None
    copied_version(settings, lambda _: None)
    assert sorted(repository.deployed().versions) == [first, first + 1] == folders_of(repository)
    assert deploy(back).version == first
    assert sorted(repository.deployed().versions) == [first] == folders_of(repository)
    assert copied_version(settings, lambda _: None).version == first + 2


def folders_of(repository: Repository) -> list[int]:
    return sorted(int(path.name) for path in (repository.folder / "graph_model").iterdir() if path.is_dir())
