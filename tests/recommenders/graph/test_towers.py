from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rec_sys.arrays import Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import histories_around, histories_before
from rec_sys.recommenders.graph.history_batch import HistoryBatch, make_history_batch
from rec_sys.recommenders.graph.network import GraphNetwork, predicted_ratings
from rec_sys.recommenders.graph.product_tower import GraphSums
from tests.support.embedded_toy import TEXT_DIM, Toy, toy

CONVOLUTIONS = ("transformer", "gat")


def batch_of(data: Toy, targets: Ints) -> HistoryBatch:
    histories = histories_before(data.table, targets, limit=20)
    return make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)


@pytest.mark.parametrize("users", [[0], [3, 4, 17], list(range(30))])
def test_a_graph_without_users_is_the_graph_that_never_had_them(users: list[int]) -> None:
    data = toy()
    full = data.sums()
    others = data.split.train[~np.isin(data.table.user[data.split.train], users)]
    never = GraphSums(data.graph(others))
    left_out = torch.tensor(users)
    torch.testing.assert_close(full.without(left_out), never.sums, atol=1e-5, rtol=1e-5)
    model = data.model(hops=2)
    with_users_out, built_without = model.product_tower(full, left_out), model.product_tower(never)
    torch.testing.assert_close(with_users_out.target, built_without.target, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(with_users_out.history, built_without.history, atol=1e-5, rtol=1e-4)


def test_two_hops_is_the_dense_formula() -> None:
    data = toy(num_users=8, num_products=6, likes=2)
    sums = data.sums()
    adjacency = np.zeros((8, 6))
    np.add.at(adjacency, (data.table.user[data.split.train], data.table.product[data.split.train]), 1)
    count = adjacency.sum(axis=0)
    scale = np.diag(1 / np.sqrt(np.maximum(count, 1)))
    users = np.diag(1 / np.maximum(adjacency.sum(axis=1), 1))
    x = np.random.default_rng(1).normal(size=(6, 5))
    expected = scale @ adjacency.T @ users @ adjacency @ scale @ x
    given = torch.from_numpy(x).float()
    result = sums.two_hops(given, torch.from_numpy(count[:, None]).float(), None)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)


def test_two_hops_gradient() -> None:
    data = toy(num_users=8, num_products=6, likes=2)
    sums, users = data.sums(), torch.tensor([1, 2])
    x = torch.randn(6, 3, requires_grad=True)
    count = torch.ones(6, 1)
    weight = torch.randn(6, 3)
    torch.autograd.backward((sums.two_hops(x, count, users) * weight).sum())
    # The map is linear: its matrix comes out of unit vectors, its gradient is the transpose.
    columns = [sums.two_hops(torch.eye(6)[:, [j]], count, users)[:, 0] for j in range(6)]
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.stack(columns) @ weight, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("conv", CONVOLUTIONS)
@pytest.mark.parametrize("layers", [1, 2])
def test_a_batch_equals_its_histories_alone(conv: str, layers: int) -> None:
    data = toy()
    model = data.model(conv=conv, layers=layers)
    products = model.product_tower(data.sums()).history
    together = model.user_tower(products, batch_of(data, data.split.test))
    for place in (0, 7, 31):
        alone = model.user_tower(products, batch_of(data, data.split.test[[place]]))
        torch.testing.assert_close(alone.vector[0], together.vector[place], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_order_of_edges_does_not_matter(conv: str) -> None:
    data = toy()
    model = data.model(conv=conv)
    products = model.product_tower(data.sums()).history
    batch = batch_of(data, data.split.test[:9])
    order = torch.randperm(len(batch.edge_user))
    edges = {name: getattr(batch, name)[order] for name in ("edge_review", "edge_user", "age", "days")}
    plain, shuffled = model.user_tower(products, batch), model.user_tower(products, replace(batch, **edges))
    torch.testing.assert_close(plain.vector, shuffled.vector, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain.attention[order], shuffled.attention, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_attention_adds_up_to_one_and_vectors_are_units(conv: str) -> None:
    data = toy()
    model = data.model(conv=conv, layers=2)
    states = model.product_tower(data.sums())
    batch = batch_of(data, data.split.test)
    users = model.user_tower(states.history, batch)
    total = torch.zeros(batch.num_users).index_add_(0, batch.edge_user, users.attention)
    torch.testing.assert_close(total, torch.ones(batch.num_users))
    for vectors in (users.vector, states.target):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    assert predicted_ratings(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0.0, 2.5, 5.0]


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_users_without_reviews_have_the_same_finite_vector(conv: str) -> None:
    data = toy()
    model = data.model(conv=conv)
    products = model.product_tower(data.sums()).history
    nothing = np.zeros(0, dtype=np.int64)
    empty = make_history_batch(
        Histories(np.array([0, 0, 0]), nothing, nothing), data.review_text, data.table.rating, data.table.timestamp
    )
    vectors = model.user_tower(products, empty).vector
    assert vectors.shape == (2, 17)
    assert torch.isfinite(vectors).all()
    torch.testing.assert_close(vectors[0], vectors[1])


def _changed(data: Toy, review: int, how: str) -> Toy:
    text, rating = data.review_text.copy(), data.table.rating.copy()
    if how == "text":
        text[review] = np.roll(text[review], 3) + 1
    elif how == "rating":
        rating[review] = 1 if rating[review] > 3 else 5
    return replace(data, table=replace(data.table, rating=rating), review_text=text)


@pytest.mark.parametrize("how", ["text", "rating", "existence"])
@pytest.mark.parametrize(("context", "place"), [("before", -1), ("around", 0), ("around", 4), ("around", -1)])
def test_the_predicted_review_is_not_in_its_own_input(context: str, place: int, how: str) -> None:
    """In training, where the review is part of the training graph: the whole input of its own prediction is the same
    when its text or rating is another one, and when it is not there at all."""
    data = toy()
    model = data.model(hops=2)
    torch.nn.init.normal_(model.product_tower.item_bias[2].weight)  # type: ignore[arg-type]
    own = data.split.train[data.table.user[data.split.train] == 5]
    review = int(own[place])  # the user's first, a middle or the last training review
    left_out = torch.tensor([5])
    others = own[own != review]

    def prediction(data: Toy, train: Ints) -> tuple[torch.Tensor, ...]:
        if context == "before":
            histories = histories_before(data.table, np.array([review]), among=train, limit=20)
        elif review in train:
            histories = histories_around(data.table, np.array([review]), train, limit=20)
        else:  # where it is not there, it cannot be asked for: its neighbours in the order of their distance
            distance = np.abs(np.searchsorted(own, others) - np.searchsorted(own, review))
            nearest_last = others[np.lexsort((others, distance))[::-1]]
            histories = Histories(np.array([0, len(others)]), nearest_last, data.table.product[nearest_last])
        batch = make_history_batch(histories, data.review_text, data.table.rating, data.table.timestamp)
        sums = GraphSums(data.graph(train))
        users, products = model(sums, batch, left_out)
        return users.vector, products.target, products.item_bias

    before = prediction(data, data.split.train)
    train = data.split.train[data.split.train != review] if how == "existence" else data.split.train
    after = prediction(_changed(data, review, how), train)
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(old, new, atol=1e-5, rtol=1e-5)
    # The same change does reach the product vectors when the user is not left out: the test can fail.
    leaky = model.product_tower(GraphSums(data.graph(data.split.train))).target
    changed = model.product_tower(GraphSums(_changed(data, review, how).graph(train))).target
    assert (leaky - changed).abs().max() > 1e-4


@pytest.mark.parametrize("how", ["text", "rating"])
@pytest.mark.parametrize("part", ["valid", "test"])
def test_held_out_reviews_are_not_in_their_own_input(part: str, how: str) -> None:
    data = toy()
    model = data.model()
    held_out = getattr(data.split, part)[:10]
    changed = data
    for review in held_out:
        changed = _changed(changed, int(review), how)
    for old, new in zip(
        model(data.sums(), batch_of(data, held_out)), model(changed.sums(), batch_of(changed, held_out)), strict=True
    ):
        torch.testing.assert_close(vars(old), vars(new))


def test_a_cold_item_is_its_text() -> None:
    data = toy()
    model = data.model(min_reviews=1)
    tower = model.product_tower
    text = torch.from_numpy(data.product_text)
    nobody = GraphSums(data.graph(data.split.train[:0]))
    of_text = tower.of_text(text)
    torch.testing.assert_close(tower(nobody).target, of_text.target)  # no reviews at all: text is all there is
    assert (tower(data.sums()).target - of_text.target).abs().max() > 1e-3


def test_without_texts_a_product_that_nobody_reviewed_still_has_a_direction() -> None:
    """A zero vector has none, and the gradient through its length is without bounds."""
    data = toy()
    silent = replace(data, review_text=data.review_text[:, :0], product_text=data.product_text[:, :0])
    model = GraphNetwork(data.model().settings, 40, text_dim=0).train()  # treats some products as new
    targets = silent.split.train[silent.table.user[silent.split.train] < 5]
    histories = histories_around(silent.table, targets, silent.split.train, limit=20)
    batch = make_history_batch(histories, silent.review_text, silent.table.rating, silent.table.timestamp)
    users, products = model(silent.sums(), batch, torch.arange(5))
    torch.testing.assert_close(products.target.norm(dim=1), torch.ones(40))
    loss = torch.nn.functional.cross_entropy(
        users.vector @ products.target.T / 0.07, torch.from_numpy(silent.table.product[targets])
    )
    torch.autograd.backward(loss)
    assert model.product_tower.target.bias.grad is not None
    assert model.product_tower.target.bias.grad.abs().max() < 100
    nobody = model.eval().product_tower.of_text(torch.zeros(3, 0))
    torch.testing.assert_close(nobody.target.norm(dim=1), torch.ones(3))


def test_learned_vectors_count_only_with_enough_reviews() -> None:
    data = toy()
    sums = data.sums()
    enough = int(sums.sums[:, -1].median())
    model = data.model(min_reviews=enough, hops=0)
    before = model.product_tower(sums).target
    with torch.no_grad():
        model.product_tower.learned.weight.add_(1.0)
    moved = (model.product_tower(sums).target - before).abs().amax(dim=1) > 1e-6
    assert torch.equal(moved, sums.sums[:, -1] >= enough)
    assert moved.any()
    assert not moved.all()


def test_products_without_metadata_take_the_texts_of_their_reviews() -> None:
    data = toy(with_product_text=False)
    model = data.model(hops=0, min_reviews=1000)
    states = model.product_tower(data.sums())
    assert states.target.unique(dim=0).shape[0] == data.table.num_products


def test_settings_reach_the_network() -> None:
    data = toy()
    model = GraphNetwork(data.model(layers=3, hops=2, max_history=7).settings, 40, TEXT_DIM)
    assert len(model.user_tower.convs) == 3
    assert model.product_tower.hop_weight.shape == (2,)
    assert model.user_tower.age.num_embeddings == 7


def test_the_rating_bias_moves_predicted_ratings_and_leaves_the_order() -> None:
    data = toy()
    model = data.model(rating_bias=0.99)
    states = model.product_tower(data.sums())
    batch = batch_of(data, data.split.test)
    before = model.user_tower(states.history, batch)
    torch.testing.assert_close(states.preference.norm(dim=1), torch.ones(len(states.preference)), atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        model.user_tower.surplus.bias.sub_(2.0)
    after = model.user_tower(states.history, batch)
    scores, moved = before.vector @ states.target.T, after.vector @ states.target.T
    assert (predicted_ratings(scores) - predicted_ratings(moved)).min() > 0.3
    torch.testing.assert_close(before.preference @ states.preference.T, after.preference @ states.preference.T)
    places = [
        torch.argsort(torch.argsort(-each.double(), dim=1), dim=1).double()
        for each in (before.preference @ states.preference.T, moved)
    ]
    assert (places[0] - places[1]).abs().mean() < 0.05  # the same but for rounding


def test_without_rating_bias_the_score_is_the_preference_alone() -> None:
    data = toy()
    model = data.model(rating_bias=0.0)
    states = model.product_tower(data.sums())
    users = model.user_tower(states.history, batch_of(data, data.split.test))
    assert not states.target[:, 0].any()
    assert not users.vector[:, 0].any()
    torch.testing.assert_close(users.vector @ states.target.T, users.preference @ states.preference.T)
