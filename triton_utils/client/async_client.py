"""The client of the Triton server for asyncio: the same requests, answers, tries and errors as `sync_client.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from rec_sys.inference.remote import Served
from rec_sys.inference.users import User
from rec_sys.modules import signature
from rec_sys.modules.signature import RECOMMEND
from triton_utils.client.attempts import CHANNEL_OPTIONS, Attempts, CallSettings, check_address
from triton_utils.client.recommend_call import inputs_of, served
from triton_utils.client.tensors import arrays_of, request_of
from triton_utils.errors import NotReady

MANY = 200  # reviews whose message is written and read in a thread: it would hold the event loop for milliseconds


class AsyncTritonClient:
    """Calls the models of a Triton server over gRPC; to be made inside the event loop that uses it.

    Args:
        address: HOST:PORT of its gRPC service.
        settings: deadline and tries.
    """

    def __init__(self, address: str, settings: CallSettings | None = None) -> None:
        self.address = check_address(address)
        self.settings = settings or CallSettings()
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def check_ready(self, settings: CallSettings | None = None) -> None:
        """Return if `recommend` can be asked now.

        Raises:
            TritonError: it cannot; class and message say why.
        """
        request = service_pb2.ModelReadyRequest(name=RECOMMEND)
        if not (await self._call("ModelReady", request, f"readiness of {RECOMMEND}", settings)).ready:
            raise NotReady(f"the server at {self.address} has not loaded {RECOMMEND}; wait, or deploy it")

    async def served(self, people: Sequence[User], k: int = 10) -> Served:
        """Recommendations, and the model that gave them; see `TritonClient.served`."""
        model = signature.recommend()
        many = sum(len(person.reviews) for person in people) + len(people) * k > MANY

        def write() -> service_pb2.ModelInferRequest:
            return request_of(model, inputs_of(people, k))

        def read(response: service_pb2.ModelInferResponse) -> Served:
            return served(people, arrays_of(model, response))

        request = await asyncio.to_thread(write) if many else write()
        response = await self._call("ModelInfer", request, model.name)
        return await asyncio.to_thread(read, response) if many else read(response)

    async def _call(self, method: str, request: Any, what: str, settings: CallSettings | None = None) -> Any:
        attempts = Attempts(self.address, settings or self.settings, what)
        while True:
            try:
                return await getattr(self._stub, method)(request, timeout=attempts.timeout())
            except grpc.RpcError as error:
                await asyncio.sleep(attempts.pause_after(error))
