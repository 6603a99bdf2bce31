"""The generated sample: its schema, its sizes, and that there is something to learn in it."""

from __future__ import annotations

import gzip
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from rec_sys.dataset.sources import sample_words
from rec_sys.dataset.sources.sample import SampleFiles, write_sample
from rec_sys.errors import ConfigError

SMALL = {"users": 40, "products": 60, "reviews": 300}


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path) as file:
        return [orjson.loads(line) for line in file]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def reviews(files: SampleFiles) -> list[dict[str, Any]]:
    return lines(files.reviews)


@pytest.fixture(scope="module")
def products(files: SampleFiles) -> list[dict[str, Any]]:
    return lines(files.metadata)


@pytest.fixture(scope="module")
def histories(reviews: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    by_person = defaultdict(list)
    for review in reviews:
        by_person[review["reviewerID"]].append(review)
    return list(by_person.values())


def test_sizes(reviews: list[dict[str, Any]], products: list[dict[str, Any]], histories: list[Any]) -> None:
    assert (len(reviews), len(products), len(histories)) == (9_000, 300, 800)
    assert min(map(len, histories)) >= 5
    assert len({(review["reviewerID"], review["asin"]) for review in reviews}) == 9_000
    assert {review["asin"] for review in reviews} <= {product["asin"] for product in products}


def test_schema_of_2018(reviews: list[dict[str, Any]], products: list[dict[str, Any]]) -> None:
    always = {"reviewerID", "asin", "overall", "verified", "reviewText", "summary", "unixReviewTime", "reviewTime"}
    always |= {"reviewerName", "style"}
    for review in reviews:
        assert set(review) - {"vote"} == always
        assert review["overall"] in (1.0, 2.0, 3.0, 4.0, 5.0)
        assert review["unixReviewTime"] % 86_400 == 0
        assert re.fullmatch(r"(0[1-9]|1[0-2]) [1-9]\d?, 20[12]\d", review["reviewTime"])
    first = min(reviews, key=lambda review: int(review["unixReviewTime"]))
    month, day, year = re.split(r",? ", first["reviewTime"])
    assert np.datetime64(f"{year}-{month}-{int(day):02d}", "s").astype(int) == first["unixReviewTime"]
    votes = [review["vote"] for review in reviews if "vote" in review]
    assert 0.1 < len(votes) / len(reviews) < 0.2
    assert all(vote.isdigit() for vote in votes)
    for product in products:
        assert set(product) == {"asin", "title", "description", "category", "brand", "price"}
        assert product["price"].startswith("$")


def test_oldest_first_and_never_two_of_a_person_on_one_day(
    reviews: list[dict[str, Any]], histories: list[list[dict[str, Any]]]
) -> None:
    times = [review["unixReviewTime"] for review in reviews]
    assert times == sorted(times)
    assert all(np.diff([review["unixReviewTime"] for review in history]).min() > 0 for history in histories)


def test_texts(reviews: list[dict[str, Any]], products: list[dict[str, Any]]) -> None:
    lengths = [len(review["reviewText"].split()) for review in reviews]
    assert min(lengths) >= 10
    assert max(lengths) <= 60
    assert len({review["reviewText"] for review in reviews}) > 0.99 * len(reviews)
    texts = [review["reviewText"] + review["summary"] for review in reviews]
    texts += [product["title"] + product["description"][0] for product in products]
    assert not [text for text in texts if "{" in text or "  " in text]
    assert len({product["title"] for product in products}) == len(products)


def test_ratings(reviews: list[dict[str, Any]]) -> None:
    count = Counter(review["overall"] for review in reviews)
    assert min(count.values()) > 20
    assert len(count) == 5
    assert np.mean([review["overall"] for review in reviews]) == pytest.approx(4.2, abs=0.1)


def test_equal_numbers_give_equal_bytes(tmp_path: Path) -> None:
    one, two = write_sample(tmp_path / "one", 3, **SMALL), write_sample(tmp_path / "two", 3, **SMALL)
    other = write_sample(tmp_path / "other", 4, **SMALL)
    assert one.reviews.read_bytes() == two.reviews.read_bytes()
    assert one.metadata.read_bytes() == two.metadata.read_bytes()
    assert one.reviews.read_bytes() != other.reviews.read_bytes()
    assert one == SampleFiles.of(tmp_path / "one")


@pytest.mark.parametrize(("users", "products", "reviews"), [(1, 10, 5), (3, 11, 15), (7, 12, 42), (30, 1500, 200)])
def test_the_smallest_and_the_fullest(tmp_path: Path, users: int, products: int, reviews: int) -> None:
    files = write_sample(tmp_path, 1, users, products, reviews)
    count = Counter(review["reviewerID"] for review in lines(files.reviews))
    assert len(count) == users
    assert min(count.values()) >= 5
    assert count.total() == reviews
    assert len({product["title"] for product in lines(files.metadata)}) == products


@pytest.mark.parametrize(("users", "products", "reviews"), [(0, 300, 0), (10, 300, 49), (10, 9, 50), (10, 20, 101)])
def test_impossible_sizes(tmp_path: Path, users: int, products: int, reviews: int) -> None:
    with pytest.raises(ConfigError, match=f"{users} users, {products} products and {reviews} reviews cannot be made"):
        write_sample(tmp_path, 0, users, products, reviews)


def recall(scores: npt.NDArray[np.float64], had: npt.NDArray[np.bool_], wanted: npt.NDArray[np.int64]) -> float:
    """R@10 over all products but those already had; equal scores count half."""
    rows = np.arange(len(wanted))
    target = scores[rows, wanted][:, None]
    better = ((scores > target) & ~had).sum(1) + (((scores == target) & ~had).sum(1) - 1) / 2
    return float(np.mean(better < 10))


def test_neighbours_and_order_beat_popularity(histories: list[list[dict[str, Any]]]) -> None:
    """Measured with seed 0: popularity .110, item kNN .438, with the newest counting more .479, and successors .508."""
    number = {asin: row for row, asin in enumerate(sorted({r["asin"] for history in histories for r in history}))}
    sequences = [[number[review["asin"]] for review in history] for history in histories]
    wanted = np.array([sequence[-1] for sequence in sequences])
    past, recent = np.zeros((2, len(sequences), len(number)))
    follows = np.zeros((len(number), len(number)))
    for row, sequence in enumerate(sequences):
        past[row, sequence[:-1]] = 1.0
        recent[row, sequence[:-1]] = 0.8 ** np.arange(len(sequence) - 1)[::-1]
        np.add.at(follows, (sequence[:-2], sequence[1:-1]), 1.0)
    together = past.T @ past
    norm = np.sqrt(together.diagonal()) + 1e-9
    cosine = together / norm / norm[:, None]
    np.fill_diagonal(cosine, 0.0)
    follows /= follows.sum(1, keepdims=True) + 5.0
    last = np.array([sequence[-2] for sequence in sequences])
    had = past > 0

    popularity = recall(np.tile(past.sum(0), (len(past), 1)), had, wanted)
    neighbours = recall(past @ cosine, had, wanted)
    with_order = recall(recent @ cosine + 5.0 * follows[last], had, wanted)
    assert 0.05 < popularity < 0.2
    assert neighbours > 3.0 * popularity
    assert with_order > neighbours + 0.04


def test_taste_beats_the_bias_of_person_and_product(
    histories: list[list[dict[str, Any]]], products: list[dict[str, Any]]
) -> None:
    """Measured with seed 0: squared error .713 of the mean, .564 of the biases, .480 with tastes."""
    materials = {name: i for interest in sample_words.INTERESTS for i, name in enumerate(interest.materials)}
    row_of = {product["asin"]: row for row, product in enumerate(products)}
    features = np.zeros((len(products), 10))
    for row, product in enumerate(products):
        title = product["title"].lower()
        features[row, next(materials[name] for name in materials if title.startswith(name))] = 1.0
        features[row, 4 + next(i for i, name in enumerate(sample_words.COLOURS) if f" in {name}," in title)] = 1.0
    user, item, stars, held_out = (
        np.array(values)
        for values in zip(
            *(
                (u, row_of[review["asin"]], review["overall"], review is history[-1])
                for u, history in enumerate(histories)
                for review in history
            ),
            strict=True,
        )
    )
    train = ~held_out.astype(bool)
    mean = stars[train].mean()
    of_user, of_item = np.zeros(len(histories)), np.zeros(len(products))
    for _ in range(10):
        for bias, key, other in ((of_item, item, of_user[user]), (of_user, user, of_item[item])):
            rest = np.bincount(key[train], (stars - mean - other)[train], len(bias))
            bias[:] = rest / (np.bincount(key[train], minlength=len(bias)) + 5.0)
    biased = mean + of_user[user] + of_item[item]
    tasted = biased.copy()
    for u in range(len(histories)):
        mine = (user == u) & train
        known = features[item[mine]]
        preference = np.linalg.solve(known.T @ known + 1.5 * np.eye(10), known.T @ (stars - biased)[mine])
        tasted[(user == u) & ~train] += features[item[(user == u) & ~train]] @ preference

    def error(predicted: Any) -> float:
        return float(np.mean((np.clip(predicted, 1, 5) - stars)[~train] ** 2))

    assert error(biased) < 0.85 * error(np.full(len(stars), mean))
    assert error(tasted) < 0.92 * error(biased)


def test_texts_tell_the_taste_and_what_comes_next(
    histories: list[list[dict[str, Any]]], products: list[dict[str, Any]]
) -> None:
    category = {product["asin"]: [words.lower() for words in product["category"][1:]] for product in products}
    said = [(review["overall"], review["reviewText"]) for history in histories for review in history]
    assert {stars for stars, text in said if "Love it." in text} == {5.0}
    liked = np.mean([stars for stars, text in said if "over anything else" in text])
    disliked = np.mean([stars for stars, text in said if "just not for me" in text])
    assert liked > disliked + 0.8
    told = [
        any(words in history[-2]["reviewText"] for words in category[history[-1]["asin"]])
        for history in histories
        if category[history[-1]["asin"]] != category[history[-2]["asin"]]
    ]
    assert np.mean(told) > 0.25
