"""How close predicted ratings are to true ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from rec_sys.arrays import Floats
from rec_sys.errors import DataError, RecSysError

POSITIVE_ABOVE = 3.0  # a review with a higher rating counts as positive


@dataclass(frozen=True)
class RatingReport:
    """Predicted against true ratings over the rated reviews."""

    mae: float  # mean absolute error
    mse: float  # mean squared error
    accuracy: float  # part of the reviews on the right side of "rating above 3"
    f1: float  # of "rating above 3"; 0 where no positive review was found
    num_reviews: int  # rated, so counted above
    num_positive: int  # of them truly above 3: always predicting "positive" has accuracy num_positive / num_reviews
    num_unrated: int  # left out

    def to_dict(self) -> dict[str, float | int]:
        return asdict(self)


def rating_report(predicted: Floats, true: Floats) -> RatingReport:
    """Compare (n,) predicted with (n,) true ratings; nan among the true ones means "no rating" and is left out.

    Raises:
        DataError: no review is rated.
        RecSysError: a prediction for a rated review is nan or infinite.
    """
    rated = ~np.isnan(true)
    if not rated.any():
        raise DataError(f"none of {len(true):,} reviews to predict has a rating; leave the rating report out")
    rating, guess = true[rated].astype(np.float64), predicted[rated].astype(np.float64)
    wrong = np.count_nonzero(~np.isfinite(guess))
    if wrong:
        raise RecSysError(f"{wrong:,} of {len(guess):,} predicted ratings are nan or infinite; the model has diverged")
    positive, guessed = rating > POSITIVE_ABOVE, guess > POSITIVE_ABOVE
    found = int(np.count_nonzero(positive & guessed))
    either = int(np.count_nonzero(positive) + np.count_nonzero(guessed))
    return RatingReport(
        mae=float(np.abs(guess - rating).mean()),
        mse=float(((guess - rating) ** 2).mean()),
        accuracy=float((positive == guessed).mean()),
        f1=2 * found / either if either else 0.0,
        num_reviews=len(rating),
        num_positive=int(np.count_nonzero(positive)),
        num_unrated=int(np.count_nonzero(~rated)),
    )
