"""The graph model from Python: also for new users, by the same path from reviews as commands, HTTP and Triton."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from rec_sys.frames import frame_of, is_frame, is_pandas, records_of
from rec_sys.ids import NEW_USER
from rec_sys.inference.data_form import DataForm
from rec_sys.inference.local import recommender_of, review_vectors
from rec_sys.inference.read_reviews import parse_users
from rec_sys.inference.recommend import ReviewRecommender
from rec_sys.inference.users import Review, User, known_users
from rec_sys.paths import Paths
from rec_sys.recommenders.graph.model import GraphRecommender
from rec_sys.recommenders.graph.stored import StoredGraph
from rec_sys.recommenders.graph.trained_encoder import LazyTextEncoder
from rec_sys.recommenders.questions import user_numbers, warn_of_unknown
from rec_sys.text.text_encoder import NoTexts
from rec_sys.vector_database.index import VectorBase

if TYPE_CHECKING:
    from rec_sys.frames import DataFrame

logger = logging.getLogger(__name__)


class GraphModel(GraphRecommender):
    """A graph neural network over reviews: attention over a user's reviews, beside item factors.

    `GraphRecommender` says what it is made of; here are the answers to reviews of new users, whose texts, ratings and
    times are read, and whose products may be unknown.

        model = GraphModel(dim=64, max_epochs=20).fit(data)
        model.recommend(reviews=[{"asin": "B0SAMPLE0000", "overall": 5, "reviewText": "Kept every lure dry."}])
    """

    def recommend(
        self,
        users: str | Sequence[str] | None = None,
        *,
        history: Sequence[str] | None = None,
        reviews: object = None,
        k: int = 10,
        exclude_seen: bool = True,
    ) -> DataFrame:
        """The best products for known users, for a history, or for the reviews of new users.

        As `Recommender.recommend`. Of reviews, texts, ratings and times are read; a product that the catalogue lacks
        counts through its name or text. What was not understood is logged as a warning. Scores are cosines, as those
        of `infer`.
        """
        one_question = sum(given is not None for given in (users, history, reviews)) == 1
        if not exclude_seen or not one_question or isinstance(history, str):
            return super().recommend(users, history=history, reviews=reviews, k=k, exclude_seen=exclude_seen)
        _ = self.fitted_products
        if users is not None:
            asking = self._known_users([users] if isinstance(users, str) else list(users))
        elif history is not None:
            known = [str(product) for product in history if str(product) in self.fitted_products]
            absent = [str(product) for product in history if str(product) not in self.fitted_products]
            warn_of_unknown(len(absent), len(history), absent[0] if absent else "")
            asking = [User(NEW_USER, [Review(product_id=product) for product in known])]
        else:
            raw = orjson.dumps(records_of(reviews), default=str)
            form = DataForm.of_model(self.info)
            one_user = not is_frame(reviews)  # a list that was typed is one user's
            asking = parse_users(raw, "reviews", form, one_user=one_user)
            everything = [review for user in asking for review in user.reviews]
            silent = [review for review in everything if self._says_nothing(review)]
            warn_of_unknown(len(silent), len(everything), silent[0].product_id if silent else "")
        answers = self._by_reviews().recommend(asking, k)
        for answer in answers:
            if answer.note:
                logger.warning("%s: %s", answer.user_id, answer.note)
        rows = [(answer.user_id, rank, item) for answer in answers for rank, item in enumerate(answer.items, 1)]
        columns: dict[str, list[Any]] = {
            "user_id": [user for user, _, _ in rows],
            "rank": [rank for _, rank, _ in rows],
            "product_id": [item.product_id for _, _, item in rows],
            "name": [item.name for _, _, item in rows],
            "score": [item.score for _, _, item in rows],
        }
        as_pandas = is_pandas(reviews) or (self.dataset is not None and self.dataset.as_pandas)
        return frame_of(columns, as_pandas)

    def _says_nothing(self, review: Review) -> bool:
        """Whether the catalogue lacks the product, and no text or name stands for it."""
        return review.product_id not in self.fitted_products and not review.text and not review.product_text

    def _known_users(self, ids: list[str]) -> list[User]:
        """Users of the data set with all their reviews."""
        data = self.data
        if not data.is_what_was({"fingerprint": "", **self.info.get("data", {})}):
            logger.warning(
                "%s is not the data that was fitted on: its users are answered by their reviews there", data.name
            )
        paths = Paths.read(self.info.get("settings", {}).get("paths") or {}, "paths")
        vectors = review_vectors(self.stored, data, paths)
        return known_users(data.table, user_numbers(data, ids), vectors, with_texts=False)

    def _by_reviews(self) -> ReviewRecommender:
        """What answers reviews; made once for a trained model."""
        stored = self.stored
        if self._answering is None or self._answering[0] is not stored:
            encoder = LazyTextEncoder(stored, Paths()) if stored.text_dim else NoTexts()
            self._answering = stored, recommender_of(stored, VectorBase.of_model(stored), encoder)
        return self._answering[1]

    _answering: tuple[StoredGraph, ReviewRecommender] | None = None
