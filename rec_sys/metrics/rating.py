"""How well predicted stars meet the stars people gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.errors import DataError, RecSysError

LIKED_ABOVE = 3.0  # a review of more stars than this counts as "liked it"


@dataclass(frozen=True)
class RatingReport:
    """Predicted against true stars over the rated reviews."""

    mae: float  # mean absolute error, stars
    mse: float  # mean squared error, stars squared
    accuracy: float  # part of the reviews on the right side of "more than 3 stars"
    f1: float  # of "more than 3 stars"; 0 where no liked review was found
    num_reviews: int  # rated, so counted above
    num_liked: int  # of them truly above 3 stars: always saying "liked" has accuracy num_liked / num_reviews
    num_unrated: int  # left out

    def to_dict(self) -> dict[str, float | int]:
        return asdict(self)


def rating_report(predicted: Floats, true: Floats) -> RatingReport:
    """Compare (n,) predicted with (n,) true stars; nan among the true ones means "no rating" and is left out.

    Raises:
        DataError: no review is rated.
        RecSysError: a prediction for a rated review is nan or infinite.
    """
    rated = ~np.isnan(true)
    if not rated.any():
        raise DataError(f"none of {len(true):,} reviews to predict has a rating; leave the rating report out")
    stars, guess = true[rated].astype(np.float64), predicted[rated].astype(np.float64)
    wrong = np.count_nonzero(~np.isfinite(guess))
    if wrong:
        raise RecSysError(f"{wrong:,} of {len(guess):,} predicted ratings are nan or infinite; the model has diverged")
    liked, guessed = stars > LIKED_ABOVE, guess > LIKED_ABOVE
    found = int(np.count_nonzero(liked & guessed))
    either = int(np.count_nonzero(liked) + np.count_nonzero(guessed))
    return RatingReport(
        mae=float(np.abs(guess - stars).mean()),
        mse=float(((guess - stars) ** 2).mean()),
        accuracy=float((liked == guessed).mean()),
        f1=2 * found / either if either else 0.0,
        num_reviews=len(stars),
        num_liked=int(np.count_nonzero(liked)),
        num_unrated=int(np.count_nonzero(~rated)),
    )
