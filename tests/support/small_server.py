"""A real gRPC server that speaks Triton's protocol and answers as a test says: with recommendations, errors, or late.

It reads and writes texts with `tritonclient`, so that the client's own reading and writing is checked against that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from rec_sys.errors import DataError
from rec_sys.inference.local import recommender_of
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.inference.served import BASE_FOLDER
from rec_sys.modules.signature import DATA_FORM, NUMPY, RECOMMEND, TEXT_ENCODER
from rec_sys.vector_database.index import VectorBase
from rec_sys.vector_database.storage import INDEX_FILE, save_vector_base
from tests.support.toy_checkpoint import ToyEncoder, toy_checkpoint, toy_table
from triton_utils.backend.request_arrays import arrays_of, users_of
from triton_utils.backend.settings import RecommendSettings
from triton_utils.repository.versions import Repository, Shape, State, Version

Arrays = dict[str, Any]
Step = Callable[["SmallServer", Any], None]  # what happens to a call before it is answered; gets the call's context


def fail(code: grpc.StatusCode, words: str = "") -> Step:
    """The call fails with a status."""
    return lambda _, context: context.abort(code, words)


def late(seconds: float) -> Step:
    """The call is answered later."""
    return lambda _, __: time.sleep(seconds)


class SmallServer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # tritonclient has no types
    """Answers `recommend` and `text_encoder` in this process.

    Args:
        recommender: computes.
        fingerprint: of its checkpoint.
        port: 0: any free one.
    """

    def __init__(self, recommender: ReviewRecommender, fingerprint: str, port: int = 0) -> None:
        self.recommender, self.fingerprint = recommender, fingerprint
        self.steps: list[Step] = []  # one per call, in this order; then calls are simply answered
        self.always: Step | None = None
        self.ready = True
        self.change: Callable[[Arrays], Arrays] = lambda outputs: outputs
        self.calls = self.open = self.most_open = 0
        self.peers: set[str] = set()
        self._lock = threading.Lock()
        limit = [("grpc.max_receive_message_length", 2**31 - 1), ("grpc.so_reuseport", 0)]
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=limit)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.stop(0).wait()

    def ModelReady(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelReadyResponse(ready=self.ready)

    def ModelConfig(self, request: Any, context: Any) -> Any:
        form = model_config_pb2.ModelParameter(string_value=self.recommender.form.model_dump_json())
        return service_pb2.ModelConfigResponse(
            config=model_config_pb2.ModelConfig(name=request.name, parameters={DATA_FORM: form})
        )

    def ModelInfer(self, request: Any, context: Any) -> Any:
        with self._lock:
            self.calls += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            self.peers.add(context.peer())
            step = self.steps.pop(0) if self.steps else self.always
        try:
            if step is not None:
                step(self, context)
            return self._answer(request, context)
        finally:
            with self._lock:
                self.open -= 1

    def _answer(self, request: Any, context: Any) -> Any:
        inputs = {}
        for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
            if tensor.datatype == "BYTES":
                values = deserialize_bytes_tensor(raw)
            else:
                values = np.frombuffer(raw, NUMPY[tensor.datatype])
            inputs[tensor.name] = values.reshape(tuple(tensor.shape))
        if request.model_name == TEXT_ENCODER:
            vectors = self.recommender.encoder.encode([text.decode() for text in inputs["text"][:, 0]])
            return _response({"vector": vectors})
        try:
            users, rows, k = users_of(inputs, RecommendSettings())
        except DataError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        base = self.recommender.base
        answer = self.recommender.answer(users, k)
        return _response(self.change(arrays_of(answer, rows, base.products.ids, base.names, self.fingerprint)))


def _response(outputs: Arrays) -> Any:
    response = service_pb2.ModelInferResponse()
    for name, array in outputs.items():
        texts = array.dtype == object
        dtype = "BYTES" if texts else {"float32": "FP32", "int64": "INT64"}[str(array.dtype)]
        response.outputs.add(name=name, datatype=dtype, shape=array.shape)
        if texts:
            packed = serialize_byte_tensor(array)
            response.raw_output_contents.append(packed.item() if packed.size else b"")
        else:
            response.raw_output_contents.append(np.ascontiguousarray(array).tobytes())
    return response


def toy_recommender(folder: Path) -> tuple[ReviewRecommender, str]:
    """A recommender over the checkerboard, and the fingerprint of its checkpoint."""
    table, review_text = toy_table(folder / "prepared")
    checkpoint = toy_checkpoint(folder / "toy.ckpt", table, review_text)
    return recommender_of(
        checkpoint.stored(), VectorBase.of_model(checkpoint.stored()), ToyEncoder()
    ), checkpoint.fingerprint


@contextmanager
def small_server(recommender: ReviewRecommender, fingerprint: str, port: int = 0) -> Iterator[SmallServer]:
    """A server for the length of a block."""
    server = SmallServer(recommender, fingerprint, port)
    try:
        yield server
    finally:
        server.stop()


def deploy_toy(repository: Path, base: VectorBase, version: int = 1, broken: bool = False) -> None:
    """Deploy as much of a version as the web app reads: its number and its vector base."""
    folder = repository / RECOMMEND / str(version) / BASE_FOLDER
    save_vector_base(base, folder)
    if broken:
        (folder / INDEX_FILE).write_bytes(b"broken")
    shape = Shape(history_dim=1, text_dim=1, review_texts=True, dim=base.dim)
    origin = base.origin
    new = Version(checkpoint=origin.checkpoint, fingerprint=origin.fingerprint, created=origin.created, shape=shape)
    Repository(repository).write_state(State(current=version, last=version, versions={version: new}))
