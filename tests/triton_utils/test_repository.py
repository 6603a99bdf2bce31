"""What `config.pbtxt` says follows from `deployed.json`; what was left half done is put right."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from rec_sys.errors import Remedy, RepositoryError
from tests.support.deployed_states import NO_TEXTS, OTHER, SHAPE, state
from triton_utils.repository.versions import DEFAULT_FOLDER, Instances, Repository, Run


def config(repository: Repository, name: str) -> str:
    return (repository.folder / name / "config.pbtxt").read_text()


def versions_of(repository: Repository, name: str) -> list[int]:
    match = re.search(r"version_policy: \{ specific: \{ versions: \[([\d, ]+)\]", config(repository, name))
    assert match is not None
    return [int(number) for number in match[1].split(",")]


def dims_of(repository: Repository, name: str, tensor: str) -> list[int]:
    match = re.search(rf'name: "{tensor}" .*?dims: \[([-\d, ]+)\]', config(repository, name))
    assert match is not None
    return [int(number) for number in match[1].split(",")]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_recommend_has_one_version_and_the_others_the_one_before_too(repository: Repository) -> None:
    repository.write_state(state(SHAPE, SHAPE, SHAPE))
    assert versions_of(repository, "recommend") == [3]
    for name in ("text_encoder", "new_products", "graph_model"):
        assert versions_of(repository, name) == [2, 3]
    assert repository.deployed() == state(SHAPE, SHAPE, SHAPE)


def test_how_models_are_run_is_kept(repository: Repository) -> None:
    run = Run(threads=3, instances=Instances(graph_model=2))
    repository.write_state(state(SHAPE))
    repository.configure(run)
    assert repository.deployed().run == run
    assert "count: 2" in config(repository, "graph_model")
    assert "count: 1" in config(repository, "text_encoder")
    assert 'key: "threads" value: { string_value: "3" }' in config(repository, "text_encoder")
    assert 'key: "threads" value: { string_value: "1" }' in config(repository, "graph_model")
    assert 'key: "cached_texts" value: { string_value: "50000" }' in config(repository, "recommend")


def test_versions_of_other_lengths_share_a_config_in_which_these_are_free(repository: Repository) -> None:
    repository.write_state(state(SHAPE, OTHER))
    assert dims_of(repository, "graph_model", "products") == [-1, -1]
    assert dims_of(repository, "graph_model", "text") == [-1, 384]
    assert dims_of(repository, "graph_model", "vector") == [-1, -1]
    assert versions_of(repository, "graph_model") == [1, 2]
    repository.write_state(state(SHAPE, OTHER, OTHER))
    assert dims_of(repository, "graph_model", "products") == [-1, 65]


def test_in_the_container_versions_of_other_lengths_are_not_served_together(repository: Repository) -> None:
    repository.write_state(state(SHAPE, OTHER, target="container"))
    assert versions_of(repository, "graph_model") == [2]
    assert dims_of(repository, "graph_model", "products") == [-1, 65]
    assert 'backend: "onnxruntime"' in config(repository, "graph_model")


def test_without_texts_there_are_no_models_for_them(repository: Repository) -> None:
    repository.write_state(state(SHAPE, NO_TEXTS))
    assert versions_of(repository, "graph_model") == [2]
    assert not (repository.folder / "text_encoder" / "config.pbtxt").exists()
    assert not (repository.folder / "new_products" / "config.pbtxt").exists()
    repository.write_state(state(SHAPE, NO_TEXTS, SHAPE))
    assert versions_of(repository, "text_encoder") == [3]


def test_what_a_broken_off_deployment_left_is_removed(repository: Repository) -> None:
    repository.write_state(state(SHAPE))
    for name in (
        "graph_model/1",
        "graph_model/2",
        "recommend/1",
        "recommend/2",
        ".staging-x/graph_model/3",
        "other/7",
    ):
        (repository.folder / name).mkdir(parents=True)
    assert repository.next_version() == 8
    repository.prune()
    left = {path.relative_to(repository.folder).as_posix() for path in repository.folder.glob("*/*") if path.is_dir()}
    assert left == {"graph_model/1", "recommend/1", "other/7"}
    assert not (repository.folder / ".staging-x").exists()


def test_an_activation_that_was_cut_off_is_undone_by_the_next_start(repository: Repository) -> None:
    """The configs name the new version already, but `deployed.json` does not."""
    repository.write_state(state(SHAPE))
    before = {name: config(repository, name) for name in ("recommend", "graph_model", "text_encoder")}
    repository.write_configs(state(SHAPE, OTHER), [1, 2])
    assert versions_of(repository, "recommend") == [2]
    repository.configure(Run())
    assert {name: config(repository, name) for name in before} == before


def test_what_an_older_program_deployed_is_still_read(repository: Repository) -> None:
    """`deployed.json` as it was first written; its names are those of files that lie on other machines."""
    limits = {"workers": 2, "max_waiting": 8, "cached_texts": 10, "max_people": 7, "max_reviews": 9, "max_text": 99}
    first = {
        "checkpoint": "toy.ckpt",
        "fingerprint": "f" * 64,
        "created": "2026-01-01T00:00:00+00:00",
        "shape": {"history_dim": 33, "text_dim": 384, "review_texts": True, "dim": 33},
        "recommend": {**limits, "max_answers": 100},
    }
    content = {
        "format": "rec_sys model repository 1",
        "target": "embedded",
        "current": 1,
        "previous": None,
        "last": 1,
        "versions": {"1": first},
        "run": {"threads": 2, "instances": {"text_encoder": 1, "new_products": 1, "graph_model": 2}},
    }
    repository.folder.mkdir()
    (repository.folder / "deployed.json").write_bytes(orjson.dumps(content))
    assert repository.deployed().current == 1
    repository.configure(Run(threads=1))
    assert dims_of(repository, "graph_model", "vector") == [-1, 33]


def test_nothing_deployed_says_what_to_run(repository: Repository) -> None:
    assert repository.state() is None
    with pytest.raises(RepositoryError) as caught:
        repository.configure(Run())
    assert caught.value.remedy == Remedy("deploy first", "triton_utils.deploy", {"repository": repository.folder})
    with pytest.raises(RepositoryError) as caught:
        Repository(DEFAULT_FOLDER).deployed()
    assert caught.value.remedy == Remedy("deploy first", "triton_utils.deploy")


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"format": "rec_sys model repository 1", "current": 2, "last": 2, "versions": {}}']
)
def test_a_damaged_state_is_refused(repository: Repository, content: str) -> None:
    repository.folder.mkdir()
    (repository.folder / "deployed.json").write_text(content)
    with pytest.raises(RepositoryError, match=r"deployed.json is damaged \(") as caught:
        repository.state()
    assert caught.value.remedy is not None
    assert caught.value.remedy.module == "triton_utils.deploy"


def test_a_second_deployment_is_refused(repository: Repository) -> None:
    with repository.deploying():
        with pytest.raises(RepositoryError, match=r"another deployment into .* is running"), repository.deploying():
            pass
        with repository.changing():
            pass
    with repository.deploying():
        pass
