"""A small model with the real text encoder, ready to be deployed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rec_sys.arrays import Floats
from rec_sys.dataset.table import ReviewTable
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings
from rec_sys.vector_database.index import VectorBase
from rec_sys.vector_database.storage import save_vector_base, vector_base_folder
from tests.support.toy_checkpoint import toy_checkpoint, toy_table, toy_texts
from triton_utils.deploy import DeploySettings
from triton_utils.server.process import ServerSettings


@dataclass(frozen=True)
class ServedToy:
    """A work folder in which checkpoints of the checkerboard are made, and its model repository."""

    folder: Path
    table: ReviewTable
    review_text: Floats  # (num_reviews, 384)
    info: dict[str, Any]

    @property
    def paths(self) -> Paths:
        return Paths(work_dir=self.folder)

    @property
    def repository(self) -> Path:
        return self.folder / "model_repository"

    @property
    def deploy_settings(self) -> DeploySettings:
        return DeploySettings(repository=self.repository, paths=self.paths)

    @property
    def server_settings(self) -> ServerSettings:
        return ServerSettings(repository=self.repository, http_port=0, grpc_port=0, metrics_port=0, threads=1)

    def checkpoint(self, seed: int, dim: int = 32) -> tuple[TrainedGraph, VectorBase]:
        """The newest checkpoint from now on, with its vector base in its place."""
        path = self.paths.checkpoints / f"toy{seed}"
        checkpoint = toy_checkpoint(path, self.table, self.review_text, seed, self.info, dim)
        base = VectorBase.of_model(checkpoint.stored())
        save_vector_base(base, vector_base_folder(path, self.paths))
        return checkpoint, base


def served_toy(folder: Path) -> ServedToy:
    """The texts of the checkerboard, read by the encoder in float32."""
    table, _ = toy_table(folder / "reviews")
    settings = EncoderSettings(backend="float32", threads=1)
    encoder = Encoder(settings)
    text = encoder.encode(toy_texts(table))
    info = {
        "settings": {"encoder": settings.model_dump()},
        "encoder": {"name": settings.name, "backend": encoder.backend, "fingerprint": encoder.fingerprint},
    }
    return ServedToy(folder, table, text, info)
