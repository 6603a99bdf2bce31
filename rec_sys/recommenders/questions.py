"""From ids, histories and reviews to the query of a recommender: ids meet numbers here."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.closest import closest
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.query import Query
from rec_sys.dataset.readers.column_aliases import find_columns, is_known, may_name_a_person, usual_names
from rec_sys.dataset.readers.dates import read_date
from rec_sys.dataset.readers.identities import read_id
from rec_sys.dataset.readers.nested import flat
from rec_sys.dataset.readers.ratings import RatingForm, Scale
from rec_sys.dataset.readers.rejects import Reason
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError, UnknownIdError
from rec_sys.frames import is_pandas, records_of
from rec_sys.ids import NEW_USER, IdMap

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """Who asks for recommendations, and with what."""

    ids: list[str]  # of the users, one per row of the query
    query: Query  # with whole histories: all of them are seen, also beyond what the model reads
    as_pandas: bool = False  # the question came as pandas


@dataclass(frozen=True)
class BareReviews:
    """Reviews of which only the products and their order are known."""

    text: Vectors  # (num_reviews, text_dim) zeros
    rating: Floats  # (num_reviews,) nan
    timestamp: Ints  # (num_reviews,) zeros

    @classmethod
    def of(cls, num_reviews: int, text_dim: int) -> BareReviews:
        """So many reviews, for a model that reads vectors of texts of this length."""
        return cls(
            np.zeros((num_reviews, text_dim), dtype=np.float16),
            np.full(num_reviews, np.nan, dtype=np.float32),
            np.zeros(num_reviews, dtype=np.int64),
        )


def question_of_users(
    data: Dataset, table: ReviewTable, users: Sequence[str], products: IdMap, same_data: bool
) -> Question:
    """Known users with all their reviews, at the time of the newest review of the data.

    Args:
        data: where the users are looked up.
        table: its reviews, with what the model reads of them.
        users: their ids.
        products: the catalogue of the model.
        same_data: whether the model was fitted on it; users of other data are new to the model.

    Raises:
        UnknownIdError: a user is unknown; says how many are, and the closest id.
    """
    numbers = user_numbers(data, users)
    indptr = table.indptr()
    lengths = np.diff(indptr)[numbers]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    review = np.arange(starts[-1]) + np.repeat(indptr[numbers] - starts[:-1], lengths)
    histories = Histories(starts, review, table.product[review])
    if table.products.ids != products.ids:
        of_model = products.known_numbers(table.products.ids)
        histories = _of_known_products(histories, of_model[histories.product])
    if not same_data:
        logger.warning("%s is not the data that was fitted on: its users count as new, by their histories", data.name)
        numbers = np.full(len(numbers), -1, dtype=np.int64)
    now = np.full(len(numbers), table.timestamp.max(initial=0), dtype=np.int64)
    return Question(list(users), Query(histories, table, numbers, now), data.as_pandas)


def user_numbers(data: Dataset, users: Sequence[str]) -> Ints:
    """(len(users),) the numbers of known users.

    Raises:
        UnknownIdError: a user is unknown; says how many are, and the closest id.
    """
    known = data.table.users
    unknown = [user for user in users if user not in known]
    if unknown:
        close = closest(unknown[0], known.ids, cutoff=0.8)
        others = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        raise UnknownIdError(
            f"unknown user {unknown[0]!r}{others}: {data.name} holds {len(known):,} users; "
            + (f"did you mean {close!r}? " if close else "")
            + "For a new user give history=[product ids] or reviews=[...]"
        )
    return known.numbers(users)


def question_of_histories(
    products: IdMap,
    histories: Sequence[Sequence[str]],
    text_dim: int,
    ids: Sequence[str] | None = None,
    as_pandas: bool = False,
    ratings: Sequence[float] | None = None,
) -> Question:
    """New users with the products they have, oldest first.

    Args:
        products: the catalogue of the model.
        histories: product ids of each user.
        text_dim: length of the vectors of review texts that the model reads.
        ids: of the users; None: they have none.
        as_pandas: the question came as pandas.
        ratings: 1 to 5 or nan, of the entries of all histories one after the other; None: they have none.
    """
    if any(isinstance(history, str) for history in histories):
        raise DataError("a history is a list of product ids, oldest first; got a single text")
    lengths = [len(history) for history in histories]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    names = [str(name) for history in histories for name in history]
    numbers = products.known_numbers(names)
    whole = Histories(indptr, np.arange(len(names)), numbers)
    known = _of_known_products(whole, numbers, names)
    users = np.full(len(histories), -1, dtype=np.int64)
    reviews = BareReviews.of(len(names), text_dim)
    if ratings is not None:
        reviews = replace(reviews, rating=np.array(ratings, dtype=np.float32))
    query = Query(known, reviews, users)
    return Question(list(ids or [NEW_USER] * len(histories)), query, as_pandas)


def question_of_reviews(products: IdMap, reviews: object, text_dim: int, scale: Scale | None = None) -> Question:
    """New users with the products of their reviews, and with their ratings where the model reads these.

    Args:
        products: the catalogue of the model.
        reviews: a table; other columns are not read.
        text_dim: length of the vectors of review texts that the model reads.
        scale: lowest and best rating; None: ratings are not read.

    Raises:
        DataError: it is no table of reviews, has no column for the product, or a rating makes no sense.
    """
    rows = [flat(row) for row in records_of(reviews)]
    columns = find_columns(list(dict.fromkeys(name for row in rows for name in row)))
    if "user" not in columns:
        _check_one_user(rows, set(columns.values()))
    if rows and "product" not in columns:
        raise DataError(
            f"no column for the product among {', '.join(rows[0])}; expected one such as {usual_names('product')}"
        )
    form = None if scale is None or "rating" not in columns else RatingForm(scale, zero_is_none=scale[0] > 0)
    histories: dict[str, list[_Entry]] = {}
    time = columns.get("timestamp") or columns.get("order")
    for row in rows:
        user = _id_of(row, "user", columns["user"]) if "user" in columns else ""
        product = _id_of(row, "product", columns["product"])
        if not product:
            raise DataError(f"a review names no product: {row}")
        rating = np.nan if form is None else _rating_of(row, columns["rating"], form)
        entry = _Entry(read_date(row.get(time)) if time else None, product, rating)
        histories.setdefault(user or NEW_USER, []).append(entry)
    histories = histories or {NEW_USER: []}
    ordered = [_in_time(entries) for entries in histories.values()]
    return question_of_histories(
        products,
        [[entry.product for entry in entries] for entries in ordered],
        text_dim,
        list(histories),
        is_pandas(reviews),
        [entry.rating for entries in ordered for entry in entries],
    )


class _Entry(NamedTuple):
    """One review of a history."""

    time: int | None
    product: str
    rating: float  # 1 to 5; nan where there is none


def _rating_of(row: Mapping[str, Any], column: str, form: RatingForm) -> float:
    """1 to 5; nan where there is none.

    Raises:
        DataError: it is no rating of the scale.
    """
    value = row.get(column)
    if value is None or value == "":
        return np.nan
    rating = form.read(value)
    if rating is None:
        low, high = form.scale
        raise DataError(
            f"{column} of a review is {value!r}; expected a number from {low:g} to {high:g}, as in the data that was "
            f"learned from, or leave it out"
        )
    return rating


def _id_of(row: Mapping[str, Any], what: str, column: str) -> str:
    """The id in a column, "" where there is none.

    Raises:
        DataError: it has lost letters or digits.
    """
    found = read_id(row.get(column))
    if isinstance(found, Reason):
        raise DataError(f"the {what} {row[column]!r} of a review is an {found}; expected the id as a text, all of it")
    return found


def _in_time(entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """The reviews of one user, oldest first; as they came where not every one has a time."""
    untimed = sum(entry.time is None for entry in entries)
    if 0 < untimed < len(entries):
        logger.warning(
            "%d of %d reviews of a user have no time that can be read: their order is kept", untimed, len(entries)
        )
    if untimed:
        return entries
    return sorted(entries, key=lambda entry: entry.time or 0)


def _check_one_user(rows: Sequence[Mapping[str, Any]], read: Collection[str]) -> None:
    """Refuse reviews without a known column for the user that another column may tell apart.

    Raises:
        DataError: there is such a column, with several values.
    """
    unread = {name for row in rows for name in row if name not in read and not is_known(name)}
    for name in sorted(filter(may_name_a_person, unread)):
        values = {str(row[name]) for row in rows if row.get(name) not in (None, "")}
        if len(values) > 1:
            raise DataError(
                f"the reviews have no column for the user, and {name!r} holds {len(values):,} values; a user is read "
                f"from {usual_names('user')} and the like: rename the column if it is the user, else leave it out"
            )


def single_histories(products: Ints) -> Histories:
    """One history per product, of that product alone."""
    return Histories(np.arange(len(products) + 1), np.arange(len(products)), products)


def warn_of_unknown(count: int, total: int, example: str = "") -> None:
    """Say how many entries of histories a model can make nothing of, if any."""
    if count:
        such = f", such as {example!r}" if example else ""
        logger.warning("%d of %d products of the histories are unknown to the model%s", count, total, such)


def _of_known_products(histories: Histories, numbers: Ints, names: Sequence[str] | None = None) -> Histories:
    """The histories with these product numbers; entries of -1 are left out, counted and said."""
    keep = numbers >= 0
    left_out = np.flatnonzero(~keep)
    warn_of_unknown(len(left_out), len(numbers), names[left_out[0]] if names and len(left_out) else "")
    kept = np.bincount(histories.row[keep], minlength=len(histories))
    indptr = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return Histories(indptr, histories.review[keep], numbers[keep])
