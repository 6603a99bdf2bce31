"""What every recommender promises, whatever it learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import pytest

from rec_sys.dataset.histories import Histories
from rec_sys.dataset.splits import Split, histories_before, split_by_time
from rec_sys.dataset.table import ReviewTable
from rec_sys.recommenders.base import Recommender
from tests.support.toy import checkerboard, histories_of


class RecommenderContract(ABC):
    """Inherit and define `make`; `tolerance` is how far scores may drift where only the batch differs."""

    tolerance = 1e-5

    @classmethod
    @abstractmethod
    def make(cls) -> Recommender:
        """A new, unfitted model, seeded where it is random."""

    @pytest.fixture(scope="class")
    @classmethod
    def table(cls) -> ReviewTable:
        return checkerboard()

    @pytest.fixture(scope="class")
    @classmethod
    def split(cls, table: ReviewTable) -> Split:
        return split_by_time(table)

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, table: ReviewTable, split: Split) -> Recommender:
        return cls.make().fit(table, split.train)

    @pytest.fixture(scope="class")
    @classmethod
    def histories(cls, table: ReviewTable, split: Split) -> Histories:
        """Made of training reviews only."""
        return histories_before(table, split.valid)

    def test_has_a_name(self) -> None:
        assert self.make().name

    def test_fit_returns_the_model_itself(self, table: ReviewTable, split: Split) -> None:
        model = self.make()
        assert model.fit(table, split.train) is model

    def test_scores_are_finite_floats_of_every_product(
        self, fitted: Recommender, table: ReviewTable, histories: Histories
    ) -> None:
        scores = fitted.score(histories)
        assert scores.shape == (len(histories), table.num_products)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_fitting_again_gives_the_same_scores(
        self, fitted: Recommender, table: ReviewTable, split: Split, histories: Histories
    ) -> None:
        again = self.make().fit(table, split.train).score(histories)
        np.testing.assert_array_equal(again, fitted.score(histories))

    def test_scoring_leaves_no_trace(self, fitted: Recommender, histories: Histories) -> None:
        before = fitted.score(histories).copy()
        fitted.score(histories.part(0, 3))
        np.testing.assert_array_equal(fitted.score(histories), before)

    def test_reads_nothing_outside_of_train(
        self, fitted: Recommender, table: ReviewTable, split: Split, histories: Histories
    ) -> None:
        held_out = np.concatenate([split.valid, split.test])
        product, rating, timestamp = table.product.copy(), table.rating.copy(), table.timestamp.copy()
        product[held_out] = (product[held_out] + 1) % table.num_products
        rating[held_out] = 1
        timestamp[held_out] += 1_000_000
        changed = replace(table, product=product, rating=rating, timestamp=timestamp)
        scores = self.make().fit(changed, split.train).score(histories)
        np.testing.assert_array_equal(scores, fitted.score(histories))

    def test_reads_train(self, fitted: Recommender, table: ReviewTable, split: Split, histories: Histories) -> None:
        """The counterpart of the test above: that it can fail."""
        product = table.product.copy()
        product[split.train] = (product[split.train] * 7 + 3) % table.num_products
        scores = self.make().fit(replace(table, product=product), split.train).score(histories)
        assert not np.allclose(scores, fitted.score(histories))

    def test_an_empty_history_is_answered(self, fitted: Recommender, table: ReviewTable) -> None:
        scores = fitted.score(histories_of([[], []]))
        assert scores.shape == (2, table.num_products)
        assert np.isfinite(scores).all()

    def test_an_empty_history_among_others_changes_nothing(self, fitted: Recommender, histories: Histories) -> None:
        first = histories.part(0, 1)
        indptr = np.array([0, 0, len(first.product), len(first.product)], dtype=np.int64)
        scores = fitted.score(Histories(indptr, first.review, first.product))
        np.testing.assert_allclose(scores[1], fitted.score(first)[0], atol=self.tolerance)

    def test_nobody_is_answered_with_nothing(self, fitted: Recommender, table: ReviewTable) -> None:
        assert fitted.score(histories_of([])).shape == (0, table.num_products)

    def test_a_batch_equals_its_parts(self, fitted: Recommender, histories: Histories) -> None:
        size = 17
        parts = [fitted.score(histories.part(start, start + size)) for start in range(0, len(histories), size)]
        np.testing.assert_allclose(np.concatenate(parts), fitted.score(histories), atol=self.tolerance)

    def test_every_product_can_be_in_a_history(self, fitted: Recommender, table: ReviewTable, split: Split) -> None:
        """Also one that only turns up in the validation or test part."""
        everything = histories_before(table, table.indptr()[1:] - 1)
        assert np.isfinite(fitted.score(everything)).all()
