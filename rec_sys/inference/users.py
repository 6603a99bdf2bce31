"""Users and the reviews they wrote: what recommendations are asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.table import ReviewTable


@dataclass(frozen=True)
class Review:
    """One review. Only a product or a text is needed; the more there is, the better."""

    product_id: str = ""
    text: str = ""  # title and body
    rating: float | None = None  # 1 to 5
    timestamp: int | None = None  # seconds since 1970 UTC
    product_name: str = ""
    product_info: str = ""  # a description
    vector: Floats | None = field(default=None, compare=False, repr=False)  # (text_dim,) of the text, where it is known

    @property
    def product_text(self) -> str:
        """What stands for the product where the catalogue lacks it.

        Of a product without an id it is the name alone, by which the catalogue is searched, where it has one.
        """
        if self.product_name and self.product_info and self.product_id:
            return f"{self.product_name.rstrip('.')}. {self.product_info}"  # as the texts of products are put together
        return self.product_name or self.product_info


@dataclass(frozen=True)
class User:
    """Somebody and everything they have reviewed, in any order; nothing is fine too."""

    user_id: str
    reviews: Sequence[Review] = ()
    note: str = field(default="", compare=False)  # what was not understood when the reviews were read; for the answer


def in_time_order(reviews: Sequence[Review]) -> list[tuple[Review, int]]:
    """Reviews with their times, oldest first; see `order_in_time`."""
    return [(reviews[place], time) for place, time in order_in_time(reviews)]


def order_in_time(reviews: Sequence[Review]) -> list[tuple[int, int]]:
    """Places of the reviews and their times, oldest first; those of one time in the order given.

    A review without a time counts as written together with the one given before it; the first ones, with the first
    time there is.
    """
    known = [review.timestamp for review in reviews if review.timestamp is not None]
    time = known[0] if known else 0
    times = []
    for review in reviews:
        time = time if review.timestamp is None else review.timestamp
        times.append(time)
    return sorted(enumerate(times), key=lambda pair: pair[1])


def known_users(table: ReviewTable, users: Ints, review_text: Vectors, with_texts: bool = True) -> list[User]:
    """Users of a review table with all reviews they have there.

    Args:
        table: the reviews.
        users: (n,) user numbers.
        review_text: (num_reviews, text_dim) vectors of all texts of the table.
        with_texts: read the texts too, to show them; the file of reviews is read through for that.
    """
    indptr = table.indptr()
    numbers = [np.arange(indptr[user], indptr[user + 1]) for user in users]
    wanted = np.concatenate([np.empty(0, dtype=np.int64), *numbers])
    texts = dict(zip(wanted.tolist(), table.text_of(wanted), strict=True)) if with_texts else {}
    vectors = dict(zip(wanted.tolist(), np.asarray(review_text[wanted], dtype=np.float32), strict=True))

    def review(number: int) -> Review:
        rating = float(table.rating[number])
        return Review(
            product_id=table.products.id(int(table.product[number])),
            text=texts.get(number, ""),
            rating=None if np.isnan(rating) else rating,
            timestamp=int(table.timestamp[number]),
            vector=vectors[number],
        )

    return [
        User(table.users.id(int(user)), [review(int(number)) for number in mine])
        for user, mine in zip(users, numbers, strict=True)
    ]
