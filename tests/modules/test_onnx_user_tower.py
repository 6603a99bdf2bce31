from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rec_sys.modules.onnx_user_tower import PlainUserTower, sum_of
from rec_sys.recommenders.graph.history_batch import HistoryBatch
from rec_sys.recommenders.graph.scorer import blended_vectors
from tests.support.exported_toy import TEXT_DIM, random_checkpoint


def test_sums_by_user_by_hand() -> None:
    values = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    sums = sum_of(values, torch.tensor([2, 0, 2]), torch.zeros(4, dtype=torch.int64))
    assert sums.tolist() == [[10, 20], [0, 0], [101, 202], [0, 0]]


@pytest.mark.parametrize("conv", ["transformer", "gat"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"item_factors": False},
        {"texts": False},
        {"texts": False, "item_factors": 0, "rating_bias": 0},
        {"review_texts": False, "rating_bias": 0},
    ],
    ids=["all", "no item factors", "no texts", "nothing", "product texts only"],
)
def test_the_same_as_the_trained_tower(tmp_path: Path, conv: str, layers: int, kind: dict[str, object]) -> None:
    checkpoint = random_checkpoint(tmp_path / "a", conv=conv, layers=layers, **kind)  # type: ignore[arg-type]
    tower = checkpoint.network.user_tower
    plain = PlainUserTower(tower, checkpoint.blend).eval()
    generator = torch.Generator().manual_seed(1)
    for reviews, users in ((0, 1), (0, 3), (1, 1), (9, 1), (40, 6)):
        review = torch.arange(reviews)
        products = checkpoint.states.history[torch.randint(50, (reviews,), generator=generator)]
        text = torch.randn(reviews, TEXT_DIM if checkpoint.network.review_texts else 0, generator=generator)
        rating = torch.randint(1, 6, (reviews,), generator=generator).float()
        rating[::3] = torch.nan
        user = torch.randint(users, (reviews,), generator=generator)
        age = torch.randint(7, (reviews,), generator=generator)
        days = torch.rand(reviews, generator=generator) * 1000
        nobody = torch.zeros(users, dtype=torch.int64)
        with torch.inference_mode():
            histories = HistoryBatch(users, review, text, rating, review, user, age, days)
            expected = tower(products, histories)
            blended = blended_vectors(expected, products, histories, checkpoint.blend)
            vector, attention = plain(
                products, rating, user, age, days, nobody, text if checkpoint.network.review_texts else None
            )
        torch.testing.assert_close(vector, blended, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(attention, expected.attention, atol=2e-6, rtol=1e-5)
