"""People to the inputs of the model `recommend`, and its outputs to recommendations with their reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.inference.recommend import REASONS, Reason, Recommendation, Recommendations, excerpt
from rec_sys.inference.remote import Served
from rec_sys.inference.users import Review, User, order_in_time
from rec_sys.modules.signature import UNKNOWN_TIME
from triton_utils.client.tensors import Array, texts
from triton_utils.errors import BadInput, ServerError

MAX_K = 2**31 - 1  # it travels as INT32
TIME_LIMIT = 2**63


def inputs_of(people: Sequence[User], k: int) -> dict[str, Array]:
    """The inputs of the model `recommend`.

    Raises:
        BadInput: k, a rating or a time makes no sense; the message says whose.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= MAX_K:
        raise BadInput(f"k={k!r}; expected a whole number of products, 1 or more")
    reviews: list[Review] = []
    rows: list[int] = []
    for row, person in enumerate(people):
        for place, review in enumerate(person.reviews, 1):
            _check(review, f"review {place} of {person.user_id!r}")
        reviews += person.reviews
        rows += [row] * len(person.reviews)
    return {
        "product_id": texts([review.product_id for review in reviews]),
        "text": texts([review.text for review in reviews]),
        "rating": np.array([math.nan if r.rating is None else r.rating for r in reviews], dtype=np.float32),
        "timestamp": np.array([UNKNOWN_TIME if r.timestamp is None else r.timestamp for r in reviews], dtype=np.int64),
        "product_name": texts([review.product_text for review in reviews]),
        "person": np.array(rows, dtype=np.int64),
        "people": texts([person.user_id for person in people]),
        "k": np.array([k], dtype=np.int32),
    }


def _check(review: Review, whose: str) -> None:
    rating, timestamp = review.rating, review.timestamp
    # NaN is a rating that is not known, as None is.
    if rating is not None and not math.isnan(rating) and not MIN_RATING <= rating <= MAX_RATING:
        raise BadInput(f"{whose}: rating {rating}; expected 1 to 5, or None where it is not known")
    if timestamp is not None and not -TIME_LIMIT < timestamp < TIME_LIMIT:
        raise BadInput(f"{whose}: timestamp {timestamp}; expected seconds since 1970, or None where it is not known")


def served(people: Sequence[User], outputs: Mapping[str, Array]) -> Served:
    """Recommendations from the outputs of the model `recommend`.

    Args:
        people: of the call.
        outputs: see the signature.

    Raises:
        ServerError: the answer is for other people or other reviews.
    """
    ids, names, scores, stars = (outputs[name] for name in ("product_id", "name", "score", "stars"))
    attention, notes = outputs["attention"], outputs["note"]
    counts = (len(people), sum(len(person.reviews) for person in people))
    if (len(ids), len(attention)) != counts or not ids.shape == names.shape == scores.shape == stars.shape:
        raise ServerError(
            f"asked for {counts[0]:,} people with {counts[1]:,} reviews; the answer is for {len(ids):,} with "
            f"{len(attention):,}: deploy the model anew"
        )
    answers, start = [], 0
    for row, person in enumerate(people):
        num_items = int(np.count_nonzero(ids[row] != ""))
        columns = (column[row, :num_items].tolist() for column in (ids, names, scores, stars))
        items = [Recommendation(*values) for values in zip(*columns, strict=True)]
        rows = slice(start, start + len(person.reviews))
        why = reasons(person.reviews, attention[rows], outputs["reviewed_id"][rows], outputs["reviewed_name"][rows])
        note = "; ".join(part for part in (person.note, notes[row]) if part)
        answers.append(Recommendations(person.user_id, items, why, note))
        start = rows.stop
    return Served(answers, outputs["model"][0])


def reasons(reviews: Sequence[Review], attention: Array, ids: Array, names: Array) -> list[Reason]:
    """The reviews that carried the recommendations, most attention first; of equal ones, the older first.

    Args:
        reviews: of one person.
        attention: (len(reviews),), 0 for reviews that were not read.
        ids: (len(reviews),) of their products in the catalogue, "" of those it lacks.
        names: likewise.
    """
    read = [place for place, _ in order_in_time(reviews) if attention[place] > 0]
    return [
        Reason(
            product_id=ids[place] or reviews[place].product_id,
            name=names[place] if ids[place] else reviews[place].product_name,
            excerpt=excerpt(reviews[place].text),
            attention=float(attention[place]),
        )
        for place in sorted(read, key=lambda place: -attention[place])[:REASONS]
    ]
