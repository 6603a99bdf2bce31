"""The web app over ASGI: answers, bad bodies, similar products, versions, figures; a real gRPC server behind it."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
import pytest

from rec_sys.inference.read_reviews import parse_users
from tests.support.app_client import ask, assert_rejected, get, post
from tests.support.small_server import SmallServer, deploy_toy, fail
from triton_utils.web.schemas import EXAMPLES, Answer, Health, ReviewIn, SimilarAnswer
from triton_utils.web.settings import WebSettings

Code = grpc.StatusCode


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_documentation(server: SmallServer, settings: WebSettings, name: str) -> None:
    body = EXAMPLES[name]["value"]
    answer = post(settings, body, params={"k": 4})
    assert answer.status_code == 200
    assert orjson.loads(answer.content) == Answer.model_validate_json(answer.content, strict=True).model_dump()
    people = parse_users(orjson.dumps(body), "")
    expected = [asdict(result) for result in server.recommender.recommend(people, 4)]
    received = answer.json()
    assert received["model"] == server.fingerprint
    for actual, reference in zip(received["recommendations"], expected, strict=True):
        assert [item["product_id"] for item in actual["items"]] == [item["product_id"] for item in reference["items"]]
        assert actual["why"] == [
            {**why, "attention": pytest.approx(why["attention"], abs=1e-6)} for why in reference["why"]
        ]
        assert (actual["user_id"], actual["note"]) == (reference["user_id"], reference["note"])
    for review in body:
        ReviewIn.model_validate(review)


def test_every_documented_field_is_read() -> None:
    """Each field alone tells about the same review as in the classes that read files."""
    full = {"product_name": "Harp", "product_info": "With strings", "comment": "Fine", "title": "Good", "score": 4}
    row = {"reviewerID": "A", "asin": "B", "verified": True, "date": "2018-09-30", **full}
    assert set(row) == set(ReviewIn.model_fields)
    (person,) = parse_users(orjson.dumps([row]), "")
    review = person.reviews[0]
    assert person.user_id == "A"
    assert (review.product_id, review.product_name, review.product_info) == ("B", "Harp", "With strings")
    assert (review.text, review.rating, review.timestamp) == ("Good\nFine", 4, 1_538_265_600)


def test_several_people_are_answered_apart(server: SmallServer, settings: WebSettings) -> None:
    ids = server.recommender.base.products.ids
    reviews = [{"reviewerID": f"p{n % 3}", "asin": ids[n], "score": 5, "comment": f"no {n}"} for n in range(9)]
    together = post(settings, reviews).json()["recommendations"]
    assert [person["user_id"] for person in together] == ["p0", "p1", "p2"]
    for n, person in enumerate(together):
        (alone,) = post(settings, reviews[n::3]).json()["recommendations"]
        assert [item["product_id"] for item in alone["items"]] == [item["product_id"] for item in person["items"]]
        owned = {review["asin"] for review in reviews[n::3]}
        assert not owned & {item["product_id"] for item in person["items"]}


def test_names_of_a_shop_are_read_and_what_is_not_understood_is_in_the_note(settings: WebSettings) -> None:
    rows = [{"customer": who, "productId": "x", "comment": "a", "mood": "good"} for who in ("ann", "bob", "ann")]
    answers = post(settings, rows).json()["recommendations"]
    assert [(answer["user_id"], len(answer["why"])) for answer in answers] == [("ann", 2), ("bob", 1)]
    assert all("mood" in answer["note"] for answer in answers)


def test_people_that_cannot_be_told_apart_are_refused(settings: WebSettings) -> None:
    rows = [{"kdnr": who, "productId": "x"} for who in ("ann", "bob")]
    assert_rejected(post(settings, rows), 422, "bad_input", "'kdnr', which is not understood")


BAD: list[tuple[str, bytes, str]] = [
    ("empty", b"", "the body is empty"),
    ("not JSON", b"[{", "not JSON"),
    ("a number", b"17", "holds 17"),
    ("a text", b'"review"', "expected JSON"),
    ("numbers", b"[1, 2]", "entry 1 is 1; expected a review"),
    ("nothing in it", b"[{}]", "holds {}"),
    ("only stars", b'[{"score": 5}]', "neither a product"),
    ("NaN", b'[{"comment": "a", "score": NaN}]', "not JSON"),
    ("NaN as a text", b'[{"comment": "a", "score": "nan"}]', "score is"),
    ("too many stars", b'[{"comment": "a"}, {"comment": "b", "score": 6}]', "entry 2: score is 6; expected a number"),
    ("a score of words", b'[{"comment": "a", "score": "good"}]', 'score is "good"'),
    ("a score of lists", b'[{"comment": "a", "score": [5]}]', "score is"),
    ("a comment of lists", b'[{"asin": "B", "comment": ["a"]}]', "comment is"),
    ("a product of things", b'[{"asin": {"id": 1}, "comment": "a"}]', "asin is"),
    ("no date", b'[{"comment": "a", "date": "yesterday"}]', "date is"),
    ("half a letter", b'[{"comment": "\\ud800"}]', "not JSON"),
    ("no UTF-8", b'[{"comment": "\xff\xfe"}]', "not JSON"),
    ("deep", b"[" * 100_000, "not JSON"),
]


@pytest.mark.parametrize(("body", "words"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bodies_that_make_no_sense(server: SmallServer, settings: WebSettings, body: bytes, words: str) -> None:
    assert_rejected(post(settings, body), 422, "bad_input", re.escape(words))
    assert server.calls == 0


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"comment": "🎸🎸🎸 ünïcode"}],
        [{"comment": "a \0 null", "asin": "B\0"}],
        [{"comment": "", "asin": "B"}],
        [{"comment": "a", "verified": "perhaps", "colour": {"any": ["thing"]}}],
        [{"asin": 12, "reviewerID": 7}],
        {"somebody": [{"comment": "a"}], "somebody else": []},
    ],
)
def test_strange_bodies_are_answered(settings: WebSettings, body: Any) -> None:
    answer = post(settings, body, params={"k": 3})
    assert answer.status_code == 200
    people = answer.json()["recommendations"]
    assert [len(person["items"]) for person in people] == [3] * max(len(body) if isinstance(body, dict) else 1, 1)


@pytest.mark.parametrize("k", ["0", "-1", "many", "1.5", "1001", "99999999999999999999"])
def test_numbers_of_products_that_make_no_sense(server: SmallServer, settings: WebSettings, k: str) -> None:
    product = server.recommender.base.products.ids[0]
    assert_rejected(post(settings, [], params={"k": k}), 422, "bad_input", "k")
    assert_rejected(get(settings, f"/products/{product}/similar?k={k}"), 422, "bad_input", "k")
    assert server.calls == 0


def test_more_than_the_catalogue(server: SmallServer, settings: WebSettings) -> None:
    (person,) = post(settings, [], params={"k": 1000}).json()["recommendations"]
    assert len(person["items"]) == len(server.recommender.base)
    assert "1,000 were asked for" in person["note"]


def test_similar_products(server: SmallServer, settings: WebSettings) -> None:
    base = server.recommender.base
    product = base.products.ids[4]
    answer = get(settings, f"/products/{product}/similar?k=6")
    assert answer.status_code == 200
    received = SimilarAnswer.model_validate_json(answer.content, strict=True)
    assert (received.product_id, received.name, received.version) == (product, base.names[4], 1)
    vectors = base.vectors(np.arange(len(base)))[:, 1:]  # all but the level: this toy has nothing beside its taste
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit[4]
    cosine[4] = -2
    best = np.argsort(-cosine, kind="stable")[:6]
    assert [item.product_id for item in received.items] == [base.products.ids[number] for number in best]
    np.testing.assert_allclose([item.score for item in received.items], cosine[best], atol=1e-6)
    assert len(get(settings, f"/products/{product}/similar?k=500").json()["items"]) == len(base) - 1
    assert_rejected(get(settings, f"/products/{product}x/similar"), 404, "unknown_product", f"Did you mean '{product}'")
    assert_rejected(get(settings, "/products/a/b%00%F0%9F%8E%B8/similar"), 404, "unknown_product", "unknown product")


def test_a_new_version_is_noticed_and_a_broken_one_is_not(server: SmallServer, settings: WebSettings) -> None:
    base = server.recommender.base
    product = base.products.ids[0]
    folder = settings.model_repository

    async def story(http: httpx.AsyncClient) -> None:
        async def version_is(number: int) -> None:
            start = time.monotonic()
            while (await http.get(f"/products/{product}/similar")).json()["version"] != number:
                assert time.monotonic() - start < 5
                await asyncio.sleep(0.02)

        await version_is(1)
        history = np.zeros((1, base.added_history.shape[1]), np.float32)
        new = base.with_products(["NEW"], ["Newest"], base.vectors(np.array([0])), history)
        deploy_toy(folder, new, 2)
        await version_is(2)
        (first,) = (await http.get("/products/NEW/similar?k=1")).json()["items"]
        assert (first["product_id"], round(first["score"], 5)) == (product, 1)
        deploy_toy(folder, base, 3)
        await version_is(3)
        deploy_toy(folder, base, 4, broken=True)
        await asyncio.sleep(0.3)
        await version_is(3)
        ready = Health.model_validate_json((await http.get("/health/ready")).content)
        assert (ready.status, ready.version, ready.checkpoint) == ("ready", 3, server.fingerprint)
        assert "rec_sys_model_version 3.0" in (await http.get("/metrics")).text

    ask(settings, story)


def test_without_a_deployment(settings: WebSettings, tmp_path: Path) -> None:
    empty = settings.model_copy(update={"model_repository": tmp_path / "empty"})
    assert_rejected(get(empty, "/products/B/similar"), 503, "no_vector_base")
    ready = get(empty, "/health/ready")
    assert (ready.status_code, ready.json()["status"], list(ready.json()["problems"])) == (
        503,
        "not ready",
        ["vector_base"],
    )
    assert post(empty, []).status_code == 200  # recommendations need Triton alone


def test_figures(server: SmallServer, settings: WebSettings) -> None:
    async def story(http: httpx.AsyncClient) -> str:
        await http.post("/reviews/", content=b'[{"comment": "a", "reviewerID": 1}, {"comment": "b", "reviewerID": 2}]')
        await http.post("/reviews/", content=b"nonsense")
        await http.get("/no/such/page")
        await http.get("/reviews/")
        server.always = fail(Code.INTERNAL, "broken")
        await http.post("/reviews/", content=b"[]")
        await http.get(f"/products/{server.recommender.base.products.ids[0]}/similar")
        return (await http.get("/metrics")).text

    text = ask(settings, story)
    for line in (
        'rec_sys_requests_total{method="POST",route="/reviews/",status="200"} 1.0',
        'rec_sys_requests_total{method="POST",route="/reviews/",status="422"} 1.0',
        'rec_sys_requests_total{method="POST",route="/reviews/",status="502"} 1.0',
        'rec_sys_requests_total{method="GET",route="/products/{product_id:path}/similar",status="200"} 1.0',
        'rec_sys_errors_total{cause="bad_input"} 1.0',
        'rec_sys_errors_total{cause="model_failed"} 1.0',
        'rec_sys_errors_total{cause="not_found"} 1.0',
        'rec_sys_errors_total{cause="method_not_allowed"} 1.0',
        'rec_sys_errors_total{cause="queue_full"} 0.0',
        'rec_sys_stage_seconds_count{stage="triton"} 2.0',
        'rec_sys_stage_seconds_count{stage="similar"} 1.0',
        'rec_sys_stage_seconds_count{stage="all"} 6.0',
        "rec_sys_people_total 2.0",
        "rec_sys_reviews_total 2.0",
        "rec_sys_model_version 1.0",
        f'checkpoint="{server.fingerprint}",products="30",version="1"',
    ):
        assert line in text, line


def test_pages_that_are_not_there(settings: WebSettings) -> None:
    assert_rejected(get(settings, "/no/such/page"), 404, "not_found", "/no/such/page")
    assert_rejected(get(settings, "/reviews/"), 405, "method_not_allowed", "GET /reviews/")


def test_the_documentation_lists_every_answer(settings: WebSettings) -> None:
    document = get(settings, "/openapi.json").json()
    reviews = document["paths"]["/reviews/"]["post"]
    assert set(reviews["responses"]) == {"200", "408", "413", "422", "429", "500", "502", "503", "504"}
    assert set(reviews["requestBody"]["content"]["application/json"]["examples"]) == set(EXAMPLES)
    assert get(settings, "/docs").status_code == 200
