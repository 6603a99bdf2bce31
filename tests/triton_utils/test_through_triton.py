"""Through the real server: client, infer and web app give what torch gives, and bad input is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from rec_sys.errors import CheckpointError
from rec_sys.inference.infer import InferSettings, infer
from rec_sys.inference.recommend import Recommendations
from rec_sys.inference.users import Review, User
from tests.support.toy_checkpoint import toy_checkpoint
from tests.triton_utils.conftest import Served
from triton_utils.client import TritonClient
from triton_utils.errors import BadInput, NotReady, TritonError, UnknownModel
from triton_utils.web.settings import WebSettings
from triton_utils.web_app import create_app

pytestmark = pytest.mark.triton


def assert_same(results: list[Recommendations], expected: list[Recommendations]) -> None:
    """The same products and reasons; figures as near as float32 and another runtime allow."""
    assert [result.user_id for result in results] == [result.user_id for result in expected]
    for actual, reference in zip(results, expected, strict=True):
        assert [(item.product_id, item.name) for item in actual.items] == [
            (i.product_id, i.name) for i in reference.items
        ]
        np.testing.assert_allclose([i.score for i in actual.items], [i.score for i in reference.items], atol=1e-4)
        np.testing.assert_allclose([i.stars for i in actual.items], [i.stars for i in reference.items], atol=1e-3)
        assert [(r.product_id, r.name, r.excerpt) for r in actual.why] == [
            (r.product_id, r.name, r.excerpt) for r in reference.why
        ]
        np.testing.assert_allclose([r.attention for r in actual.why], [r.attention for r in reference.why], atol=1e-4)
        assert actual.note == reference.note


def rows(served: Served) -> list[dict[str, Any]]:
    """Reviews of three people, as they are sent: of known products, of unknown ones, strange ones."""
    ids = served.base.products.ids
    return [
        {"reviewerID": "a", "asin": ids[0], "score": 5, "comment": "It never goes out of tune", "date": "2018-01-02"},
        {"reviewerID": "b", "asin": "UNKNOWN", "product_name": "Guitar strings.", "product_info": "Light, nickel"},
        {"reviewerID": "a", "asin": ids[7], "score": 2, "comment": "Broke after a week 🎸", "date": "2018-03-01"},
        {"reviewerID": "c", "comment": "A null \0 in it, ünïcode, and no product", "score": 4},
        {"reviewerID": "a", "product_name": served.base.names[3].upper(), "comment": "by its name alone"},
        {"reviewerID": "b", "asin": ids[4], "score": 3, "comment": ""},
    ]


def test_infer_gives_the_same(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "reviews.json"
    file.write_bytes(orjson.dumps(rows(served)))
    settings = InferSettings(paths=served.toy.paths, reviews=str(file), k=7)
    (expected,) = infer(settings)
    by_server = settings.model_copy(update={"triton": served.server.addresses.grpc})
    (served_results,) = infer(by_server)
    assert_same(served_results, expected)
    assert [result.user_id for result in served_results] == ["a", "b", "c"]
    (again,) = infer(by_server.model_copy(update={"checkpoint": served.checkpoint.path.name}))
    assert again == served_results
    (one, *_), batches = served_results, list(infer(by_server.model_copy(update={"batch_size": 1})))
    assert [len(batch) for batch in batches] == [1, 1, 1]
    assert_same(batches[0], [one])


def test_infer_refuses_a_server_with_another_checkpoint(served: Served, tmp_path: Path) -> None:
    other = toy_checkpoint(tmp_path / "other.ckpt", served.toy.table, served.toy.review_text, 9, served.toy.info).path
    file = tmp_path / "reviews.json"
    file.write_bytes(b'[{"comment": "a"}]')
    settings = InferSettings(
        paths=served.toy.paths, reviews=str(file), checkpoint=str(other), triton=served.server.addresses.grpc
    )
    with pytest.raises(CheckpointError, match=r"answers with checkpoint .* but the one here is other\.ckpt"):
        list(infer(settings))


def person(*reviews: Review) -> list[User]:
    return [User("me", reviews)]


@pytest.mark.parametrize(
    ("people", "k", "words"),
    [
        (person(Review("B", "word " * 200_000)), 3, r"text\[0\] has 1,000,000 characters"),
        ([User(str(number)) for number in range(2_000)], 3, "2,000 people in one call"),
        (person(*[Review("B")] * 30_000), 3, "30,000 reviews in one call"),
    ],
)
def test_too_much_is_bad_input(served: Served, people: list[User], k: int, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        served.client.recommend(people, k)


def test_ten_thousand_reviews(served: Served) -> None:
    """All of them count for what is left out, the newest are read."""
    ids = served.base.products.ids
    many = person(*(Review(ids[n % 25], f"no {n}", rating=1 + n % 5, timestamp=n) for n in range(10_000)))
    assert_same(served.client.recommend(many, 10), served.in_torch.recommend(many, 10))
    (result,) = served.client.recommend(many, 1000)
    assert len(result.items) == len(ids) - 25


def test_models_that_are_not_there(served: Served) -> None:
    with pytest.raises((UnknownModel, NotReady), match="no_such_model"):
        served.client.check_ready("no_such_model")
    assert not served.client.ready("recommend", "99")
    assert served.client.ready()
    with TritonClient(served.server.addresses.http) as wrong, pytest.raises(TritonError, match="Triton server"):
        wrong.recommend([User("me")])


Ask = Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]


def ask(served: Served, question: Ask) -> Any:
    addresses = served.server.addresses
    settings = WebSettings(
        triton=addresses.grpc, triton_metrics=addresses.metrics, model_repository=served.toy.repository
    )

    async def whole() -> Any:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://a") as http,
        ):
            return await question(http)

    return asyncio.run(whole())


def test_http_gives_the_same(served: Served, tmp_path: Path) -> None:
    sent = orjson.dumps(rows(served))
    answer = ask(served, lambda http: http.post("/reviews/?k=7", content=sent))
    assert answer.status_code == 200
    file = tmp_path / "reviews.json"
    file.write_bytes(sent)
    (expected,) = infer(InferSettings(paths=served.toy.paths, reviews=str(file), k=7))
    body = answer.json()
    assert body["model"] == served.checkpoint.fingerprint
    for actual, reference in zip(body["recommendations"], expected, strict=True):
        assert [item["product_id"] for item in actual["items"]] == [item.product_id for item in reference.items]
        assert [reason["name"] for reason in actual["why"]] == [reason.name for reason in reference.why]


def test_health_and_figures(served: Served) -> None:
    async def story(http: httpx.AsyncClient) -> str:
        for _ in range(2):
            body = b'[{"comment": "a text that is sent twice"}]'
            assert (await http.post("/reviews/", content=body)).status_code == 200
        ready = (await http.get("/health/ready")).json()
        assert (ready["status"], ready["checkpoint"]) == ("ready", served.checkpoint.fingerprint)
        await asyncio.sleep(2.5)  # Triton tells new figures every other second
        return (await http.get("/metrics")).text

    text = ask(served, story)
    hits = [line for line in text.splitlines() if line.startswith("rec_sys_text_cache_hits")]
    assert sum(float(line.split()[-1]) for line in hits) >= 1
    assert f'checkpoint="{served.checkpoint.fingerprint}"' in text
    assert 'nv_inference_request_success{model="recommend"' in text
