"""The web app over ASGI, with a real gRPC server behind it that computes, fails and dawdles as it is told."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import orjson
import pytest

from rec_sys.inference.read_reviews import parse_people
from rec_sys.inference.recommend import ReviewRecommender
from tests.triton_utils.small_server import SmallServer, deploy_toy, fail, late, small_server, toy_recommender
from triton_utils.web.errors import ErrorBody
from triton_utils.web.schemas import EXAMPLES, Answer, Health, ReviewIn, SimilarAnswer
from triton_utils.web.settings import WebSettings
from triton_utils.web_app import create_app

Code = grpc.StatusCode
Ask = Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReviewRecommender, str]:
    return toy_recommender(tmp_path_factory.mktemp("toy"))


@pytest.fixture
def server(toy: tuple[ReviewRecommender, str]) -> Iterator[SmallServer]:
    with small_server(*toy) as running:
        yield running


@pytest.fixture
def settings(server: SmallServer, tmp_path: Path) -> WebSettings:
    deploy_toy(tmp_path, server.recommender.base)
    return WebSettings(
        triton=server.address, triton_metrics="", model_repository=tmp_path, check_seconds=0.05, backoff=0.01
    )


@asynccontextmanager
async def connected(settings: WebSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        yield http


def ask(settings: WebSettings, question: Ask) -> Any:
    async def whole() -> Any:
        async with connected(settings) as http:
            return await question(http)

    return asyncio.run(whole())


def post(settings: WebSettings, body: Any, **more: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    answer: httpx.Response = ask(settings, lambda http: http.post("/reviews/", content=content, **more))
    return answer


def get(settings: WebSettings, path: str) -> httpx.Response:
    answer: httpx.Response = ask(settings, lambda http: http.get(path))
    return answer


def assert_refused(answer: httpx.Response, status: int, cause: str, words: str = "") -> None:
    body = ErrorBody.model_validate_json(answer.content).error
    assert (answer.status_code, body.cause) == (status, cause), answer.text
    assert re.search(words, body.message), body.message
    assert len(body.what_to_do) > 10
    assert ("retry-after" in answer.headers) == (status in (429, 503, 504))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_documentation(server: SmallServer, settings: WebSettings, name: str) -> None:
    body = EXAMPLES[name]["value"]
    answer = post(settings, body, params={"k": 4})
    assert answer.status_code == 200
    assert orjson.loads(answer.content) == Answer.model_validate_json(answer.content, strict=True).model_dump()
    people = parse_people(orjson.dumps(body), "")
    expected = [asdict(result) for result in server.recommender.recommend(people, 4)]
    found = answer.json()
    assert found["model"] == server.fingerprint
    for mine, its in zip(found["recommendations"], expected, strict=True):
        assert [item["product_id"] for item in mine["items"]] == [item["product_id"] for item in its["items"]]
        assert mine["why"] == [{**why, "attention": pytest.approx(why["attention"], abs=1e-6)} for why in its["why"]]
        assert (mine["user_id"], mine["note"]) == (its["user_id"], its["note"])
    for review in body:
        ReviewIn.model_validate(review)


def test_every_documented_field_is_read() -> None:
    """Each field alone tells about the same review as in the classes that read files."""
    full = {"product_name": "Harp", "product_info": "With strings", "comment": "Fine", "title": "Good", "score": 4}
    row = {"reviewerID": "A", "asin": "B", "verified": True, "date": "2018-09-30", **full}
    assert set(row) == set(ReviewIn.model_fields)
    (person,) = parse_people(orjson.dumps([row]), "")
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
    assert_refused(post(settings, body), 422, "bad_input", re.escape(words))
    assert server.asked == 0


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
    assert_refused(post(settings, [], params={"k": k}), 422, "bad_input", "k")
    assert_refused(get(settings, f"/products/{product}/similar?k={k}"), 422, "bad_input", "k")
    assert server.asked == 0


def test_more_than_the_catalogue(server: SmallServer, settings: WebSettings) -> None:
    (person,) = post(settings, [], params={"k": 1000}).json()["recommendations"]
    assert len(person["items"]) == len(server.recommender.base)
    assert "1,000 were asked for" in person["note"]


def test_limits_of_a_request(server: SmallServer, settings: WebSettings) -> None:
    megabyte = [{"comment": "word " * 200_000}]
    assert_refused(post(settings, megabyte), 422, "bad_input", "a field of 999,999 characters; at most 50,000")
    many = [{"comment": f"review {n}", "reviewerID": f"p{n}"} for n in range(10_000)]
    assert_refused(post(settings, many), 422, "bad_input", "10,000 reviews; at most 2,000")
    assert_refused(post(settings, many[:2_000]), 422, "bad_input", "2,000 people; at most 500")
    assert_refused(post(settings, many[:300], params={"k": 100}), 422, "bad_input", "300 people times k=100")
    assert_refused(post(settings, b"x" * 5_000_000), 413, "body_too_large", "5,000,000 bytes; at most 4,194,304")
    assert server.asked == 0
    of_one = [{**review, "reviewerID": "p"} for review in many[:2_000]]
    assert post(settings, of_one).status_code == 200
    assert post(settings, many[:500], params={"k": 2}).status_code == 200


def test_a_body_of_unknown_length(server: SmallServer, settings: WebSettings) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    refused = ask(settings, lambda http: http.post("/reviews/", content=pieces()))
    assert_refused(refused, 413, "body_too_large", "more than 4,194,304 bytes")

    async def whole() -> AsyncIterator[bytes]:
        yield b'[{"comm'
        yield b'ent": "in two parts"}]'

    assert ask(settings, lambda http: http.post("/reviews", content=whole())).status_code == 200


def test_a_slow_sender(settings: WebSettings) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    quick = settings.model_copy(update={"body_seconds": 0.2})
    assert_refused(ask(quick, lambda http: http.post("/reviews/", content=pieces())), 408, "slow_body", "within 0.2 s")


@pytest.mark.parametrize(
    ("step", "status", "cause"),
    [
        (fail(Code.UNAVAILABLE, "version 1 is not at ready state"), 503, "not_ready"),
        (fail(Code.UNAVAILABLE, "the queue is full"), 503, "overloaded"),
        (fail(Code.NOT_FOUND, "unknown model"), 503, "unknown_model"),
        (fail(Code.INVALID_ARGUMENT, "text[3] is too long"), 422, "bad_input"),
        (fail(Code.INTERNAL, "Traceback of /secret/path"), 502, "model_failed"),
        (late(1), 504, "deadline"),
    ],
)
def test_what_goes_wrong_behind(server: SmallServer, settings: WebSettings, step: Any, status: int, cause: str) -> None:
    server.always = step
    answer = post(settings.model_copy(update={"deadline": 0.3}), [{"comment": "a"}])
    assert_refused(answer, status, cause)
    assert "secret" not in answer.text
    assert settings.triton not in answer.text


def test_a_dead_server_is_a_quick_503_and_its_return_is_noticed(
    toy: tuple[ReviewRecommender, str], settings: WebSettings
) -> None:
    async def story(http: httpx.AsyncClient) -> None:
        body = orjson.dumps([{"comment": "a"}])
        start = time.monotonic()
        assert_refused(await http.post("/reviews/", content=body), 503, "unreachable")
        assert time.monotonic() - start < 2
        ready = await http.get("/health/ready")
        assert (ready.status_code, list(ready.json()["problems"])) == (503, ["triton"])
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/products/nobody/similar")).status_code == 404  # needs no Triton
        with small_server(*toy, port=port):
            start = time.monotonic()
            while (await http.post("/reviews/", content=body)).status_code != 200:
                assert time.monotonic() - start < 5
                await asyncio.sleep(0.05)
            assert (await http.get("/health/ready")).status_code == 200

    with small_server(*toy) as gone:
        port = gone.port
    ask(settings.model_copy(update={"triton": f"127.0.0.1:{port}"}), story)


def test_the_queue_is_bounded(server: SmallServer, settings: WebSettings) -> None:
    server.always = late(0.3)
    narrow = settings.model_copy(update={"running": 2, "waiting": 3})

    async def crowd(http: httpx.AsyncClient) -> list[httpx.Response]:
        body = orjson.dumps([{"comment": "a"}])
        start = time.monotonic()
        asked = [asyncio.create_task(http.post("/reviews/", content=body)) for _ in range(20)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert time.monotonic() - start < 0.28  # refused at once, while the others are still being worked on
        assert all(task.result().status_code == 503 for task in done)
        live = time.monotonic()
        await http.get("/health/live")
        assert time.monotonic() - live < 0.1
        answers = await asyncio.gather(*asked)
        figures = (await http.get("/metrics")).text
        assert 'rec_sys_errors_total{cause="queue_full"} 15.0' in figures
        assert "rec_sys_requests_waiting 0.0" in figures
        return list(answers)

    answers = ask(narrow, crowd)
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(503)) == (5, 15)
    assert_refused(next(a for a in answers if a.status_code == 503), 503, "queue_full", "3 requests are waiting")
    assert server.most_open == 2


def test_nobody_waits_for_ever(server: SmallServer, settings: WebSettings) -> None:
    server.always = late(0.5)
    narrow = settings.model_copy(update={"running": 1, "waiting": 5, "wait_seconds": 0.1})

    async def two(http: httpx.AsyncClient) -> list[httpx.Response]:
        return list(await asyncio.gather(*(http.post("/reviews/", content=b"[]") for _ in range(2))))

    answers = sorted(ask(narrow, two), key=lambda answer: answer.status_code)
    assert answers[0].status_code == 200
    assert_refused(answers[1], 503, "queue_full", r"no turn within 0\.1 s")


def test_too_many_requests_of_one_client(settings: WebSettings) -> None:
    async def many(http: httpx.AsyncClient) -> list[httpx.Response]:
        answers = [await http.get("/products/nobody/similar") for _ in range(8)]
        assert (await http.get("/health/live")).status_code == 200
        return answers

    answers = ask(settings.model_copy(update={"rate": 2}), many)
    assert [answer.status_code for answer in answers[:4]] == [404] * 4
    assert_refused(answers[-1], 429, "rate_limit", "more than 2 requests a second")


def test_similar_products(server: SmallServer, settings: WebSettings) -> None:
    base = server.recommender.base
    product = base.products.ids[4]
    answer = get(settings, f"/products/{product}/similar?k=6")
    assert answer.status_code == 200
    found = SimilarAnswer.model_validate_json(answer.content, strict=True)
    assert (found.product_id, found.name, found.version) == (product, base.names[4], 1)
    vectors = base.vectors(np.arange(len(base)))[:, 1:]  # all but the level: this toy has nothing beside its taste
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit[4]
    cosine[4] = -2
    best = np.argsort(-cosine, kind="stable")[:6]
    assert [item.product_id for item in found.items] == [base.products.ids[number] for number in best]
    np.testing.assert_allclose([item.score for item in found.items], cosine[best], atol=1e-6)
    assert len(get(settings, f"/products/{product}/similar?k=500").json()["items"]) == len(base) - 1
    assert_refused(get(settings, f"/products/{product}x/similar"), 404, "unknown_product", f"Did you mean '{product}'")
    assert_refused(get(settings, "/products/a/b%00%F0%9F%8E%B8/similar"), 404, "unknown_product", "unknown product")


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
    assert_refused(get(empty, "/products/B/similar"), 503, "no_vector_base")
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
    assert_refused(get(settings, "/no/such/page"), 404, "not_found", "/no/such/page")
    assert_refused(get(settings, "/reviews/"), 405, "method_not_allowed", "GET /reviews/")


def test_the_documentation_lists_every_answer(settings: WebSettings) -> None:
    document = get(settings, "/openapi.json").json()
    reviews = document["paths"]["/reviews/"]["post"]
    assert set(reviews["responses"]) == {"200", "408", "413", "422", "429", "502", "503", "504"}
    assert set(reviews["requestBody"]["content"]["application/json"]["examples"]) == set(EXAMPLES)
    assert get(settings, "/docs").status_code == 200
