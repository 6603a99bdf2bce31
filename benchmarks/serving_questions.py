"""What a server is asked under load: people with ten reviews each, made from real ones. No torch in here."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from rec_sys.files import write_json
from rec_sys.inference.users import Review, User

TEN = 10  # reviews of one person
K = 10  # products asked for
AGAIN = 64  # people who are asked about again and again, for texts that were seen before
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")

Arrays = dict[str, npt.NDArray[Any]]


class Questions:
    """An endless row of people.

    Args:
        people: each with ten real reviews.
        seed: the same people again, or others.
    """

    def __init__(self, users: Sequence[User], seed: Sequence[int] = (0,)) -> None:
        self.users = users
        self.again = users[:AGAIN]
        self.generator = np.random.default_rng(seed)
        texts = [review.text for user in users for review in user.reviews]
        self.lengths = [len(text.split()) for text in texts]
        self.sentences = [part.split() for text in texts for part in SENTENCE_END.split(text) if part]
        self.given = set(texts)

    @classmethod
    def load(cls, path: Path, seed: Sequence[int]) -> Questions:
        """About the people of a file that `save_people` wrote."""
        return cls(load_users(path), seed)

    def next(self, new: bool) -> User:
        """Somebody: with texts that were never given before, or one of the few who are asked about again."""
        if not new:
            return self.again[int(self.generator.integers(len(self.again)))]
        user = self.users[int(self.generator.integers(len(self.users)))]
        return User(user.user_id, [replace(review, text=self.text()) for review in user.reviews])

    def text(self) -> str:
        """Sentences of several real reviews, as many words as one real review has."""
        length = self.lengths[int(self.generator.integers(len(self.lengths)))]
        while True:
            words: list[str] = []
            while len(words) < length:
                words += self.sentences[int(self.generator.integers(len(self.sentences)))]
            text = " ".join(words[:length])
            if text not in self.given:
                self.given.add(text)
                return text
            length += 1  # so short that it was there already


def users_of(reviews_of: Mapping[str, Sequence[Review]]) -> list[User]:
    """Ten reviews with texts of everybody who has as many; where nobody has, of several people together.

    Args:
        reviews_of: reviews of each person, oldest first.
    """
    described = {
        user_id: [_told(review) for review in reviews if review.text.strip()] for user_id, reviews in reviews_of.items()
    }
    if users := [User(user_id, reviews[-TEN:]) for user_id, reviews in described.items() if len(reviews) >= TEN]:
        return users
    everything = [review for reviews in described.values() for review in reviews]
    return [
        User(f"person {number}", everything[start : start + TEN])
        for number, start in enumerate(range(0, len(everything) - TEN + 1, TEN))
    ]


def _told(review: Review) -> Review:
    """As it is sent: the text alone, on one line."""
    return replace(review, text=" ".join(review.text.split()), vector=None)


def save_users(users: Sequence[User], path: Path) -> None:
    """Write people for `Questions.load`."""
    rows = [
        {
            "user_id": user.user_id,
            "reviews": [{k: v for k, v in asdict(review).items() if k != "vector"} for review in user.reviews],
        }
        for user in users
    ]
    write_json(path, rows)


@functools.cache
def load_users(path: Path) -> list[User]:
    """Read what `save_people` wrote."""
    rows = orjson.loads(path.read_bytes())
    return [User(row["user_id"], [Review(**its) for its in row["reviews"]]) for row in rows]


def save_arrays(calls: Sequence[Arrays], path: Path) -> None:
    """Write the inputs of several calls of `graph_model`."""
    arrays: dict[str, Any] = {
        f"{number}/{name}": its for number, call in enumerate(calls) for name, its in call.items()
    }
    np.savez(path, **arrays)


def load_arrays(path: Path) -> list[Arrays]:
    """Read what `save_arrays` wrote."""
    calls: dict[str, Arrays] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            number, _, name = key.partition("/")
            calls.setdefault(number, {})[name] = file[key]
    return list(calls.values())
