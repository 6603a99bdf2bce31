"""One real Triton server for all tests that ask it; each leaves version 1 served, as it found it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rec_sys.inference.local import recommender_of
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.recommenders.graph.trained_encoder import encoder_of
from rec_sys.vector_database.index import VectorBase
from tests.support.served_toy import ServedToy, served_toy
from tests.support.small_server import SmallServer, deploy_toy, small_server, toy_recommender
from triton_utils.client import TritonClient
from triton_utils.deploy import deploy
from triton_utils.server.process import TritonServer
from triton_utils.web.settings import WebSettings


@dataclass(frozen=True)
class Served:
    """A running server, and what it should answer as version 1."""

    toy: ServedToy
    server: TritonServer
    client: TritonClient
    checkpoint: TrainedGraph
    base: VectorBase
    in_torch: ReviewRecommender


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> ServedToy:
    return served_toy(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def served(toy: ServedToy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Version 1 of a toy checkpoint behind a real server on free ports."""
    checkpoint, base = toy.checkpoint(seed=1)
    deploy(toy.deploy_settings)
    log: Path = tmp_path_factory.mktemp("log") / "tritonserver.log"
    in_torch = recommender_of(checkpoint.stored(), base, encoder_of(checkpoint.stored(), toy.paths))
    with TritonServer(toy.server_settings, log) as server, TritonClient(server.addresses.grpc) as client:
        yield Served(toy, server, client, checkpoint, base, in_torch)


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReviewRecommender, str]:
    """What the small server answers with, and its fingerprint."""
    return toy_recommender(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def server(answering: tuple[ReviewRecommender, str]) -> Iterator[SmallServer]:
    """A real gRPC server that a test controls."""
    with small_server(*answering) as running:
        yield running


@pytest.fixture
def settings(server: SmallServer, tmp_path: Path) -> WebSettings:
    """Of a web app in front of it."""
    deploy_toy(tmp_path, server.recommender.base)
    return WebSettings(
        triton=server.address, triton_metrics="", model_repository=tmp_path, check_seconds=0.05, backoff=0.01
    )
