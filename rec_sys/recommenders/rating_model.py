"""What the models of ratings share: mean + biases + product of factors, served by NumPy arrays alone.

A model of ratings is a subclass that learns these arrays (`_learn`) and says what holds the vector of a new user back
(`_penalties`).
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import Field, field_validator

from rec_sys.arrays import Floats, Ints
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.query import Query
from rec_sys.dataset.ratings import Ratings, ratings_of
from rec_sys.dataset.readers.ratings import Scale
from rec_sys.errors import ConfigError, DataError, RecSysError
from rec_sys.frames import frame_of
from rec_sys.ids import IdMap
from rec_sys.progress import ProgressCallback
from rec_sys.recommenders.base import Arrays, Recommender, Validate
from rec_sys.recommenders.cross_validation import cross_validate, cross_validation_section
from rec_sys.recommenders.questions import Question, question_of_reviews
from rec_sys.recommenders.registry import create
from rec_sys.settings import Settings
from rec_sys.tables import Section

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

logger = logging.getLogger(__name__)

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BLOCK = 4_096  # pairs predicted at once: their factors stay in the cache
BIAS = "rating_bias"  # in the registry: the floor of all of them


@dataclass(frozen=True)
class Range:
    """Values of a setting that a search may choose: whole numbers where both ends are."""

    low: float
    high: float
    log: bool = False  # even in the logarithm


@dataclass(frozen=True)
class Factors:
    """What is learned of ratings r: mean + user_bias + product_bias + <user, product>."""

    mean: float
    user_bias: Doubles  # (num_users,) of those who rated
    product_bias: Doubles  # (num_products,) of those that were rated
    user: Doubles  # (num_users, factors)
    product: Doubles  # (num_products, factors)


class RatingSettings(Settings):
    """Settings of models that are cross-validated when they are trained."""

    folds: int = Field(4, ge=0, description="of the cross-validation in the training's report; 0: none")

    @field_validator("folds")
    @classmethod
    def _not_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one fold leaves nothing to learn from; give 0 or at least 2")
        return folds


class RatingModel(Recommender):
    """Predicts ratings of 1 to 5 by biases and factors.

    A user or product without ratings in training has bias 0 and factors 0, so that the rest of the sum answers. A new
    user whose history has ratings is folded in: bias and factors by least squares on those of the products.
    """

    needs = frozenset({"ratings"})
    predicts_ratings = True
    used_fitted_on_all = True
    own: ClassVar[str] = "own factors"  # what answers a known user
    beside: ClassVar[tuple[str, ...]] = (BIAS,)  # names in the registry, for the cross-validation of the report

    @abstractmethod
    def _learn(self, ratings: Ratings, progress: ProgressCallback | None) -> Factors:
        """Learn from ratings in their order; arrays by place in `ratings.users` and `ratings.products`."""

    @abstractmethod
    def _penalties(self, num_ratings: int) -> Doubles:
        """(1 + factors,) weights of the squares of a new user's bias and factors, beside those of their errors."""

    @classmethod
    def search_space(cls) -> Mapping[str, Range]:
        """Settings that a search by cross-validation chooses."""
        return {}

    # ---- fitting ------------------------------------------------------------------------------------------------

    def _fit(self, dataset: Dataset, validate: Validate | None, progress: ProgressCallback | None) -> None:
        table = dataset.table
        ratings = ratings_of(table, dataset.split.train)
        if ratings.left_out:
            logger.info("%s, training: %s", self.name, ratings.left_out)
        learned = self._learn(ratings, progress)
        if not all(np.isfinite(array).all() for array in (learned.user, learned.product, learned.user_bias)):
            raise ConfigError(f"{self.name} has diverged on {dataset.name}; {self._advice}")
        width = learned.product.shape[1]
        # One row more, of zeros: the number -1 of a new user or product is the last row.
        sizes = {"user": table.num_users + 1, "product": table.num_products + 1}
        arrays: Arrays = {
            "mean": np.array([learned.mean], dtype=np.float32),
            "user_ids": np.frombuffer(orjson.dumps(table.users.ids), dtype=np.uint8).copy(),
        }
        for what, places in (("user", ratings.users), ("product", ratings.products)):
            size = sizes[what]
            arrays[f"{what}_bias"] = np.zeros(size, dtype=np.float32)
            arrays[f"{what}_bias"][places] = getattr(learned, f"{what}_bias")
            arrays[f"{what}_factors"] = np.zeros((size, width), dtype=np.float32)
            arrays[f"{what}_factors"][places] = getattr(learned, what)
            arrays[f"knows_{what}"] = np.zeros(size, dtype=bool)
            arrays[f"knows_{what}"][places] = True
        self._restore(arrays)

    @property
    def _advice(self) -> str:
        """What to do where training diverges."""
        return "raise the regularisation"

    def _arrays(self) -> Arrays:
        return {
            "mean": np.array([self.mean], dtype=np.float32),
            "user_bias": self.user_bias,
            "product_bias": self.product_bias,
            "user_factors": self.user_factors,
            "product_factors": self.product_factors,
            "knows_user": self.knows_user,
            "knows_product": self.knows_product,
            "user_ids": self.user_ids,
        }

    def _restore(self, arrays: Arrays) -> None:
        self.mean = float(arrays["mean"][0])
        self.user_bias: Floats = arrays["user_bias"]  # (num_users + 1,)
        self.product_bias: Floats = arrays["product_bias"]  # (num_products + 1,)
        self.user_factors: Floats = arrays["user_factors"]  # (num_users + 1, factors)
        self.product_factors: Floats = arrays["product_factors"]  # (num_products + 1, factors)
        self.knows_user: Flags = arrays["knows_user"]  # (num_users + 1,) whether there were ratings in training
        self.knows_product: Flags = arrays["knows_product"]  # (num_products + 1,)
        self.user_ids: npt.NDArray[np.uint8] = arrays["user_ids"]  # a JSON list: predicting needs no data set
        self.__dict__.pop("users", None)

    @cached_property
    def users(self) -> IdMap:
        """The users of the data it was fitted on."""
        return IdMap(orjson.loads(self.user_ids.tobytes()), "user")

    # ---- predicting ---------------------------------------------------------------------------------------------

    def predict_ratings(self, users: Ints, products: Ints) -> Floats:
        """(n,) predicted ratings, 1 to 5, of n pairs of numbers; -1: a new user or product.

        Raises:
            NotFittedError: it has not been fitted.
            DataError: a number is beyond those of the data it was fitted on.
        """
        _ = self.fitted_products
        for numbers, known, what in ((users, self.knows_user, "user"), (products, self.knows_product, "product")):
            if len(numbers) and not -1 <= int(numbers.min()) <= int(numbers.max()) < len(known) - 1:
                raise DataError(
                    f"{what} numbers from {numbers.min():,} to {numbers.max():,}; {self.name} was fitted on "
                    f"{len(known) - 1:,} {what}s: give 0 to {len(known) - 2:,}, or -1 for a new one"
                )
        predicted = np.empty(len(users), dtype=np.float32)
        for start in range(0, len(users), BLOCK):
            user, product = users[start : start + BLOCK], products[start : start + BLOCK]
            part = predicted[start : start + BLOCK]
            np.einsum("nf,nf->n", self.user_factors.take(user, 0), self.product_factors.take(product, 0), out=part)
            part += self.user_bias.take(user)
            part += self.product_bias.take(product)
            part += np.float32(self.mean)
        return np.clip(predicted, MIN_RATING, MAX_RATING, out=predicted)

    def predict(self, users: str | Sequence[str], products: str | Sequence[str]) -> DataFrame:
        """Predicted ratings of pairs of ids, one or many; no data set is needed.

        Args:
            users: one id, or as many as there are products.
            products: one id, or as many as there are users.

        Returns:
            Columns user_id, product_id, rating (on the scale of the file) and answered_by: "own factors" (of user
            and product), "user's bias" (the product is unknown), "product's bias" (the user is), "mean" (both are).

        Raises:
            NotFittedError: it has not been fitted.
            DataError: neither are there as many users as products nor is one of them one.
        """
        known_products = self.fitted_products
        user_ids, product_ids = _pairs(users, products)
        user, product = self.users.known_numbers(user_ids), known_products.known_numbers(product_ids)
        whole = self.knows_user[user], self.knows_product[product]
        answered = np.array([["mean", "product's bias"], ["user's bias", self.own]])[
            whole[0].astype(np.int64), whole[1].astype(np.int64)
        ]
        if fallbacks := int(np.count_nonzero(~(whole[0] & whole[1]))):
            logger.warning(
                "%d of %d pairs have a user or product without ratings in training: column answered_by tells which",
                fallbacks,
                len(user),
            )
        low, high = self.rating_scale
        rating = low + (self.predict_ratings(user, product) - MIN_RATING) * (high - low) / (MAX_RATING - MIN_RATING)
        columns = {"user_id": user_ids, "product_id": product_ids, "rating": rating, "answered_by": answered.tolist()}
        return frame_of(columns, self._catalogue.as_pandas)

    @property
    def rating_scale(self) -> Scale:
        """Lowest and best rating of the file it was fitted on."""
        low, high = (self.info.get("data") or {}).get("rating_scale") or (MIN_RATING, MAX_RATING)
        return float(low), float(high)

    # ---- recommending -------------------------------------------------------------------------------------------

    @property
    def max_history(self) -> int:
        return 200

    @property
    def item_vectors(self) -> Floats | None:
        """(num_products, factors); None where there are no factors."""
        return self.product_factors[:-1] if self.product_factors.shape[1] else None

    def _question_of_reviews(self, reviews: object) -> Question:
        return question_of_reviews(self.fitted_products, reviews, self.review_text_dim, self.rating_scale)

    def _score(self, query: Query) -> Floats:
        """Predicted ratings, not cut to 1 to 5, so that the best are told apart."""
        numbers = self._known(query)
        bias, vectors = self.user_bias[numbers], self.user_factors[numbers]
        for row, (product, rating) in self._rated_by_new(query, numbers).items():
            bias[row], vectors[row] = self._fold_in(product, rating)
        scores: Floats = vectors @ self.product_factors[:-1].T
        scores += np.float32(self.mean) + self.product_bias[:-1] + bias[:, None]
        return scores

    def answered_by(self, query: Query) -> list[str]:
        """By own factors, "folded in" from the ratings of the history, or by "product biases" alone."""
        numbers = self._known(query)
        folded = self._rated_by_new(query, numbers)
        return [
            self.own if number >= 0 else "folded in" if row in folded else "product biases"
            for row, number in enumerate(numbers.tolist())
        ]

    def _known(self, query: Query) -> Ints:
        """(len(query),) numbers of users who have ratings in training; -1 for others."""
        numbers = np.full(len(query), -1, dtype=np.int64) if query.users is None else query.users.copy()
        numbers[numbers >= len(self.knows_user) - 1] = -1
        numbers[~self.knows_user[numbers]] = -1
        return numbers

    def _rated_by_new(self, query: Query, numbers: Ints) -> dict[int, tuple[Ints, Doubles]]:
        """By row of the query, products and ratings of users who are not known; of a product its newest rating."""
        if query.reviews is None:
            return {}
        found: dict[int, tuple[Ints, Doubles]] = {}
        indptr = query.histories.indptr
        for row in np.flatnonzero((numbers < 0) & (query.histories.lengths > 0)).tolist():
            product = query.histories.product[indptr[row] : indptr[row + 1]]
            rating = query.reviews.rating[query.histories.review[indptr[row] : indptr[row + 1]]]
            rated = ~np.isnan(rating) & self.knows_product[product]
            if rated.any():
                each, newest = np.unique(product[rated][::-1], return_index=True)
                found[row] = each, rating[rated][::-1][newest].astype(np.float64)
        return found

    def _fold_in(self, product: Ints, rating: Doubles) -> tuple[float, Doubles]:
        """Bias and (factors,) of a user: the minimum of squared errors + `_penalties` times squares."""
        x = np.column_stack([np.ones(len(product)), self.product_factors[product]])  # (n, 1 + factors)
        left = rating - self.mean - self.product_bias[product]
        solved = np.linalg.solve(x.T @ x + np.diag(self._penalties(len(product))), x.T @ left)
        return float(solved[0]), solved[1:]

    # ---- reporting ----------------------------------------------------------------------------------------------

    def sections(self, dataset: Dataset, progress: ProgressCallback | None = None) -> list[Section]:
        """The cross-validation over all ratings, with biases alone and the models beside on the same folds."""
        folds = getattr(self.settings, "folds", 0)
        if not folds:
            return []
        models: list[Recommender] = [self, *(create(name) for name in self.beside if name != self.key)]
        try:
            found = cross_validate(models, dataset, folds, getattr(self.settings, "seed", 0), progress=progress)
        except RecSysError as error:
            return [Section("Cross-validation", notes=[f"left out: {error}"])]
        left_out = ratings_of(dataset.table, np.arange(len(dataset.table))).left_out
        return [cross_validation_section(found, BIAS, dataset, left_out)]


def _pairs(users: str | Sequence[str], products: str | Sequence[str]) -> tuple[list[str], list[str]]:
    """Ids of equal number; a single one is repeated.

    Raises:
        DataError: the numbers differ.
    """
    given: list[list[Any]] = [[ids] if isinstance(ids, str) else list(ids) for ids in (users, products)]
    (first, second), single = given, [isinstance(ids, str) for ids in (users, products)]
    if len(first) != len(second) and not any(single):
        raise DataError(
            f"{len(first):,} users and {len(second):,} products; give pairs, as many of each, or a single id for all"
        )
    length = len(second) if single[0] else len(first)
    return first * length if single[0] else first, second * length if single[1] else second
