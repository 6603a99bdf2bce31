"""SVD: ratings by biases and factors, learned by stochastic gradient descent (Koren, Bell and Volinsky 2009)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.ratings import Ratings
from rec_sys.errors import ConfigError
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.rating_model import BIAS, Doubles, Factors, Range, RatingModel, RatingSettings


class SVDSettings(RatingSettings):
    """Settings of SVD."""

    factors: int = Field(100, ge=1, description="length of the vectors")
    epochs: int = Field(20, ge=1, description="passes over the ratings")
    learning_rate: float = Field(0.005, gt=0, description="step of the gradient descent")
    regularisation: float = Field(0.02, ge=0, description="lambda: draws biases and vectors towards 0")
    seed: int = Field(0, ge=0, description="draws the first vectors, and the folds")


class SVD(RatingModel):
    """Fitted by the library scikit-surprise, which sees the ratings in a fixed order; asking needs NumPy alone.

    r = mean + b_u + b_i + <p_u, q_i>, each step along the gradient of (r - predicted)^2 + lambda (b_u^2 + b_i^2 +
    |p_u|^2 + |q_i|^2).
    """

    key, name = "svd", "SVD"
    paper = "Koren, Bell and Volinsky, IEEE Computer 2009"
    settings_class = SVDSettings
    settings: SVDSettings
    seeded = True
    beside = ("biased_als", BIAS)

    @classmethod
    def search_space(cls) -> Mapping[str, Range]:
        return {
            "factors": Range(2, 200, log=True),
            "epochs": Range(10, 100, log=True),
            "learning_rate": Range(0.001, 0.02, log=True),
            "regularisation": Range(0.01, 0.4, log=True),
        }

    def _learn(self, ratings: Ratings, progress: ProgressCallback | None) -> Factors:
        try:
            import surprise
        except ImportError as error:
            raise ConfigError(f"SVD needs {error.name}; install the extra rec-sys[family]") from error
        s = self.settings
        stage = Stage("fit SVD", s.epochs * len(ratings), "ratings", progress)
        rows = zip(ratings.user.tolist(), ratings.product.tolist(), ratings.rating.tolist(), strict=True)
        source = surprise.Dataset(surprise.Reader(rating_scale=(MIN_RATING, MAX_RATING)))
        trainset = source.construct_trainset([(*row, None) for row in rows])
        model = surprise.SVD(
            s.factors, s.epochs, lr_all=s.learning_rate, reg_all=s.regularisation, random_state=s.seed
        ).fit(trainset)
        stage.reach(s.epochs * len(ratings))
        # its numbers follow the first appearance in the list
        user = np.array([trainset.to_inner_uid(place) for place in range(len(ratings.users))], dtype=np.int64)
        product = np.array([trainset.to_inner_iid(place) for place in range(len(ratings.products))], dtype=np.int64)
        return Factors(trainset.global_mean, model.bu[user], model.bi[product], model.pu[user], model.qi[product])

    def _penalties(self, num_ratings: int) -> Doubles:
        """Gradient descent that stops after t epochs of step a is held back as by 1 / (a t) beside lambda per rating.

        (For least squares from 0; Ali, Kolter and Tibshirani 2019.)
        """
        s = self.settings
        weight = s.regularisation * num_ratings + 1 / (s.learning_rate * s.epochs)
        return np.full(1 + s.factors, weight)

    @property
    def _advice(self) -> str:
        return "lower the learning rate, or raise the regularisation"
