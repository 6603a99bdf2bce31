"""The one path from reviews to recommendations: command line, Triton and HTTP all take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.stars import Stars, make_stars
from rec_sys.dataset.table import Floats, Ints
from rec_sys.errors import ConfigError
from rec_sys.inference.people import Person, Review, in_time_order
from rec_sys.modules.checkpoint import Checkpoint
from rec_sys.modules.graph_model import predicted_stars
from rec_sys.modules.user_tower import UserStates
from rec_sys.vector_database.index import NONE, VectorBase
from rec_sys.vector_database.text_encoder import TextEncoder, embed

REASONS = 3  # reviews shown as the reason, at most
EXCERPT = 120  # characters of a review shown
HAS_ALL = "has reviewed everything in the catalogue"
UNREAD = "the texts were not read: this model learned without any"
UNREAD_REVIEWS = "texts of reviews were not read: this model learned without them"
NOTHING_KNOWN = "no reviews: this is what the model recommends to somebody of whom nothing is known"

UserTower = Callable[[Tensor, Stars], UserStates]


@dataclass(frozen=True)
class Recommendation:
    """One product."""

    product_id: str
    name: str  # empty where none is known
    score: float  # how near the product is to the person's taste: cosine, -1 to 1; falls from rank to rank
    stars: float  # predicted rating, 0 to 5; much of it is the level of stars that the person gives


@dataclass(frozen=True)
class Reason:
    """One review on which the recommendations rest."""

    product_id: str
    name: str
    excerpt: str  # of the review; empty where its text is not at hand
    attention: float  # 0 to 1, part of the attention over all reviews that were read


@dataclass(frozen=True)
class Recommendations:
    """What one person is recommended, and why."""

    user_id: str
    items: list[Recommendation]  # best first
    why: list[Reason]  # most attention first, at most REASONS
    note: str = ""  # what the person should know about the list


@dataclass(frozen=True)
class _Read:
    """Reviews of a batch, person by person, each person's newest ones, oldest first."""

    reviews: list[Review]
    indptr: Ints  # (num_people + 1,)
    stars: Stars  # its products are rows of `products`
    products: Tensor  # (num_reviews, history_dim) history state of each review's product


class ReviewRecommender:
    """Recommends from reviews alone, to known and unknown people alike.

    Args:
        checkpoint: the trained model.
        base: its vector base.
        encoder: the checkpoint's text encoder.
        device: where the network runs.
        user_tower: what computes people's vectors, for instance on a server; None: the checkpoint's own.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        base: VectorBase,
        encoder: TextEncoder,
        device: torch.device | None = None,
        user_tower: UserTower | None = None,
    ) -> None:
        self.base, self.encoder = base, encoder
        self.device = device or torch.device("cpu")
        self.model = checkpoint.model.to(self.device).eval()
        self.user_tower = user_tower or self.model.user_tower
        added = torch.from_numpy(base.added_history)
        self.history = torch.cat([checkpoint.states.history, added]).to(self.device)  # (len(base), history_dim)

    @torch.inference_mode()
    def recommend(self, people: Sequence[Person], k: int = 10) -> list[Recommendations]:
        """The k best products for each person, without those they have reviewed.

        Only the newest `max_history` reviews are read; all of them count for what is left out. A review of a product
        that the catalogue lacks counts through its texts.

        Args:
            people: one batch; who else is in it changes nothing.
            k: products per person; where there are fewer, all of them are given, and a note says so.

        Raises:
            ConfigError: k is less than 1.
        """
        if k < 1:
            raise ConfigError(f"k={k}: at least one product must be asked for; give k=1 or more")
        read = self._read(people)
        states = self.user_tower(read.products, read.stars)
        vectors: Floats = states.vector.cpu().numpy()
        attention: Floats = states.attention.cpu().numpy()
        owned = [self._owned(person) for person in people]
        numbers, inner = self.base.search(vectors, k, owned)
        liked = self.history[:, 0].cpu()[torch.from_numpy(numbers.clip(min=0))]
        stars = predicted_stars(torch.from_numpy(inner), liked).clamp(0, 5).numpy()
        results = []
        for row, person in enumerate(people):
            found = numbers[row] != NONE
            mine, best = inner[row, found], numbers[row, found]
            scores = taste_cosine(mine, vectors[row], self.base.vectors(best))
            items = [
                Recommendation(self.base.products.id(number), self.base.names[number], score, star)
                for number, score, star in zip(best.tolist(), scores.tolist(), stars[row, found].tolist(), strict=True)
            ]
            its = slice(int(read.indptr[row]), int(read.indptr[row + 1]))
            why = self._why(read.reviews[its], attention[its])
            results.append(Recommendations(person.user_id, items, why, self._note(person, len(items), k)))
        return results

    def _read(self, people: Sequence[Person]) -> _Read:
        limit = self.model.settings.max_history
        newest = [in_time_order(person.reviews)[-limit:] for person in people]
        reviews = [review for mine in newest for review, _ in mine]
        text = self._texts(reviews)
        number = np.arange(len(reviews))
        indptr = np.concatenate([[0], np.cumsum([len(mine) for mine in newest])]).astype(np.int64)
        rating = [np.nan if review.rating is None else review.rating for review in reviews]
        stars = make_stars(
            Histories(indptr, number, number),
            text,
            np.array(rating, dtype=np.float32),
            np.array([time for mine in newest for _, time in mine], dtype=np.int64),
        )
        return _Read(reviews, indptr, stars.to(self.device), self._products(reviews, text))

    def _texts(self, reviews: Sequence[Review]) -> Floats:
        """(len(reviews), text_dim) vectors of the reviews' texts, zero where the model would not read them."""
        vectors = np.zeros((len(reviews), self.model.text_dim), dtype=np.float32)
        read = [row for row, review in enumerate(reviews) if self._reads(review)]
        unknown = [row for row in read if reviews[row].vector is None]
        if unknown:
            vectors[unknown] = embed(self.encoder, [reviews[row].text for row in unknown])
        for row in read:
            vector = reviews[row].vector
            if vector is not None and len(vector):
                vectors[row] = vector
        return vectors

    def _reads(self, review: Review) -> bool:
        """Whether the text of a review counts: for itself, or to describe a product that the catalogue lacks."""
        return self.model.review_texts or (self.model.text_dim > 0 and self._number(review) is None)

    def _products(self, reviews: Sequence[Review], text: Floats) -> Tensor:
        """(len(reviews), history_dim) history states; of unknown products from their names, else from the review."""
        numbers = [self._number(review) for review in reviews]
        unknown = [row for row, number in enumerate(numbers) if number is None]
        states = self.history[[number or 0 for number in numbers]]
        if unknown:
            product_text = text[unknown]
            named = [place for place, row in enumerate(unknown) if reviews[row].product_name]
            if named:
                names = [reviews[unknown[place]].product_name for place in named]
                product_text[named] = embed(self.encoder, names)
            of_text = self.model.product_tower.of_text(torch.from_numpy(product_text).to(self.device))
            states[unknown] = of_text.history
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

    def _owned(self, person: Person) -> Ints:
        numbers = {self._number(review) for review in person.reviews}
        return np.array(sorted(number for number in numbers if number is not None), dtype=np.int64)

    def _why(self, reviews: Sequence[Review], attention: Floats) -> list[Reason]:
        reasons = []
        for place in np.argsort(-attention, kind="stable")[:REASONS].tolist():
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

    def _note(self, person: Person, found: int, k: int) -> str:
        notes = [] if person.reviews else [NOTHING_KNOWN]
        if any(review.text and review.vector is None and not self._reads(review) for review in person.reviews):
            notes.append(UNREAD_REVIEWS if self.model.text_dim else UNREAD)
        if not found:
            notes.append(HAS_ALL)
        elif found < k:
            what = "products besides those reviewed already" if found < len(self.base) else "products in the catalogue"
            notes.append(f"{k:,} were asked for, but there are only {found:,} {what}")
        return "; ".join(notes)


def taste_cosine(inner: Floats, person: Floats, products: Floats) -> Floats:
    """Cosines between the tastes alone, without the level of stars that every vector opens with; the same order.

    A vector is [level, taste * sqrt(1 - level^2)], so an inner product is mostly the person's level and hardly differs
    from product to product.

    Args:
        inner: (n,) inner products of the vectors.
        person: (dim,) vector of the person.
        products: (n, dim) vectors of the products.
    """
    levels = products[:, 0].astype(np.float64)
    rest = np.sqrt((1 - float(person[0]) ** 2) * (1 - levels**2))
    cosine: Floats = np.clip((inner - float(person[0]) * levels) / rest, -1, 1).astype(np.float32)
    return cosine


def excerpt(text: str, length: int = EXCERPT) -> str:
    """The start of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 3].rsplit(" ", 1)[0] + "..."
