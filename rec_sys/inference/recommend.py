"""The one path from reviews to recommendations: commands, Python, Triton and HTTP all take it; no torch in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.histories import Histories
from rec_sys.errors import ConfigError
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.encoders import GraphEncoder
from rec_sys.inference.users import Review, User, order_in_time
from rec_sys.recommenders.graph.history_arrays import HistoryArrays, history_arrays
from rec_sys.recommenders.graph.vector_layout import CONTENT, ITEM_BIAS, RATING_BIAS
from rec_sys.text.text_encoder import TextEncoder, embed
from rec_sys.vector_database.index import NONE, VectorBase

REASONS = 3  # reviews shown as the reason, at most
NO_PREFERENCE = 1e-4  # a shorter vector is that of somebody of whom nothing is known
EXCERPT = 120  # characters of a review shown
HAS_ALL = "has reviewed everything in the catalogue"
UNREAD = "the texts were not read: this model learned without any"
UNREAD_REVIEWS = "texts of reviews were not read: this model learned without them"
NOTHING_KNOWN = "no reviews: this is what the model recommends to somebody of whom nothing is known"


@dataclass(frozen=True)
class Recommendation:
    """One product."""

    product_id: str
    name: str  # empty where none is known
    score: float  # how near the product is to the user's preference: cosine, -1 to 1; falls from rank to rank
    stars: float  # predicted rating on the scale of the data; much of it is the user's rating bias


@dataclass(frozen=True)
class Reason:
    """One review on which the recommendations rest."""

    product_id: str
    name: str
    excerpt: str  # of the review; empty where its text is not at hand
    attention: float  # 0 to 1, part of the attention over all reviews that were read


@dataclass(frozen=True)
class Recommendations:
    """What one user is recommended, and why."""

    user_id: str
    items: list[Recommendation]  # best first
    why: list[Reason]  # most attention first, at most REASONS
    note: str = ""  # what the user should know about the list


@dataclass(frozen=True)
class Answer:
    """The same for a whole batch, as arrays; width is the smaller of k and the catalogue."""

    number: Ints  # (num_users, width) product numbers, best first; NONE where there is no product left
    score: Floats  # (num_users, width); nan where there is no product
    stars: Floats  # (num_users, width); nan where there is no product
    attention: list[Floats]  # one per user, (len(user.reviews),) in the order given; 0 for a review not read
    reviewed: list[Ints]  # one per user, (len(user.reviews),) number of each review's product; NONE: not in the base
    note: list[str]  # one per user


@dataclass(frozen=True)
class _Read:
    """Reviews of a batch, user by user, each user's newest ones, oldest first."""

    places: list[list[int]]  # one per user: where these reviews stand among all reviews of the user
    histories: HistoryArrays  # its products are rows of `products`
    products: Floats  # (num_reviews, history_dim) history state of each review's product


class ReviewRecommender:
    """Recommends from reviews alone, to known and unknown users alike; several threads may ask at once.

    Args:
        graph: the trained model.
        base: its vector base.
        history: (len(base) + 1, history_dim) what the model reads of each product of the base; the last row is that of
            a product of which nothing is known.
        encoder: the model's text encoder.
        form: of the data that the model was trained on; ratings are shown on its scale.
    """

    def __init__(
        self,
        graph: GraphEncoder,
        base: VectorBase,
        history: Floats,
        encoder: TextEncoder,
        form: DataForm | None = None,
    ) -> None:
        if len(history) != len(base) + 1:
            raise ValueError(f"{len(history):,} history states for {len(base):,} products; one more is expected")
        self.graph, self.base, self.history, self.encoder = graph, base, history, encoder
        self.form = form or DataForm()

    def recommend(self, users: Sequence[User], k: int = 10) -> list[Recommendations]:
        """The k best products for each user, seen items filtered.

        Only the newest `max_history` reviews are read; all of them count for what is left out. A review of a product
        that the catalogue lacks counts through its texts.

        Args:
            users: one batch; who else is in it changes nothing.
            k: products per user; where there are fewer, all of them are given, and a note says so.

        Raises:
            ConfigError: k is less than 1.
        """
        answer = self.answer(users, k)
        ids, names = self.base.products.ids, self.base.names
        results = []
        for row, user in enumerate(users):
            found = answer.number[row] != NONE
            columns = (answer.number[row, found], answer.score[row, found], answer.stars[row, found])
            items = [
                Recommendation(ids[number], names[number], score, stars)
                for number, score, stars in zip(*(column.tolist() for column in columns), strict=True)
            ]
            why = self._why(user.reviews, answer.attention[row])
            results.append(Recommendations(user.user_id, items, why, answer.note[row]))
        return results

    def answer(self, users: Sequence[User], k: int = 10) -> Answer:
        """The same in arrays, with the attention of every review; what a server sends.

        Raises:
            ConfigError: k is less than 1.
        """
        if k < 1:
            raise ConfigError(f"k={k}: at least one product must be asked for; give k=1 or more")
        read = self._read(users)
        with_codes, weights = self.graph.encode_users(read.products, read.histories)
        vectors = self.base.without_codes(with_codes)
        numbers, inner = self.base.search(vectors, k, [self._owned(user) for user in users])
        found = numbers != NONE
        ratings = predicted_ratings(inner, self.history[numbers.clip(min=0), ITEM_BIAS])
        stars = self.form.shown(np.clip(ratings, 0, 5))
        score = np.full_like(inner, np.nan)
        attention, reviewed, note, start = [], [], [], 0
        for row, user in enumerate(users):
            best = found[row]
            score[row, best] = preference_cosine(inner[row, best], vectors[row], self.base.vectors(numbers[row, best]))
            places = read.places[row]
            mine = np.zeros(len(user.reviews), dtype=np.float32)
            mine[places] = weights[start : start + len(places)]
            attention.append(mine)
            numbers_of = [self._number(review) for review in user.reviews]
            reviewed.append(np.array([NONE if n is None else n for n in numbers_of], dtype=np.int64))
            note.append(self._note(user, int(best.sum()), k))
            start += len(places)
        return Answer(numbers, score, np.where(found, stars, np.nan).astype(np.float32), attention, reviewed, note)

    def _read(self, users: Sequence[User]) -> _Read:
        newest = [order_in_time(user.reviews)[-self.graph.max_history :] for user in users]
        places = [[place for place, _ in mine] for mine in newest]
        reviews = [user.reviews[place] for user, mine in zip(users, places, strict=True) for place in mine]
        text = self._texts(reviews)
        number = np.arange(len(reviews))
        indptr = np.concatenate([[0], np.cumsum([len(mine) for mine in newest])]).astype(np.int64)
        rating = [np.nan if review.rating is None else review.rating for review in reviews]
        histories = history_arrays(
            Histories(indptr, number, number),
            text,
            np.array(rating, dtype=np.float32),
            np.array([time for mine in newest for _, time in mine], dtype=np.int64),
        )
        return _Read(places, histories, self._products(reviews, text))

    def _texts(self, reviews: Sequence[Review]) -> Floats:
        """(len(reviews), text_dim) vectors of the reviews' texts, zero where the model would not read them."""
        vectors = np.zeros((len(reviews), self.graph.text_dim), dtype=np.float32)
        read = [row for row, review in enumerate(reviews) if self._reads(review)]
        # Without a text the vector is zero, so that a history of ids alone loads no encoder.
        unknown = [row for row in read if reviews[row].vector is None and reviews[row].text]
        if unknown:
            vectors[unknown] = embed(self.encoder, [reviews[row].text for row in unknown])
        for row in read:
            vector = reviews[row].vector
            if vector is not None and len(vector):
                vectors[row] = vector
        return vectors

    def _reads(self, review: Review) -> bool:
        """Whether the text of a review counts: for itself, or to describe a product that the catalogue lacks."""
        return self.graph.review_texts or (self.graph.text_dim > 0 and self._number(review) is None)

    def _products(self, reviews: Sequence[Review], text: Floats) -> Floats:
        """(len(reviews), history_dim) history states; of unknown products from their names, else from the review."""
        numbers = [self._number(review) for review in reviews]
        states = self.history[np.array([-1 if number is None else number for number in numbers], dtype=np.int64)]
        unknown = [row for row, number in enumerate(numbers) if number is None]
        if unknown and self.graph.text_dim:
            product_text = text[unknown]
            named = [place for place, row in enumerate(unknown) if reviews[row].product_text]
            if named:
                names = [reviews[unknown[place]].product_text for place in named]
                product_text[named] = embed(self.encoder, names)
            states[unknown], _ = self.graph.encode_cold_items(product_text)
        return states

    def _number(self, review: Review) -> int | None:
        """The product's number: by its id, or where there is none by its name."""
        if review.product_id:
            return self.base.products.get(review.product_id)
        return self._number_of_name.get(review.product_name.casefold()) if review.product_name else None

    @cached_property
    def _number_of_name(self) -> dict[str, int]:
        """Of the names that only one product bears."""
        numbers: dict[str, int] = {}
        shared = set()
        for number, name in enumerate(self.base.names):
            key = name.casefold()
            if key in numbers:
                shared.add(key)
            numbers[key] = number
        return {name: number for name, number in numbers.items() if name and name not in shared}

    def _owned(self, user: User) -> Ints:
        numbers = {self._number(review) for review in user.reviews}
        return np.array(sorted(number for number in numbers if number is not None), dtype=np.int64)

    def _why(self, reviews: Sequence[Review], attention: Floats) -> list[Reason]:
        read = [place for place, _ in order_in_time(reviews)[-self.graph.max_history :]]
        reasons = []
        for place in sorted(read, key=lambda place: -attention[place])[:REASONS]:
            review = reviews[place]
            number = self._number(review)
            reasons.append(
                Reason(
                    product_id=review.product_id if number is None else self.base.products.id(number),
                    name=review.product_name if number is None else self.base.names[number],
                    excerpt=excerpt(review.text),
                    attention=float(attention[place]),
                )
            )
        return reasons

    def _note(self, user: User, found: int, k: int) -> str:
        notes = [user.note] if user.note else []
        if not user.reviews:
            notes.append(NOTHING_KNOWN)
        if any(review.text and review.vector is None and not self._reads(review) for review in user.reviews):
            notes.append(UNREAD_REVIEWS if self.graph.text_dim else UNREAD)
        notes += self._unknown_products(user)
        if not found:
            notes.append(HAS_ALL)
        elif found < k:
            what = "products besides those reviewed already" if found < len(self.base) else "products in the catalogue"
            notes.append(f"{k:,} were asked for, but there are only {found:,} {what}")
        return "; ".join(notes)

    def _unknown_products(self, user: User) -> list[str]:
        """What to say of products that the catalogue lacks."""
        unknown = [review for review in user.reviews if review.product_id and self._number(review) is None]
        said = []
        for how, told in (
            ("count through their texts", True),
            ("tell nothing, for want of a text or name", False),
        ):
            ids = dict.fromkeys(
                review.product_id
                for review in unknown
                if (bool(review.text or review.product_text) and self.graph.text_dim > 0) == told
            )
            if ids:
                shown = ", ".join(list(ids)[:3]) + (f" and {len(ids) - 3:,} more" if len(ids) > 3 else "")
                said.append(f"products that the catalogue lacks ({shown}) {how}")
        return said


def predicted_ratings(inner: Floats, item_bias: Floats) -> Floats:
    """Inner products of unit vectors as ratings of 0 to 5, as `rec_sys.recommenders.graph.network` defines them.

    Args:
        inner: of any shape.
        item_bias: of the same shape: rating points that each product gets more or less than the user would lead to
            expect.
    """
    ratings: Floats = 2.5 * (inner + 1.0) + item_bias
    return ratings


def preference_cosine(inner: Floats, user: Floats, products: Floats) -> Floats:
    """Cosines of the content of vectors, without the rating bias that each opens with; the same order.

    A vector is [bias, content * sqrt(1 - bias^2)], so an inner product is mostly the user's rating bias and hardly
    differs from product to product.

    Args:
        inner: (n,) inner products of the vectors.
        user: (vector_dim,) vector of the user; its content may be shorter than a unit vector's.
        products: (n, vector_dim) vectors of the products.
    """
    bias = products[:, RATING_BIAS][:, 0].astype(np.float64)
    length = float(np.linalg.norm(user[CONTENT].astype(np.float64)))
    if length < NO_PREFERENCE:  # what is left is rounding
        return np.zeros_like(inner)
    rest = length * np.sqrt(1 - bias**2)
    cosine: Floats = np.clip((inner - float(user[RATING_BIAS][0]) * bias) / rest, -1, 1).astype(np.float32)
    return cosine


def excerpt(text: str, length: int = EXCERPT) -> str:
    """The start of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3].rsplit(" ", 1)[0] + "..."
