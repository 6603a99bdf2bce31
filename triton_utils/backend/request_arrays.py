"""Arrays of a call to people and their reviews, checked; and answers back to arrays. Nothing of Triton in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.errors import DataError
from rec_sys.inference.recommend import Answer
from rec_sys.inference.users import Review, User
from rec_sys.modules.signature import UNKNOWN_TIME, recommend
from rec_sys.vector_database.index import NONE
from triton_utils.backend.settings import RecommendSettings

Arrays = Mapping[str, npt.NDArray[Any]]
LATEST = 2**53  # seconds; far beyond any date, and differences of two such times are still exact


def users_of(arrays: Arrays, limits: RecommendSettings) -> tuple[list[User], list[Ints], int]:
    """The people of a call of `recommend`.

    Args:
        arrays: inputs by name, as `rec_sys.modules.signature.recommend` lists them.
        limits: what is refused.

    Returns:
        The people, for each the rows of their reviews in `arrays`, and k.

    Raises:
        DataError: names the input and the row that make no sense.
    """
    if wrong := recommend().mismatch(arrays):
        raise DataError(wrong)
    num_users, num_reviews, k = len(arrays["people"]), len(arrays["person"]), int(arrays["k"][0])
    if k < 1:
        raise DataError(f"k={k}: at least one product must be asked for; give k=1 or more")
    _at_most("people", num_users, limits.max_people)
    _at_most("reviews", num_reviews, limits.max_reviews)
    _at_most("people times k", num_users * k, limits.max_answers)
    user: Ints = arrays["person"]
    if wrong_rows := np.flatnonzero((user < 0) | (user >= num_users)).tolist():
        row = wrong_rows[0]
        raise DataError(f"person[{row}]={user[row]}: expected a row of people, 0 to {num_users - 1}")
    rating: Floats = arrays["rating"]
    fits = np.isnan(rating) | ((rating >= MIN_RATING) & (rating <= MAX_RATING))
    if not fits.all():
        row = int(np.flatnonzero(~fits)[0])
        raise DataError(
            f"rating[{row}]={rating[row]:g}: expected {MIN_RATING:g} to {MAX_RATING:g}, or nan where it is unknown"
        )
    time: Ints = arrays["timestamp"]
    if wrong_rows := np.flatnonzero((np.abs(time) > LATEST) & (time != UNKNOWN_TIME)).tolist():
        row = wrong_rows[0]
        raise DataError(f"timestamp[{row}]={time[row]}: expected seconds since 1970, or {UNKNOWN_TIME} for unknown")
    texts = {name: _texts(name, arrays[name], limits.max_text) for name in ("product_id", "text", "product_name")}
    order = np.argsort(user, kind="stable")
    rows = np.split(order, np.searchsorted(user[order], np.arange(1, num_users))) if num_users else []
    users = [
        User(user_id, [_review(row, texts, rating, time) for row in review_rows.tolist()])
        for user_id, review_rows in zip(_texts("people", arrays["people"], limits.max_text), rows, strict=True)
    ]
    return users, rows, k


def arrays_of(
    answer: Answer, rows: Sequence[Ints], ids: Sequence[str], names: Sequence[str], fingerprint: str
) -> dict[str, npt.NDArray[Any]]:
    """Outputs of `recommend` by name.

    Args:
        answer: for all people of the call.
        rows: of each person's reviews in the call.
        ids: of all products.
        names: of all products.
        fingerprint: of the checkpoint.
    """
    attention = np.zeros(sum(map(len, rows)), dtype=np.float32)
    reviewed = np.full(len(attention), NONE, dtype=np.int64)
    for review_rows, weights, numbers in zip(rows, answer.attention, answer.reviewed, strict=True):
        attention[review_rows], reviewed[review_rows] = weights, numbers
    return {
        "product_id": _looked_up(ids, answer.number),
        "name": _looked_up(names, answer.number),
        "score": np.nan_to_num(answer.score).astype(np.float32),  # nan is no JSON, which Triton's HTTP answers in
        "stars": np.nan_to_num(answer.stars).astype(np.float32),
        "attention": attention,
        "reviewed_id": _looked_up(ids, reviewed),
        "reviewed_name": _looked_up(names, reviewed),
        "note": _encoded(answer.note),
        "model": _encoded([fingerprint]),
    }


def _review(row: int, texts: Mapping[str, list[str]], rating: Floats, timestamp: Ints) -> Review:
    stars, time = float(rating[row]), int(timestamp[row])
    return Review(
        product_id=texts["product_id"][row],
        text=texts["text"][row],
        rating=None if np.isnan(stars) else stars,
        timestamp=None if time == UNKNOWN_TIME else time,
        product_name=texts["product_name"][row],
    )


def _texts(name: str, values: npt.NDArray[Any], longest: int) -> list[str]:
    texts = []
    for row, value in enumerate(values.tolist()):
        try:
            text = value.decode() if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError as error:
            raise DataError(f"{name}[{row}] is not UTF-8 ({error.reason} at byte {error.start:,})") from None
        if len(text) > longest:
            raise DataError(f"{name}[{row}] has {len(text):,} characters; expected at most {longest:,}")
        texts.append(text)
    return texts


def _at_most(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise DataError(f"{count:,} {what} in one call; expected at most {limit:,}: ask in parts")


def _encoded(texts: Sequence[str]) -> npt.NDArray[np.object_]:
    return np.array([text.encode() for text in texts], dtype=np.object_)


def _looked_up(texts: Sequence[str], numbers: Ints) -> npt.NDArray[np.object_]:
    """The text of each number, b"" for NONE; in the shape of `numbers`."""
    flat = [b"" if number == NONE else texts[number].encode() for number in numbers.ravel().tolist()]
    return np.array(flat, dtype=np.object_).reshape(numbers.shape)
