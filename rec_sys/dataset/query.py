"""What a recommender is asked with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from rec_sys.arrays import Floats, Ints, Vectors
from rec_sys.dataset.histories import Histories


class ReviewFeatures(Protocol):
    """What the review numbers of histories stand for; a `ReviewTable` is one."""

    @property
    def text(self) -> Vectors:
        """(num_reviews, text_dim) vectors of the reviews' texts; (num_reviews, 0) without texts."""

    @property
    def rating(self) -> Floats:
        """(num_reviews,) ratings, nan where unknown."""

    @property
    def timestamp(self) -> Ints:
        """(num_reviews,) seconds since 1970 UTC."""


@dataclass(frozen=True)
class Query:
    """Users described by what they did, oldest first; known and new users alike.

    A recommender reads what it needs: item-item models the products of the histories, the graph model their reviews,
    models with user factors the user numbers, models with a clock the time.
    """

    histories: Histories
    reviews: ReviewFeatures | None = None  # what the review numbers of the histories stand for
    users: Ints | None = None  # (len(histories),) user numbers of the data that was learned from; -1: a new user
    time: Ints | None = None  # (len(histories),) seconds since 1970 UTC: the time of the question

    def __len__(self) -> int:
        return len(self.histories)

    def part(self, start: int, stop: int) -> Query:
        """Users start to stop."""
        return replace(
            self,
            histories=self.histories.part(start, stop),
            users=None if self.users is None else self.users[start:stop],
            time=None if self.time is None else self.time[start:stop],
        )

    def last(self, n: int) -> Query:
        """Each history cut to its newest n entries."""
        return replace(self, histories=self.histories.last(n))
