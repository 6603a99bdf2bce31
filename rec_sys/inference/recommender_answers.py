"""Recommendations by any recommender but the graph model, in the form in which `infer` shows and writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rec_sys.errors import ConfigError, UnknownIdError
from rec_sys.frames import records_of
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.recommend import Recommendation, Recommendations
from rec_sys.inference.users import User, in_time_order
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.base import Recommender
from rec_sys.recommenders.questions import Question

EVERYBODY = "everybody"  # whom a list that is the same for all users is for


def answers_for_known(
    model: Recommender,
    users: Sequence[str],
    k: int,
    exclude_seen: bool = True,
    batch_size: int = 256,
    progress: ProgressCallback | None = None,
) -> Iterator[list[Recommendations]]:
    """Recommendations for users of the data that the model was fitted on, batch by batch.

    Args:
        model: fitted or loaded.
        users: their ids.
        k: products per user.
        exclude_seen: leave out what a user has.
        batch_size: users scored at once.
        progress: told how many users are done.

    Raises:
        UnknownIdError: a user is unknown.
        DataError: the data of the training cannot be had.
    """
    stage = Stage("recommend", len(users), "users", progress)
    for start in range(0, len(users), batch_size):
        batch = users[start : start + batch_size]
        yield _answers(model, model.question(users=batch), k, exclude_seen)
        stage.advance(len(batch))


def answers_for_new(
    model: Recommender, users: Sequence[User], k: int, exclude_seen: bool = True
) -> list[Recommendations]:
    """Recommendations for new users, described by their reviews; texts are read by models that read them."""
    rows = [
        {
            "user_id": user.user_id,
            "product_id": review.product_id,
            "text": review.text,
            "rating": review.rating,
            "timestamp": time or None,
        }
        for user in users
        for review, time in in_time_order(user.reviews)
        if review.product_id
    ]
    answered = {}
    if rows:
        answered = {each.user_id: each for each in _answers(model, model.question(reviews=rows), k, exclude_seen)}
    found = []
    for user in users:
        answer = answered.get(user.user_id)
        if answer is None:  # no review of theirs names a product
            answer = _answers(model, model.question(history=[]), k, exclude_seen)[0]
        unread = sum(not review.product_id for review in user.reviews)
        said = f"{unread} of {len(user.reviews)} reviews name no product and were not read" if unread else ""
        note = "; ".join(part for part in (user.note, said, answer.note) if part)
        found.append(Recommendations(user.user_id, answer.items, answer.why, note))
    return found


def answer_to_history(
    model: Recommender, history: Sequence[str], k: int, exclude_seen: bool = True
) -> list[Recommendations]:
    """Recommendations for a new user who has these products, oldest first.

    Raises:
        UnknownIdError: the model knows none of them.
    """
    products = model.fitted_products
    unknown = [each for each in history if each not in products]
    if history and len(unknown) == len(history):
        raise UnknownIdError(
            f"history: none of {len(history)} products is known to the model, such as {unknown[0]!r}; it knows "
            f"{len(products):,} products"
        )
    found = _answers(model, model.question(history=history), k, exclude_seen)
    if not unknown:
        return found
    said = f"{len(unknown)} of {len(history)} products are unknown to the model and were left out: {unknown[0]!r}"
    return [
        Recommendations(each.user_id, each.items, each.why, "; ".join(p for p in (said, each.note) if p))
        for each in found
    ]


def answer_for_everybody(model: Recommender, k: int) -> list[Recommendations]:
    """The list of a model that gives everybody the same."""
    (answer,) = _answers(model, model.question(history=[]), k, exclude_seen=False)
    return [Recommendations(EVERYBODY, answer.items, answer.why, answer.note)]


def _answers(model: Recommender, question: Question, k: int, exclude_seen: bool) -> list[Recommendations]:
    """One answer per user of the question, in its order."""
    if k < 1:
        raise ConfigError(f"k={k}: at least one product must be asked for; give k=1 or more")
    rows = records_of(model.answer(question, k, exclude_seen))
    items: dict[str, list[Recommendation]] = {user: [] for user in question.ids}
    stars = _stars(model, question, [row["user_id"] for row in rows], [row["product_id"] for row in rows])
    for row, rating in zip(rows, stars, strict=True):
        items[row["user_id"]].append(Recommendation(row["product_id"], row["name"], float(row["score"]), rating))
    notes = model.answered_by(question.query.last(model.max_history)) or [""] * len(question.ids)
    everything = "has everything in the catalogue"
    return [
        Recommendations(user, items[user], [], note if items[user] else "; ".join(p for p in (everything, note) if p))
        for user, note in zip(question.ids, notes, strict=True)
    ]


def _stars(model: Recommender, question: Question, users: Sequence[str], products: Sequence[str]) -> list[float]:
    """Predicted ratings on the scale of the data; nan of a model that predicts none."""
    if not model.predicts_ratings or not products:
        return [float("nan")] * len(products)
    number = {user: place for place, user in enumerate(question.ids)}
    known = np.full(len(question.ids), -1) if question.query.users is None else question.query.users
    of_user = np.array([known[number[user]] for user in users], dtype=np.int64)
    predicted = model.predict_ratings(of_user, model.fitted_products.known_numbers(list(products)))
    shown: list[float] = DataForm.of_model(model.info).shown(predicted).tolist()
    return shown
