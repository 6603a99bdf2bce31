"""The client against a real gRPC server that a test controls, a dead port, and one where nobody speaks."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import numpy as np
import pytest

from rec_sys.errors import ConfigError
from rec_sys.inference.recommend import Recommendations, ReviewRecommender
from rec_sys.inference.users import Review, User
from tests.support.small_server import SmallServer, fail, late, small_server
from triton_utils.client import TritonClient
from triton_utils.client.async_client import AsyncTritonClient
from triton_utils.client.attempts import CallSettings
from triton_utils.client.tensors import texts
from triton_utils.errors import (
    BadInput,
    DeadlineExceeded,
    NotReady,
    Overloaded,
    ServerError,
    TritonError,
    UnknownModel,
    Unreachable,
)

Code = grpc.StatusCode
QUICK = CallSettings(deadline=5, tries=3, backoff=0.01)
LOADING = "Request for unknown model: 'recommend' version 2 is not at ready state"


@pytest.fixture
def client(server: SmallServer) -> Iterator[TritonClient]:
    with TritonClient(server.address, QUICK) as connected:
        yield connected


def people(recommender: ReviewRecommender) -> list[User]:
    """Somebody with everything, somebody with nothing, and somebody strange."""
    ids = recommender.base.products.ids
    many = [
        Review(ids[n % 7], f"thing {n} 🎸", rating=1 + n % 5, timestamp=1_500_000_000 - 86_400 * (n % 4))
        for n in range(9)
    ]
    strange = [
        Review(text="a \0 null, ünïcode and ' quotes"),
        Review(product_id="nobody knows", product_name="A harp.", product_info="with strings", rating=math.nan),
        Review(product_name=recommender.base.names[3].upper(), text="", rating=4.5),
        Review(product_info="only described"),
    ]
    return [User("many", many), User("", []), User("🎸", strange)]


def assert_same(results: list[Recommendations], expected: list[Recommendations]) -> None:
    assert [result.user_id for result in results] == [result.user_id for result in expected]
    for actual, reference in zip(results, expected, strict=True):
        assert [item.product_id for item in actual.items] == [item.product_id for item in reference.items]
        assert [item.name for item in actual.items] == [item.name for item in reference.items]
        for field in ("score", "stars"):
            np.testing.assert_allclose(
                [getattr(item, field) for item in actual.items],
                [getattr(item, field) for item in reference.items],
                atol=1e-6,
            )
        assert [(r.product_id, r.name, r.excerpt) for r in actual.why] == [
            (r.product_id, r.name, r.excerpt) for r in reference.why
        ]
        np.testing.assert_allclose([r.attention for r in actual.why], [r.attention for r in reference.why], atol=1e-6)
        assert actual.note == reference.note


@pytest.mark.parametrize("k", [1, 5, 1000])
def test_the_same_as_in_process(server: SmallServer, client: TritonClient, k: int) -> None:
    users = people(server.recommender)
    assert_same(client.recommend(users, k), server.recommender.recommend(users, k))
    assert client.served(users, k).model == server.fingerprint


def test_nobody(client: TritonClient) -> None:
    assert client.recommend([], 3) == []


def test_texts(server: SmallServer, client: TritonClient) -> None:
    values = [f"text number {n}" for n in range(130)]
    np.testing.assert_array_equal(client.encode(values), server.recommender.encoder.encode(values))
    assert server.calls == 3  # 64 at once
    assert client.encode([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("step", "error", "words", "calls"),
    [
        (fail(Code.UNAVAILABLE, LOADING), NotReady, "not ready after 3 tries.*triton_utils.deploy", 3),
        (fail(Code.UNAVAILABLE, "Server is stopping, scheduler for model is stopped"), NotReady, "stopping", 3),
        (fail(Code.UNAVAILABLE, "the queue is full: 64 calls are waiting"), Overloaded, "try again later", 1),
        (fail(Code.UNAVAILABLE, "Exceeds maximum queue size"), Overloaded, "overloaded", 1),
        (fail(Code.NOT_FOUND, "Request for unknown model: 'recommend' is not found"), UnknownModel, "deploy", 1),
        (fail(Code.INVALID_ARGUMENT, "unexpected shape for input 'k'"), BadInput, "refuses.*unexpected shape", 1),
        (fail(Code.RESOURCE_EXHAUSTED, "message larger than max"), BadInput, "send less at once", 1),
        (fail(Code.INTERNAL, "Stub process is not healthy"), ServerError, "INTERNAL.*not healthy.*log", 1),
        (fail(Code.UNIMPLEMENTED, "no such method"), ServerError, "no Triton server", 1),
        (fail(Code.INTERNAL, "Received RST_STREAM with error code 2"), Unreachable, "triton_utils.serve", 1),
        (late(2), DeadlineExceeded, "within 0.3 s; send less", 1),
    ],
)
def test_one_class_per_cause(server: SmallServer, step: Any, error: type[TritonError], words: str, calls: int) -> None:
    server.always = step
    settings = CallSettings(deadline=0.3 if error is DeadlineExceeded else 20, tries=3, backoff=0.01)
    with TritonClient(server.address, settings) as client, pytest.raises(TritonError, match=words) as raised:
        client.recommend([User("me")], 1)
    assert type(raised.value) is error
    assert server.calls == calls

    async def ask() -> None:
        other = AsyncTritonClient(server.address, settings)
        try:
            await other.served([User("me")], 1)
        finally:
            await other.close()

    server.calls = 0
    with pytest.raises(error, match=words):
        asyncio.run(ask())
    assert server.calls == calls


def test_unavailable_is_asked_again_and_nothing_else(server: SmallServer, client: TritonClient) -> None:
    server.steps = [fail(Code.UNAVAILABLE, LOADING), fail(Code.UNAVAILABLE, LOADING)]
    assert len(client.recommend([User("me")], 2)[0].items) == 2
    assert server.calls == 3
    server.steps = [fail(Code.INTERNAL, "no")]
    with pytest.raises(ServerError):
        client.recommend([User("me")], 2)
    assert server.calls == 4


def test_the_deadline_holds_for_all_tries_together(server: SmallServer) -> None:
    server.always = fail(Code.UNAVAILABLE, LOADING)
    start = time.monotonic()
    with (
        TritonClient(server.address, CallSettings(deadline=0.5, tries=20, backoff=0.1)) as client,
        pytest.raises(NotReady),
    ):
        client.recommend([User("me")])
    assert time.monotonic() - start < 3
    assert 2 <= server.calls <= 6


def test_a_dead_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    start = time.monotonic()
    with TritonClient(f"127.0.0.1:{port}", QUICK) as client:
        with pytest.raises(Unreachable, match=rf"no Triton server answers at 127.0.0.1:{port} after 3 tries.*serve"):
            client.recommend([User("me")])
        assert not client.ready()
    assert time.monotonic() - start < 4


def test_a_port_where_nobody_speaks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        address = f"127.0.0.1:{place.getsockname()[1]}"
        with (
            TritonClient(address, CallSettings(deadline=0.3)) as client,
            pytest.raises(DeadlineExceeded, match=address),
        ):
            client.recommend([User("me")])


def test_a_server_that_comes_back(answering: tuple[ReviewRecommender, str]) -> None:
    with small_server(*answering) as first:
        port = first.port
        client = TritonClient(first.address, CallSettings(deadline=5, tries=1))
        before = client.recommend([User("me")], 3)
    with pytest.raises(Unreachable):
        client.recommend([User("me")], 3)
    time.sleep(0.5)
    with small_server(*answering, port=port):
        start = time.monotonic()
        while not client.ready():
            assert time.monotonic() - start < 5
            time.sleep(0.02)
        assert client.recommend([User("me")], 3) == before
    client.close()


def test_many_threads_share_one_connection(server: SmallServer, client: TritonClient) -> None:
    ids = server.recommender.base.products.ids
    batches = [[User(f"p{n}", [Review(ids[n % 30], f"text {n}", rating=4)])] for n in range(64)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda batch: client.recommend(batch, 3), batches))
    for batch, result in zip(batches, answers, strict=True):
        assert_same(result, server.recommender.recommend(batch, 3))
    assert len(server.peers) == 1


def test_readiness(server: SmallServer, client: TritonClient) -> None:
    assert client.ready()
    server.ready = False
    assert not client.ready()
    with pytest.raises(NotReady, match="has not loaded recommend"):
        client.check_ready()


@pytest.mark.parametrize(
    ("review", "k", "words"),
    [
        (Review("B"), 0, "k=0; expected a whole number"),
        (Review("B"), -3, "k=-3"),
        (Review("B"), 2**31, "k=2147483648"),
        (Review("B"), 1.5, "k=1.5"),
        (Review("B"), True, "k=True"),
        (Review("B", rating=9), 1, r"review 2 of 'me': rating 9; expected 1 to 5"),
        (Review("B", rating=-math.inf), 1, "rating -inf"),
        (Review("B", timestamp=2**63), 1, "timestamp 9223372036854775808"),
        (Review("B", text="half \ud800 of a letter"), 1, r"recommend input text\[1\] cannot be written as UTF-8"),
        (Review(cast("str", 12)), 1, r"recommend input product_id\[1\] is int; expected a text"),
    ],
)
def test_what_makes_no_sense_is_not_sent(
    server: SmallServer, client: TritonClient, review: Any, k: Any, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        client.recommend([User("me", [Review("A"), review])], k)
    assert server.calls == 0


def test_shapes_and_types_are_checked_against_the_signature(server: SmallServer, client: TritonClient) -> None:
    good: dict[str, Any] = {
        "products": np.zeros((3, 8), np.float32),
        "rating": np.zeros(3, np.float32),
        "person": np.zeros(3, np.int64),
        "age": np.zeros(3, np.int64),
        "days": np.zeros(3, np.float32),
        "people": np.zeros(1, np.int64),
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rating": np.zeros(4, np.float32)}, "R=3"),
        ({"rating": np.zeros(3)}, "float64"),
        ({"person": np.zeros(3, np.int32)}, "int32"),
        ({"products": np.zeros((2, 3, 8), np.float32)}, r"\[2, 3, 8\]"),
        ({"colour": np.zeros(3)}, "knows no colour"),
        ({"age": texts(["a", "b", "c"])}, "object"),
    ]
    for change, words in wrong:
        with pytest.raises(BadInput, match=words):
            client.graph_model({**good, **change})
    without = {name: array for name, array in good.items() if name != "days"}
    with pytest.raises(BadInput, match="lacks days"):
        client.graph_model(without)
    assert server.calls == 0


def one_less(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda outputs: {**outputs, name: outputs[name][:-1]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda outputs: {n: a for n, a in outputs.items() if n != "stars"}, "lacks stars"),
        (lambda outputs: {**outputs, "score": outputs["score"].astype(np.int64)}, "score is INT64"),
        (lambda outputs: {**outputs, "note": outputs["note"][:, None]}, r"note is BYTES \[2, 1\]"),
        (one_less("attention"), "asked for 2 people with 1 reviews"),
        (one_less("product_id"), "asked for 2 people"),
    ],
)
def test_an_answer_that_makes_no_sense(server: SmallServer, client: TritonClient, change: Any, words: str) -> None:
    server.change = change
    with pytest.raises(ServerError, match=words):
        client.recommend([User("a", [Review("B")]), User("b")], 3)


@pytest.mark.parametrize("address", ["", "nowhere", "host:", "host:0", "host:70000", "http://host:8001", "a b:1"])
def test_addresses(address: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        TritonClient(address)
