"""A client of the Triton server: from reviews to recommendations with one call.

    with TritonClient("127.0.0.1:8001") as client:
        client.recommend([Person("me", [Review(text="Great strings", rating=5)])], k=5)

One client keeps one connection, which is made again when the server comes back; any number of threads may use it at
once. `AsyncTritonClient` in `async_client.py` is the same for asyncio.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from rec_sys.arrays import Floats
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.recommend import Recommendations
from rec_sys.inference.remote import Served
from rec_sys.inference.users import User
from rec_sys.modules import signature
from rec_sys.modules.signature import DATA_FORM, RECOMMEND, Signature
from triton_utils.client.attempts import CHANNEL_OPTIONS, Attempts, CallSettings, check_address
from triton_utils.client.recommend_call import inputs_of, served
from triton_utils.client.tensors import Array, arrays_of, request_of, texts
from triton_utils.errors import NotReady, TritonError

PATIENT = CallSettings(deadline=600, tries=5, backoff=0.5)


class TritonClient:
    """Calls the models of a Triton server over gRPC.

    Args:
        address: HOST:PORT of its gRPC service.
        settings: deadline and tries.
    """

    def __init__(self, address: str, settings: CallSettings | None = None) -> None:
        self.address = check_address(address)
        self.settings = settings or CallSettings()
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def ready(self, model: str = RECOMMEND, version: str = "") -> bool:
        """Whether a model answers calls now; False where no server answers too."""
        try:
            self.check_ready(model, version)
        except TritonError:
            return False
        return True

    def check_ready(self, model: str = RECOMMEND, version: str = "") -> None:
        """Return if a model can be asked now.

        Raises:
            TritonError: it cannot; class and message say why.
        """
        request = service_pb2.ModelReadyRequest(name=model, version=version)
        if not self._call("ModelReady", request, f"readiness of {model}").ready:
            raise NotReady(f"the server at {self.address} has not loaded {model}; wait, or deploy it")

    def recommend(self, people: Sequence[User], k: int = 10) -> list[Recommendations]:
        """The k best products for each person, as `ReviewRecommender.recommend` gives them in process.

        Args:
            people: one batch; vectors of their reviews are not sent, texts are.
            k: products per person; where there are fewer, all of them are given, and a note says so.

        Raises:
            BadInput: the input makes no sense; nothing was sent.
            TritonError: see `triton_utils.errors`.
        """
        return self.served(people, k).recommendations

    def served(self, people: Sequence[User], k: int = 10) -> Served:
        """The same with the fingerprint of the model that answered; errors as in `recommend`."""
        return served(people, self.infer(signature.recommend(), inputs_of(people, k)))

    def data_form(self) -> DataForm:
        """How the data of the served model calls its fields and rates; errors as in `recommend`."""
        config = self._call("ModelConfig", service_pb2.ModelConfigRequest(name=RECOMMEND), f"config of {RECOMMEND}")
        text = config.config.parameters[DATA_FORM].string_value
        return DataForm.of_text(text) if text else DataForm()  # deployed by an older program

    def encode(self, values: Sequence[str]) -> Floats:
        """(len(values), text_dim) vectors of texts; errors as in `recommend`."""
        model = signature.text_encoder(0)
        parts = [
            self.infer(model, {"text": texts(values[start : start + model.max_batch_size])[:, None]})["vector"]
            for start in range(0, len(values), model.max_batch_size)
        ]
        vectors: Floats = np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)
        return vectors

    def graph_model(self, arrays: Mapping[str, Array]) -> tuple[Floats, Floats]:
        """Vectors of people (num_users, dim) and attention (num_reviews,) from the inputs of `graph_model`.

        Errors as in `recommend`.
        """
        products, text = (np.asarray(arrays.get(name, np.empty((0, 0)))) for name in ("products", "text"))
        dims = [array.shape[-1] if array.ndim else 0 for array in (products, text)]
        outputs = self.infer(signature.graph_model(dims[0], dims[1] if "text" in arrays else 0, 0), arrays)
        return outputs["vector"], outputs["attention"]

    def infer(self, model: Signature, arrays: Mapping[str, Array], version: str = "") -> dict[str, Array]:
        """Outputs of any model; errors as in `recommend`."""
        request = request_of(model, arrays, version)
        return arrays_of(model, self._call("ModelInfer", request, model.name))

    def _call(self, method: str, request: Any, what: str) -> Any:
        attempts = Attempts(self.address, self.settings, what)
        while True:
            try:
                return getattr(self._stub, method)(request, timeout=attempts.timeout())
            except grpc.RpcError as error:
                time.sleep(attempts.pause_after(error))


def command_client(address: str) -> TritonClient:
    """The client of commands, which send hundreds of people at once and rather wait than fail."""
    return TritonClient(address, PATIENT)
