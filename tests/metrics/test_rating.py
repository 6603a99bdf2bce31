from __future__ import annotations

import json

import numpy as np
import pytest

from rec_sys.errors import DataError, RecSysError
from rec_sys.metrics.rating import rating_report


def test_by_hand() -> None:
    true = np.array([5, 4, 3, 1, np.nan, 5], dtype=np.float32)
    predicted = np.array([4.5, 3, 3.5, 1, 2, 3.5], dtype=np.float32)
    # liked: yes yes no no - yes; said: yes no yes no - yes
    report = rating_report(predicted, true)
    assert report.mae == pytest.approx((0.5 + 1 + 0.5 + 0 + 1.5) / 5)
    assert report.mse == pytest.approx((0.25 + 1 + 0.25 + 0 + 2.25) / 5)
    assert report.accuracy == pytest.approx(3 / 5)
    assert report.f1 == pytest.approx(2 * 2 / (3 + 3))  # 2 found, 3 liked, 3 said
    assert (report.num_reviews, report.num_positive, report.num_unrated) == (5, 3, 1)


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    generator = np.random.default_rng(0)
    true = generator.integers(1, 6, 200).astype(np.float32)
    predicted = generator.uniform(1, 5, 200).astype(np.float32)
    both = ((true > 3) & (predicted > 3)).sum()
    precision, recall = both / (predicted > 3).sum(), both / (true > 3).sum()
    assert rating_report(predicted, true).f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_three_stars_are_not_liked_and_nothing_liked_is_f1_zero() -> None:
    three = np.full(4, 3, dtype=np.float32)
    report = rating_report(three, three)
    assert (report.accuracy, report.f1, report.num_positive) == (1.0, 0.0, 0)


def test_a_prediction_for_an_unrated_review_may_be_anything() -> None:
    report = rating_report(np.array([np.nan, 4], np.float32), np.array([np.nan, 4], np.float32))
    assert (report.mae, report.num_reviews) == (0.0, 1)


def test_what_cannot_be_judged_is_refused_by_name() -> None:
    stars = np.array([4, 5], dtype=np.float32)
    with pytest.raises(DataError, match="none of 2 reviews to predict has a rating"):
        rating_report(stars, stars * np.nan)
    with pytest.raises(RecSysError, match="1 of 2 predicted ratings are nan or infinite"):
        rating_report(np.array([np.inf, 4], dtype=np.float32), stars)


def test_the_report_is_plain_json() -> None:
    report = rating_report(np.array([4.0], np.float32), np.array([5.0], np.float32))
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
