from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from rec_sys.arrays import Floats
from rec_sys.dataset.query import Query
from rec_sys.dataset.readers.metadata import Product
from rec_sys.dataset.splits import histories_before
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import ConfigError
from rec_sys.inference.local import recommender_of
from rec_sys.inference.output import describe
from rec_sys.inference.recommend import (
    HAS_ALL,
    NOTHING_KNOWN,
    Recommendations,
    ReviewRecommender,
    excerpt,
    preference_cosine,
)
from rec_sys.inference.torch_encoder import TorchGraphEncoder
from rec_sys.inference.users import Review, User, known_users
from rec_sys.recommenders.graph.checkpoint import TrainedGraph, load_checkpoint
from rec_sys.recommenders.graph.history_arrays import HistoryArrays
from rec_sys.recommenders.graph.item_factors import ItemFactors
from rec_sys.recommenders.graph.numpy_encoder import NumpyGraphEncoder
from rec_sys.recommenders.graph.scorer import GraphScorer
from rec_sys.recommenders.graph.settings import Blend
from rec_sys.recommenders.graph.vector_layout import CONTENT, ITEM_BIAS
from rec_sys.vector_database.create_vectorbase import add_products
from rec_sys.vector_database.index import NONE, VectorBase
from tests.support.toy_checkpoint import TEXT_DIM, ToyEncoder, toy_checkpoint, toy_table, toy_texts

LIMIT = 5  # the toy model's max_history


@dataclass(frozen=True)
class Toy:
    table: ReviewTable
    review_text: Floats
    checkpoint: TrainedGraph
    recommender: ReviewRecommender


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("toy")
    table, review_text = toy_table(folder)
    checkpoint = toy_checkpoint(folder / "toy", table, review_text)
    base = VectorBase.of_model(checkpoint.stored())
    return Toy(table, review_text, checkpoint, recommender_of(checkpoint.stored(), base, ToyEncoder()))


def everybody(toy: Toy) -> list[User]:
    return known_users(toy.table, np.arange(toy.table.num_users), toy.review_text)


def as_new_users(users: list[User]) -> list[User]:
    """The same reviews as they are sent: without vectors, under another name."""
    return [User(f"new {user.user_id}", [replace(review, vector=None) for review in user.reviews]) for user in users]


def unit(vectors: Floats) -> Floats:
    rows: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return rows


def scores(result: Recommendations) -> dict[str, float]:
    return {item.product_id: item.score for item in result.items}


def check_same(ours: list[Recommendations], theirs: list[Recommendations]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert [item.product_id for item in a.items] == [item.product_id for item in b.items]
        np.testing.assert_allclose([i.score for i in a.items], [i.score for i in b.items], atol=2e-5)
        np.testing.assert_allclose([w.attention for w in a.why], [w.attention for w in b.why], atol=2e-6)
        assert [w.excerpt for w in a.why] == [w.excerpt for w in b.why]


def test_a_new_user_with_the_same_reviews_gets_the_same(toy: Toy) -> None:
    users = everybody(toy)
    assert users[0].reviews[1].vector is not None
    check_same(toy.recommender.recommend(users, 7), toy.recommender.recommend(as_new_users(users), 7))


@pytest.mark.parametrize("num_codes", [0, 5])
def test_the_path_of_the_evaluation_gives_the_same(toy: Toy, num_codes: int) -> None:
    """What the protocol evaluates is what users get: whole histories through GraphScorer, filtered by hand."""
    table = toy.table
    history = toy.checkpoint.states.history.clone()
    history[:, ITEM_BIAS] = torch.randn(len(history), generator=torch.manual_seed(0))  # some are rated better
    checkpoint = replace(toy.checkpoint, states=replace(toy.checkpoint.states, history=history))
    if num_codes:
        nothing = torch.zeros(len(history), 0)
        code = torch.eye(num_codes)[torch.arange(len(history)) % num_codes]
        states = checkpoint.states.with_item_factors(ItemFactors(nothing, nothing), code, 0.4)
        blend = Blend(rank=0, weight=0.0, num_codes=num_codes, penalty=0.4)
        checkpoint = replace(checkpoint, states=states, blend=blend)
    evaluated = GraphScorer.of(checkpoint)
    last = table.indptr()[1:] - 1
    histories = histories_before(table, last)
    query = Query(histories, table.with_text(toy.review_text))
    scores = evaluated.score_both_ways(query)[0].copy()
    if num_codes:
        assert not np.allclose(scores, evaluated.score(query))
    target = checkpoint.states.target.numpy()
    preferences = unit(evaluated.user_vectors(query)[:, CONTENT]) @ unit(target[:, CONTENT]).T
    users = [replace(user, reviews=user.reviews[:-1]) for user in everybody(toy)]
    results = recommender_of(checkpoint.stored(), VectorBase.of_model(checkpoint.stored()), ToyEncoder()).recommend(
        users, 6
    )
    for user, result in enumerate(results):
        seen = histories.product[histories.indptr[user] : histories.indptr[user + 1]]
        scores[user, seen] = -np.inf
        best = np.argsort(-scores[user])[:6]
        assert [item.product_id for item in result.items] == [table.products.id(int(number)) for number in best]
        np.testing.assert_allclose([item.score for item in result.items], preferences[user, best], atol=2e-5)
        expected = np.clip(2.5 * (1 + scores[user, best]) + history[best, ITEM_BIAS].numpy(), 0, 5)
        np.testing.assert_allclose([item.stars for item in result.items], expected, atol=1e-5)


def test_the_score_tells_products_apart_where_predicted_ratings_hardly_do(toy: Toy) -> None:
    for result in toy.recommender.recommend(everybody(toy), 22):
        score = [item.score for item in result.items]
        assert score == sorted(score, reverse=True)
        assert all(-1 <= each <= 1 for each in score)
        predicted = [item.stars / 2.5 - 1 for item in result.items]
        assert score[0] - score[-1] > 3 * (predicted[0] - predicted[-1])


def test_a_model_without_rating_bias_scores_with_the_inner_product() -> None:
    products = np.pad(unit(np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)), ((0, 0), (1, 0)))
    inner = products @ products[0]
    np.testing.assert_allclose(preference_cosine(inner, products[0], products), inner, atol=1e-6)


def test_a_user_who_has_seen_everything(toy: Toy) -> None:
    user = User("all", [Review(product, "nice", 5, place) for place, product in enumerate(toy.table.products.ids)])
    result = toy.recommender.recommend([user], 3)[0]
    assert (result.items, result.note) == ([], HAS_ALL)
    lines = describe(result).splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("all", "  why", f"  note: {HAS_ALL}")


def test_a_batch_is_its_users_one_at_a_time(toy: Toy) -> None:
    users = [*as_new_users(everybody(toy))[:9], User("nobody"), User("text", [Review(text="p4 is a thing")])]
    check_same(toy.recommender.recommend(users, 5), [toy.recommender.recommend([one], 5)[0] for one in users])
    assert toy.recommender.recommend([], 5) == []


def test_seen_products_are_never_recommended_however_long_ago(toy: Toy) -> None:
    for user, result in zip(everybody(toy), toy.recommender.recommend(everybody(toy), 30), strict=True):
        seen = {review.product_id for review in user.reviews}
        assert len(user.reviews) == 8 > LIMIT
        assert {item.product_id for item in result.items} == set(toy.table.products.ids) - seen
        assert "30" in result.note
        assert "22" in result.note


def test_only_the_newest_reviews_are_read(toy: Toy) -> None:
    encoder = ToyEncoder()
    recommender = recommender_of(toy.checkpoint.stored(), toy.recommender.base, encoder)
    newest = [Review(f"p{n}", f"text {n}", 5, 1000 + n) for n in range(LIMIT)]
    older = [Review(f"p{n}", "other words", 1, n) for n in range(20, 26)]
    users = [User("short", newest), User("long", [*newest[::-1], *older])]
    short, long = (scores(result) for result in recommender.recommend(users, 30))
    assert encoder.encoded == 2 * LIMIT
    assert set(short) - set(long) == {review.product_id for review in older}
    assert long == pytest.approx({product: short[product] for product in long}, abs=2e-5)


def test_attention_adds_up_to_one_and_names_the_reviews(toy: Toy) -> None:
    reviews = [
        Review("p1", "first  words\nhere", 5, 1),
        Review("gone", "second", 2, 2, "Gone thing"),
        Review("", "third", 3, 3),
    ]
    why = toy.recommender.recommend([User("a", reviews)])[0].why
    assert sum(reason.attention for reason in why) == pytest.approx(1, abs=1e-5)
    assert [reason.attention for reason in why] == sorted((reason.attention for reason in why), reverse=True)
    assert {(reason.product_id, reason.name, reason.excerpt) for reason in why} == {
        ("p1", "Product p1", "first words here"),
        ("gone", "Gone thing", "second"),
        ("", "", "third"),
    }
    many = toy.recommender.recommend(everybody(toy)[:1])[0].why
    assert len(many) == 3
    assert sum(reason.attention for reason in many) < 1


def test_a_user_of_whom_nothing_is_known(toy: Toy) -> None:
    one, two = toy.recommender.recommend([User("a"), User("b", [])], 4)
    assert one.items == two.items
    assert len(one.items) == 4
    assert one.why == []
    assert one.note == NOTHING_KNOWN


def test_a_review_of_an_unknown_product_counts_through_its_text(toy: Toy) -> None:
    def ask(text: str, name: str = "", product: str = "unknown") -> dict[str, float]:
        user = User("a", [Review(product, text, 5, 1, name)])
        return scores(toy.recommender.recommend([user], 30)[0])

    same = ask("bronze strings", product="another")
    assert ask("bronze strings") == same
    assert len(same) == 30
    assert ask("paper kite") != same
    assert ask("bronze strings", "Harp") != same
    assert len(ask("", "")) == 30


def test_a_product_given_by_its_name_alone(toy: Toy) -> None:
    by_id = toy.recommender.recommend([User("a", [Review("p5", "nice")])], 30)[0]
    by_name = toy.recommender.recommend([User("a", [Review("", "nice", product_name="product P5")])], 30)[0]
    assert by_name == by_id
    assert "p5" not in scores(by_name)


def test_a_name_that_two_products_bear_names_none(toy: Toy) -> None:
    base = replace(toy.recommender.base, names=["Harp", "harp", "", *toy.recommender.base.names[3:]])
    recommender = recommender_of(toy.checkpoint.stored(), base, ToyEncoder())
    assert len(recommender.recommend([User("a", [Review("", "nice", product_name="Harp")])], 30)[0].items) == 30
    assert len(recommender.recommend([User("a", [Review("", "nice")])], 30)[0].items) == 30


def test_a_later_review_of_an_added_product_counts_as_one_of_it(toy: Toy) -> None:
    encoder = ToyEncoder()
    product = Product("NEW", "Harp", "Harp. Forty strings of bronze")
    base = add_products(toy.recommender.base, [product], NumpyGraphEncoder(toy.checkpoint.stored()), encoder)
    recommender = recommender_of(toy.checkpoint.stored(), base, encoder)
    with_it = recommender.recommend([User("a", [Review("NEW", "lovely", 5, 1)])], 31)[0]
    assert "NEW" not in scores(with_it)
    assert with_it.why[0].name == "Harp"
    # The state kept in the base is that of the text: a product unknown to the base, described by it, gives the same.
    described = User("a", [Review("else", "lovely", 5, 1, product.text)])
    without = scores(toy.recommender.recommend([described], 30)[0])
    assert scores(with_it) == pytest.approx(without, abs=2e-5)
    assert "NEW" in scores(recommender.recommend([User("b", [Review("p1", "x")])], 31)[0])


def test_ratings_and_order_are_read(toy: Toy) -> None:
    def ask(*reviews: Review) -> dict[str, float]:
        return scores(toy.recommender.recommend([User("a", reviews)], 5)[0])

    base = ask(Review("p1", "x", 5, 1), Review("p2", "y", 5, 2))
    assert ask(Review("p2", "y", 5, 2), Review("p1", "x", 5, 1)) == base
    assert ask(Review("p1", "x", 1, 1), Review("p2", "y", 5, 2)) != base
    assert ask(Review("p1", "x", None, 1), Review("p2", "y", 5, 2)) != base
    assert ask(Review("p1", "x", 5, 3), Review("p2", "y", 5, 2)) != base
    assert ask(Review("p1", "x", 5, 1), Review("p2", "y", 5, 2 + 86_400 * 300)) != base
    in_order = ask(Review("p1", "x", 5), Review("p2", "y", 5))
    assert in_order == ask(Review("p1", "x", 5, 7), Review("p2", "y", 5, 7))


def test_the_towers_see_only_the_reviews_of_the_batch(toy: Toy) -> None:
    """What a server needs: never the catalogue, and no product twice for the unknown ones."""
    shapes: list[tuple[int, ...]] = []

    class Watched(NumpyGraphEncoder):
        def encode_users(self, products: Floats, histories: HistoryArrays) -> tuple[Floats, Floats]:
            shapes.append(products.shape)
            return super().encode_users(products, histories)

        def encode_cold_items(self, text: Floats) -> tuple[Floats, Floats]:
            shapes.append(text.shape)
            return super().encode_cold_items(text)

    base = toy.recommender.base
    recommender = ReviewRecommender(Watched(toy.checkpoint.stored()), base, toy.recommender.history, ToyEncoder())
    users = [*everybody(toy)[:3], User("a", [Review("unknown", "words"), Review("p1", "words")])]
    check_same(recommender.recommend(users), toy.recommender.recommend(users))
    assert shapes == [(1, TEXT_DIM), (3 * LIMIT + 2, toy.checkpoint.states.history.shape[1])]


def test_the_answer_in_arrays_is_the_same(toy: Toy) -> None:
    everything = [Review(product, "nice", 5, place) for place, product in enumerate(toy.table.products.ids)]
    users = [*everybody(toy)[:2], User("nobody"), User("all", everything)]
    answer, results = toy.recommender.answer(users, 25), toy.recommender.recommend(users, 25)
    assert answer.number.shape == answer.score.shape == answer.stars.shape == (4, 25)
    for row, (user, result) in enumerate(zip(users, results, strict=True)):
        count = len(result.items)
        ids = [toy.table.products.id(int(number)) for number in answer.number[row, :count]]
        assert ids == [item.product_id for item in result.items]
        assert answer.score[row, :count].tolist() == [item.score for item in result.items]
        assert answer.stars[row, :count].tolist() == [item.stars for item in result.items]
        assert (answer.number[row, count:] == NONE).all()
        assert np.isnan(answer.score[row, count:]).all()
        assert np.isnan(answer.stars[row, count:]).all()
        assert answer.note[row] == result.note
        assert len(answer.attention[row]) == len(user.reviews)
        assert (answer.attention[row] > 0).sum() <= LIMIT
        if user.reviews:
            assert answer.attention[row].sum() == pytest.approx(1, abs=1e-5)


def test_attention_stands_at_the_reviews_as_they_were_given(toy: Toy) -> None:
    reviews = [Review(f"p{n}", f"text {n}", 5, n) for n in range(LIMIT + 3)]
    (given,) = toy.recommender.answer([User("a", reviews)]).attention
    assert (given[:3] == 0).all()
    assert (given[3:] > 0).all()
    (turned,) = toy.recommender.answer([User("a", reviews[::-1])]).attention
    np.testing.assert_allclose(turned[::-1], given, atol=1e-6)


def in_torch(toy: Toy, device: torch.device) -> ReviewRecommender:
    graph = TorchGraphEncoder(load_checkpoint(toy.checkpoint.path), device)
    return recommender_of(toy.checkpoint.stored(), toy.recommender.base, ToyEncoder(), graph)


def test_torch_gives_the_same_as_numpy(toy: Toy) -> None:
    users = [*as_new_users(everybody(toy)), User("a", [Review("unknown", "text")]), User("nobody")]
    there = in_torch(toy, torch.device("cpu"))
    for ours, theirs in zip(toy.recommender.recommend(users, 31), there.recommend(users, 31), strict=True):
        assert scores(ours) == pytest.approx(scores(theirs), abs=1e-5)
        assert [reason.excerpt for reason in ours.why] == [reason.excerpt for reason in theirs.why]


@pytest.mark.gpu
def test_cuda_gives_the_same(toy: Toy) -> None:
    users = [*as_new_users(everybody(toy)), User("a", [Review("unknown", "text")]), User("nobody")]
    on_gpu = in_torch(toy, torch.device("cuda"))
    for ours, theirs in zip(on_gpu.recommend(users), toy.recommender.recommend(users), strict=True):
        assert scores(ours) == pytest.approx(scores(theirs), abs=1e-3)


@pytest.mark.parametrize("k", [0, -3])
def test_k_below_one_is_refused(toy: Toy, k: int) -> None:
    with pytest.raises(ConfigError, match=f"k={k}"):
        toy.recommender.recommend([User("a")], k)


def test_known_users_have_their_reviews_texts_and_vectors(toy: Toy) -> None:
    users = known_users(toy.table, np.array([4, 0]), toy.review_text)
    assert [user.user_id for user in users] == ["u4", "u0"]
    texts = toy_texts(toy.table)
    start = int(toy.table.indptr()[4])
    for place, review in enumerate(users[0].reviews):
        assert review.text == texts[start + place]
        assert review.product_id == toy.table.products.id(int(toy.table.product[start + place]))
        assert review.vector is not None
        np.testing.assert_array_equal(review.vector, toy.review_text[start + place])
    silent = known_users(toy.table, np.array([4]), toy.review_text, with_texts=False)[0]
    assert {review.text for review in silent.reviews} == {""}
    with_texts, without = toy.recommender.recommend([users[0], silent])
    assert scores(without) == pytest.approx(scores(with_texts), abs=2e-5)


def test_excerpt() -> None:
    assert excerpt(" a\n b ") == "a b"
    assert excerpt("word " * 100) == ("word " * 23).strip() + "..."
    assert len(excerpt("x" * 500)) == 120
