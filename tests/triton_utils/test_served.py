"""The real server beside ONNX Runtime and torch in this process: the same answers, and clean errors."""

from __future__ import annotations

import threading
import time
import urllib.request
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from rec_sys.inference.recommend import HAS_ALL, NOTHING_KNOWN, Recommendations
from rec_sys.inference.users import Review, User
from rec_sys.modules import signature
from rec_sys.text.onnx_text_encoder import OnnxTextEncoder
from tests.triton_utils.conftest import Served
from triton_utils.errors import BadInput
from triton_utils.repository.build import sample_users
from triton_utils.server.http_api import call

pytestmark = pytest.mark.triton

Arrays = dict[str, npt.NDArray[Any]]
REVIEWS = [Review("p1", "Product one, five stars 🎸", 5.0, 1_500_000_000), Review("", "no product", 2.0, 1_600_000_000)]


def reviews_of(served: Served, num_reviews: int, num_users: int) -> Arrays:
    generator = np.random.default_rng(num_reviews)
    history = served.in_torch.history
    text = generator.normal(size=(num_reviews, 384)).astype(np.float32)
    rating = generator.integers(1, 6, num_reviews).astype(np.float32)
    rating[::3] = np.nan
    return {
        "products": np.asarray(history[generator.integers(0, len(history), num_reviews)]),
        "text": text / np.linalg.norm(text, axis=1, keepdims=True).clip(1e-9),
        "rating": rating,
        "person": generator.integers(0, max(num_users, 1), num_reviews),
        "age": generator.integers(0, served.in_torch.graph.max_history, num_reviews),
        "days": (generator.random(num_reviews) * 1000).astype(np.float32),
        "people": np.zeros(num_users, dtype=np.int64),
    }


def in_process(served: Served, model: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(served.toy.repository / model / "1" / "model.onnx", options)


@pytest.mark.parametrize(("num_reviews", "num_users"), [(0, 0), (0, 3), (1, 1), (10, 4), (1000, 100)])
def test_graph_model_gives_the_bits_of_onnx_runtime(served: Served, num_reviews: int, num_users: int) -> None:
    arrays = reviews_of(served, num_reviews, num_users)
    expected = in_process(served, "graph_model").run(["vector", "attention"], arrays)
    for answered, reference in zip(served.client.graph_model(arrays), expected, strict=True):
        np.testing.assert_array_equal(answered, reference)


def test_new_products_gives_the_bits_of_onnx_runtime(served: Served) -> None:
    text = reviews_of(served, 20, 1)["text"]
    text[3] = 0
    dims = (served.checkpoint.states.history.shape[1], served.checkpoint.states.target.shape[1])
    outputs = served.client.infer(signature.new_products(384, *dims), {"text": text})
    for name, reference in zip(
        ("history", "target"), in_process(served, "new_products").run(None, {"text": text}), strict=True
    ):
        np.testing.assert_array_equal(outputs[name], reference)


def test_text_encoder_gives_the_bits_of_onnx_runtime(served: Served) -> None:
    texts = ["Great strings", "", " \n", "emoji 🎸 ünïcode", "null\0byte", "word " * 2000, "Great strings"]
    expected = OnnxTextEncoder(served.toy.repository / "text_encoder" / "1", threads=1).encode(texts)
    np.testing.assert_array_equal(served.client.encode(texts), expected)
    assert not expected[1:3].any()


def assert_alike(results: list[Recommendations], expected: list[Recommendations]) -> None:
    """The same people, products, names, notes and reasons; numbers to rounding."""
    for one, other in zip(results, expected, strict=True):
        assert (one.user_id, one.note) == (other.user_id, other.note)
        assert [(item.product_id, item.name) for item in one.items] == [(i.product_id, i.name) for i in other.items]
        for field in ("score", "stars"):
            values = [[getattr(item, field) for item in result.items] for result in (one, other)]
            np.testing.assert_allclose(values[0], values[1], atol=1e-3)
        assert {reason.product_id for reason in one.why} == {reason.product_id for reason in other.why}
        np.testing.assert_allclose([r.attention for r in one.why], [r.attention for r in other.why], atol=1e-3)


def test_recommend_gives_what_torch_gives(served: Served) -> None:
    people = sample_users(served.base, served.in_torch.graph.max_history)
    assert_alike(served.client.recommend(people, 5), served.in_torch.recommend(people, 5))
    answer = served.client.served(people, 5)
    assert answer.model == served.checkpoint.fingerprint


def test_texts_seen_before_are_not_read_again_and_change_nothing(served: Served) -> None:
    person = User("new", [Review("", f"a text nobody wrote before, number {number}") for number in range(8)])
    before = cache_counts(served)
    first = served.client.recommend([person], 5)
    assert served.client.recommend([person], 5) == first
    misses, hits = (after - was for after, was in zip(cache_counts(served), before, strict=True))
    assert (misses, hits) == (5, 5)  # the newest max_history of the reviews, twice


def cache_counts(served: Served) -> list[float]:
    with urllib.request.urlopen(f"http://{served.server.addresses.metrics}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return [
        sum(float(line.split()[-1]) for line in lines if line.startswith(f"rec_sys_text_cache_{what}{{"))
        for what in ("misses", "hits")
    ]


def test_people_without_reviews_with_all_products_and_more_than_there_are(served: Served) -> None:
    everything = User("has all", [Review(product_id) for product_id in served.base.products.ids])
    nothing, all_of_it = served.client.recommend([User("new"), everything], k=10_000)
    assert NOTHING_KNOWN in nothing.note
    assert len(nothing.items) == len(served.base)
    assert all_of_it.items == []
    assert HAS_ALL in all_of_it.note
    assert served.client.recommend([], 5) == []


def test_odd_texts_are_answered(served: Served) -> None:
    texts = ["", " ", "\0", "🎸" * 50, "\u202e right to left", "a\0b", "x" * 90_000, "\n\n", "ß" * 500]
    people = [User(f"p{n}\0🎸", [Review("", text, product_name=text)]) for n, text in enumerate(texts)]
    assert_alike(served.client.recommend(people, 3), served.in_torch.recommend(people, 3))


def test_ten_thousand_reviews_of_one_person(served: Served) -> None:
    reviews = [Review(f"p{number % 25}", f"text {number}", 4.0, number) for number in range(10_000)]
    (result,) = served.client.recommend([User("busy", reviews)], 3)
    assert_alike([result], served.in_torch.recommend([User("busy", reviews)], 3))


def test_what_is_too_much_is_refused(served: Served) -> None:
    with pytest.raises(BadInput, match=r"text\[0\] has 1,000,000 characters; expected at most 100,000"):
        served.client.recommend([User("long", [Review("", "x" * 1_000_000)])])
    with pytest.raises(BadInput, match=r"20,001 reviews in one call; expected at most 20,000: ask in parts"):
        served.client.recommend([User("many", [Review("p1")] * 20_001)])
    with pytest.raises(BadInput, match=r"people times k in one call"):
        served.client.recommend([User("greedy")], k=2_000_000)


def raw(served: Served, model: str, arrays: dict[str, tuple[str, npt.NDArray[Any]]]) -> Any:
    """A call without our client's checks: name -> (type, values)."""
    inputs = []
    for name, (kind, array) in arrays.items():
        tensor = InferInput(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    with InferenceServerClient(served.server.addresses.grpc) as client:
        return client.infer(model, inputs)


def raw_recommend(served: Served, **changes: tuple[str, npt.NDArray[Any]] | None) -> Any:
    arrays: dict[str, tuple[str, npt.NDArray[Any]] | None] = {
        "product_id": ("BYTES", np.array([b"p1", b""], dtype=object)),
        "text": ("BYTES", np.array([b"good", b"bad"], dtype=object)),
        "rating": ("FP32", np.array([5, np.nan], dtype=np.float32)),
        "timestamp": ("INT64", np.array([0, signature.UNKNOWN_TIME])),
        "product_name": ("BYTES", np.array([b"", b"bell"], dtype=object)),
        "person": ("INT64", np.array([0, 0])),
        "people": ("BYTES", np.array([b"somebody"], dtype=object)),
        "k": ("INT32", np.array([3], dtype=np.int32)),
    }
    return raw(served, "recommend", {name: value for name, value in (arrays | changes).items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": ("INT32", np.array([0], dtype=np.int32))}, "k=0: at least one product"),
        ({"k": ("INT32", np.array([-1], dtype=np.int32))}, "k=-1: at least one product"),
        ({"k": ("INT64", np.array([3]))}, "'k' data-type is 'INT64', but model 'recommend' expects 'INT32'"),
        ({"k": None}, "expected 8 inputs but got 7"),
        ({"person": ("INT64", np.array([0, 1]))}, r"person\[1\]=1: expected a row of people, 0 to 0"),
        ({"rating": ("FP32", np.array([5, np.inf], dtype=np.float32))}, r"rating\[1\]=inf"),
        ({"rating": ("FP32", np.array([5], dtype=np.float32))}, r"rating is float32 \[1\], but product_id has R=2"),
        ({"text": ("BYTES", np.array([b"\xff\xfe", b""], dtype=object))}, r"text\[0\] is not UTF-8"),
        ({"text": ("BYTES", np.array([[b"a", b"b"]], dtype=object))}, r"shape"),
    ],
)
def test_calls_that_make_no_sense_are_refused_with_the_reason(
    served: Served, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InferenceServerException, match=message) as caught:
        raw_recommend(served, **changes)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert raw_recommend(served).as_numpy("product_id").shape == (1, 3)  # and the server goes on


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("products", np.nan, "products holds numbers that are not finite"),
        ("text", np.inf, "text holds numbers that are not finite"),
        ("days", np.nan, "days holds numbers that are not finite"),
        ("rating", np.inf, r"rating holds numbers that are not finite \(nan is fine\)"),
        ("person", 7, "person holds rows beyond people; expected 0 to 3"),
        ("age", -1, "age holds a number below 0"),
        ("age", 1000, "these inputs do not fit together"),
    ],
)
def test_numbers_that_are_none_are_refused_by_graph_model(
    served: Served, name: str, value: float, message: str
) -> None:
    arrays = reviews_of(served, 10, 4)
    arrays[name].reshape(-1)[0] = value
    with pytest.raises(BadInput, match=message):
        served.client.graph_model(arrays)


def test_wrong_lengths_are_refused_by_graph_model(served: Served) -> None:
    arrays = reviews_of(served, 10, 4) | {"days": np.zeros(9, dtype=np.float32)}
    kinds = {"float32": "FP32", "int64": "INT64"}
    with pytest.raises(InferenceServerException, match="days has 9 rows, but person has 10"):
        raw(served, "graph_model", {name: (kinds[str(array.dtype)], array) for name, array in arrays.items()})


def test_many_at_once_get_their_own_answers(served: Served) -> None:
    people = sample_users(served.base, 5)
    expected = [served.client.recommend([person], 4)[0] for person in people]
    wrong: list[str] = []

    def go(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, len(people), 10).tolist():
            (answer,) = served.client.recommend([people[row]], 4)
            if answer != expected[row]:
                wrong.append(people[row].user_id)

    threads = [threading.Thread(target=go, args=(seed,)) for seed in range(8)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert time.monotonic() - start < 30


def test_configs_say_what_the_signatures_say(served: Served) -> None:
    model, states = served.checkpoint.network, served.checkpoint.states
    dims = states.history.shape[1], states.target.shape[1]
    signatures = (
        signature.graph_model(dims[0], model.text_dim, dims[1]),
        signature.new_products(model.text_dim, *dims),
        signature.text_encoder(model.text_dim),
        signature.recommend(),
    )
    for model_signature in signatures:
        metadata = call(served.server.addresses.http, "GET", f"/v2/models/{model_signature.name}")
        assert metadata["versions"] == ["1"]
        for side in ("inputs", "outputs"):
            batch = (-1,) if model_signature.max_batch_size else ()
            expected = [(t.name, t.dtype, [*batch, *t.dims]) for t in getattr(model_signature, side)]
            assert [(t["name"], t["datatype"], t["shape"]) for t in metadata[side]] == expected
