"""What is exported is compared with torch before it is deployed: whole answers, not only their numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from rec_sys.errors import CheckpointError
from rec_sys.inference.recommend import Answer, ReviewRecommender
from rec_sys.modules.model_export import export_graph_model
from rec_sys.modules.parity import NEARLY_EQUAL, TOLERANCE
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.vector_database.index import NONE, VectorBase
from rec_sys.vector_database.storage import save_vector_base, vector_base_folder
from tests.support.toy_checkpoint import toy_checkpoint, toy_table
from triton_utils.deploy import DeploySettings, deploy
from triton_utils.repository import build
from triton_utils.repository.build import SAMPLE_K, SAMPLE_MORE, difference, sample_users
from triton_utils.repository.versions import Repository


@pytest.fixture
def undeployed(tmp_path: Path) -> DeploySettings:
    """A checkpoint that learned without texts, and its vector base."""
    settings = DeploySettings(repository=tmp_path / "models", paths=Paths(work_dir=tmp_path))
    table, _ = toy_table(tmp_path / "reviews")
    path = settings.paths.checkpoints / "toy"
    checkpoint = toy_checkpoint(path, table, np.zeros((len(table), 0), dtype=np.float32))
    save_vector_base(VectorBase.of_model(checkpoint.stored()), vector_base_folder(path, settings.paths))
    return settings


@pytest.mark.parametrize(
    ("output", "factor", "message"),
    [
        ("vector", np.nan, "the note is"),  # no product is found
        ("vector", 0.5, "stars differ by"),
        ("taste", -1.0, "rank 1 is product"),
        ("attention", np.nan, "attention are no numbers"),
        ("attention", 0.5, "attention differ by"),
    ],
)
def test_a_network_that_answers_otherwise_is_not_deployed(
    undeployed: DeploySettings, monkeypatch: pytest.MonkeyPatch, output: str, factor: float, message: str
) -> None:
    """It comes out of an export whose own comparison saw nothing."""
    level = 1.0 if output == "taste" else factor  # the first coordinate of a vector
    output = output.replace("taste", "vector")

    def spoilt(checkpoint: TrainedGraph, path: Path) -> float:
        export_graph_model(checkpoint, path)
        model = onnx.load(path)
        for node in model.graph.node:
            node.output[:] = ["right" if name == output else name for name in node.output]
            node.input[:] = ["right" if name == output else name for name in node.input]
        length = checkpoint.states.target.shape[1] if output == "vector" else 1
        factors = np.array([level, *[factor] * (length - 1)], dtype=np.float32)
        model.graph.initializer.append(numpy_helper.from_array(factors, "factors"))
        model.graph.node.append(helper.make_node("Mul", ["right", "factors"], [output]))
        onnx.save(model, path)
        return 0.0

    with monkeypatch.context() as patched:
        patched.setattr(build, "export_graph_model", spoilt)
        with pytest.raises(CheckpointError, match=rf"recommends otherwise .*: {message}.*Nothing was deployed"):
            deploy(undeployed)
    repository = Repository(undeployed.repository)
    assert repository.state() is None
    assert [path for path in repository.folder.rglob("*") if path.is_dir()] == []
    assert deploy(undeployed).version == 1  # the same export, left alone


@pytest.fixture(scope="module")
def answer(answering: tuple[ReviewRecommender, str]) -> Answer:
    """Of a recommender with texts, for people of whom all sorts of things are known."""
    recommender, _ = answering
    people = sample_users(recommender.base, recommender.graph.max_history)
    whole = recommender.answer(people, SAMPLE_K + SAMPLE_MORE)
    assert all(difference(whole, whole, row) == "" for row in range(len(people)))
    return whole


ROW = 3


def changed(answer: Answer, name: str, ranks: slice | list[int] | int, value: object) -> Answer:
    """A copy in which one person has something else at some ranks."""
    array = getattr(answer, name).copy()
    array[ROW, ranks] = value
    return replace(answer, **{name: array})


def test_every_part_of_an_answer_is_compared(answer: Answer) -> None:
    nothing = [0.0 * weights for weights in answer.attention]
    others = [numbers + 1 for numbers in answer.reviewed]
    for other, words in (
        (changed(answer, "score", slice(None), np.nan), "scores are no numbers"),
        (changed(answer, "stars", 2, np.nan), "stars are no numbers"),
        (changed(answer, "stars", 2, answer.stars[ROW, 2] + 2 * TOLERANCE), "stars differ by 2.0e-04"),
        (changed(answer, "number", 2, answer.number[ROW, 4]), "rank 3 is product"),
        (changed(answer, "number", 9, 10**6), "rank 10 is product 1000000"),
        (replace(answer, attention=nothing), "attention differ"),
        (replace(answer, reviewed=others), "other products are taken"),
        (replace(answer, note=[f"{note}!" for note in answer.note]), "the note is"),
    ):
        assert words in difference(other, answer, ROW)
    fewer = changed(changed(answer, "number", 5, NONE), "score", 5, np.nan)
    assert "scores are no numbers" in difference(fewer, answer, ROW)
    assert "rank 6 is product" in difference(answer, fewer, ROW)


@pytest.mark.parametrize("ranks", [(4, 5), (SAMPLE_K - 1, SAMPLE_K)])
def test_products_of_nearly_the_same_score_may_change_places(answer: Answer, ranks: tuple[int, int]) -> None:
    first, second = ranks
    turned = answer
    for name in ("number", "score", "stars"):
        turned = changed(turned, name, list(ranks), getattr(answer, name)[ROW, [second, first]])
    assert f"rank {first + 1} is product" in difference(turned, answer, ROW)
    near = answer.score[ROW, first] - np.float32(NEARLY_EQUAL / 2)
    close = changed(answer, "score", second, near)
    assert difference(changed(turned, "score", first, near), close, ROW) == ""
