"""What is measured: a trained model on real reviews, deployed, behind a real Triton server and the web app."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving_load import Processes
from benchmarks.serving_questions import Arrays, Questions, save_arrays, save_users, users_of
from rec_sys.arrays import Floats
from rec_sys.errors import CheckpointError
from rec_sys.inference.infer import data_of
from rec_sys.inference.local import all_history
from rec_sys.inference.onnx_encoder import OnnxGraphEncoder, graph_model_inputs, open_session
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.inference.torch_encoder import TorchGraphEncoder
from rec_sys.inference.users import User, known_users
from rec_sys.modules.config_pbtxt import MODEL_FILE
from rec_sys.modules.signature import GRAPH_MODEL, NEW_PRODUCTS, TEXT_ENCODER
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from rec_sys.recommenders.graph.trained_encoder import encoder_of
from rec_sys.text.encoder import Encoder
from rec_sys.text.onnx_text_encoder import OnnxTextEncoder
from rec_sys.text.settings import EncoderSettings
from rec_sys.text.text_encoder import TextEncoder
from rec_sys.vector_database.create_vectorbase import CreateSettings, create_vectorbase
from rec_sys.vector_database.index import VectorBase
from triton_utils.backend.settings import RecommendSettings
from triton_utils.backend.text_cache import CachedEncoder
from triton_utils.deploy import DeploySettings, deploy
from triton_utils.server.process import LAUNCHER, PROJECT, ServerSettings, TritonServer

SET = "musical_instruments_2014"
RAW = f"{SET}/Musical_instruments_reviews.csv.gz"
USERS_FILE, ARRAYS_FILE = "people.json", "graph_model.npz"
APP_TIMEOUT = 60.0  # seconds until the web app must answer


@dataclass(frozen=True)
class Deployed:
    """A deployed model and what the in-process ways need; files with questions lie in the work folder."""

    checkpoint: TrainedGraph
    base: VectorBase
    paths: Paths
    repository: Path
    version: int
    threads: int  # of torch and of the text encoder in ONNX Runtime
    cached_texts: int
    data: str  # in words

    @property
    def users_file(self) -> Path:
        return self.paths.work_dir / USERS_FILE

    @property
    def arrays_file(self) -> Path:
        return self.paths.work_dir / ARRAYS_FILE

    def questions(self, *seed: int) -> Questions:
        return Questions.load(self.users_file, seed)

    @cached_property
    def torch_towers(self) -> TorchGraphEncoder:
        return TorchGraphEncoder(self.checkpoint)

    @cached_property
    def onnx_towers(self) -> OnnxGraphEncoder:
        graph_model, new_products = (self._folder(name) / MODEL_FILE for name in (GRAPH_MODEL, NEW_PRODUCTS))
        return OnnxGraphEncoder(graph_model, new_products, self.torch_towers.max_history, threads=1)  # as in the server

    @cached_property
    def onnx_all_cores(self) -> Any:
        """The session of graph_model with a thread per core, ONNX Runtime's own default."""
        return open_session(self._folder(GRAPH_MODEL) / MODEL_FILE)

    @cached_property
    def torch_encoder(self) -> Encoder:
        encoder = encoder_of(self.checkpoint.stored(), self.paths)
        if not isinstance(encoder, Encoder):
            raise SystemExit("stopped: these reviews have no texts; give --data with some")
        return encoder

    @cached_property
    def torch_encoders(self) -> dict[str, Encoder]:
        """The one of the training, and float32 where that is another."""
        values = self.torch_encoder.settings.model_dump()
        float32 = Encoder(EncoderSettings.read({**values, "backend": "float32"}, "encoder"))
        return {f"torch, {encoder.backend}": encoder for encoder in (self.torch_encoder, float32)}

    @cached_property
    def onnx_encoder(self) -> OnnxTextEncoder:
        return OnnxTextEncoder(self._folder(TEXT_ENCODER), self.threads)

    @cached_property
    def history(self) -> Floats:
        return all_history(self.checkpoint.stored().history, self.base, self.torch_towers)

    def recommender(self, way: str) -> ReviewRecommender:
        """In process, by "torch" or "onnx", with a cache of texts like the server's."""
        graph = self.torch_towers if way == "torch" else self.onnx_towers
        encoder: TextEncoder = self.torch_encoder if way == "torch" else self.onnx_encoder
        cached = CachedEncoder(encoder, graph.text_dim, self.cached_texts)
        return ReviewRecommender(graph, self.base, self.history, cached)

    def _folder(self, model: str) -> Path:
        return self.repository / model / str(self.version)


def chosen_data(value: str | None) -> tuple[str, list[str]]:
    """A name for the data and the settings of the training that choose it.

    Args:
        value: name of a data set, or a file; None: real reviews where they are there, else generated ones.
    """
    shared = Path(os.environ.get("REC_SYS_SHARED_DATA") or PROJECT / "../shared/data")
    if value is None:
        value = SET if (shared / RAW).is_file() else "sample"
    if Path(value).is_file():
        return Path(value).name.split(".")[0], ["data=file", f"data.path={Path(value).resolve()}"]
    return value, [f"data={value}"]


def set_up(data: str | None, work_dir: Path, epochs: int, seed: int, threads: int, cached_texts: int) -> Deployed:
    """Train where that has not been done, make the vector base, deploy, and write the questions.

    Args:
        data: see `chosen_data`.
        work_dir: everything is written here; what the last run trained is used again.
        epochs: of the training; how good the model is does not matter here.
        seed: of the training.
        threads: see `Deployed`.
        cached_texts: that the server remembers.
    """
    paths = Paths(work_dir=work_dir)
    name, words = chosen_data(data)
    checkpoint = trained(f"serving-{name}", words, paths, epochs, seed)
    base = create_vectorbase(CreateSettings(checkpoint=checkpoint.path.name, paths=paths)).base
    repository = work_dir / "model_repository"
    shutil.rmtree(repository, ignore_errors=True)  # of the last run
    settings = DeploySettings(
        checkpoint=checkpoint.path.name,
        repository=repository,
        paths=paths,
        recommend=RecommendSettings(cached_texts=cached_texts),
    )
    version = deploy(settings).version
    reviews = data_of(checkpoint.stored(), paths)
    table = reviews.table
    users = known_users(table, np.arange(table.num_users), reviews.review_text)
    chosen = users_of({user.user_id: user.reviews for user in users})
    np.random.default_rng(seed).shuffle(chosen)
    described = f"{name}: {len(table):,} reviews, {table.num_products:,} products; {len(chosen):,} users with ten texts"
    deployed = Deployed(checkpoint, base, paths, repository, version, threads, cached_texts, described)
    save_users(chosen, deployed.users_file)
    save_arrays(graph_model_calls(deployed, deployed.questions(seed).again), deployed.arrays_file)
    return deployed


def trained(name: str, words: list[str], paths: Paths, epochs: int, seed: int) -> TrainedGraph:
    """The checkpoint of this name, trained first where there is none that can be read, or an unfinished one."""
    path = paths.checkpoints / name
    with suppress(CheckpointError):
        found = load_checkpoint(path)
        if found.complete:
            return found
    command = [sys.executable, "-m", "rec_sys.train.train", *words, f"train.name={name}", f"train.seed={seed}"]
    command += [f"train.max_epochs={epochs}", "train.final_test=false", "train.baselines=[]"]
    command += [f"paths.work_dir={paths.work_dir}"]
    print("$", " ".join(command), flush=True)
    subprocess.run(command, check=True)
    return load_checkpoint(path)


def graph_model_calls(deployed: Deployed, users: Sequence[User]) -> list[Arrays]:
    """What `recommend` asks `graph_model` for these people, one call each."""
    calls: list[Arrays] = []
    graph = deployed.onnx_towers

    class Recorded:
        text_dim, review_texts, max_history = graph.text_dim, graph.review_texts, graph.max_history
        encode_cold_items = graph.encode_cold_items

        def encode_users(self, products: Floats, batch: HistoryArrays) -> tuple[Floats, Floats]:
            calls.append(graph_model_inputs(products, batch, graph.review_texts))
            return graph.encode_users(products, batch)

    recommender = ReviewRecommender(Recorded(), deployed.base, deployed.history, deployed.onnx_encoder)
    for user in users:
        recommender.answer([user], 1)
    return calls


@dataclass(frozen=True)
class Running:
    """A Triton server and the web app before it."""

    triton: str  # HOST:PORT of its gRPC service
    triton_http: str
    metrics: str
    web: str  # HOST:PORT
    server: Processes
    both: Processes


@contextmanager
def running(deployed: Deployed, log_folder: Path) -> Iterator[Running]:
    """Both on free ports; they end with the block."""
    settings = ServerSettings(
        repository=deployed.repository, http_port=0, grpc_port=0, metrics_port=0, threads=deployed.threads
    )
    with TritonServer(settings, log_folder / "tritonserver.log") as server:
        found = server.addresses
        assert server.pid is not None
        with web_app(deployed.repository, found.grpc, log_folder / "web_app.log") as (address, app):
            yield Running(
                found.grpc, found.http, found.metrics, address, Processes(server.pid), Processes(server.pid, app)
            )


@contextmanager
def web_app(repository: Path, triton: str, log: Path) -> Iterator[tuple[str, int]]:
    """Address and process of the web app under uvicorn, without its rate limit: here one address asks everything."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    settings = {"TRITON": triton, "TRITON_METRICS": "", "MODEL_REPOSITORY": str(repository.resolve()), "RATE": "0"}
    environment = {**os.environ, **{f"REC_SYS_{name}": value for name, value in settings.items()}}
    command = [sys.executable, str(LAUNCHER), str(os.getpid()), sys.executable, "-m", "uvicorn"]
    command += ["triton_utils.web_app:app", "--port", str(port), "--no-access-log"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=file, stderr=file)
    try:
        end = time.monotonic() + APP_TIMEOUT
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"stopped: the web app is not ready; see {log}")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait()


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
