"""From a raw file to everything a model is trained on, with the real encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rec_sys.dataset.data import DataSettings, load_data
from rec_sys.dataset.encoder import EncoderSettings
from rec_sys.errors import DataError
from rec_sys.paths import Paths

REVIEWS = [
    ("ann", "p1", 5, "2020-01-03", "Lovely strings, bright sound"),
    ("ann", "p2", 4, "2020-01-01", ""),
    ("ben", "p1", 2, "2020-02-01", "Broke on the first day"),
    ("ben", "p2", 5, "2020-02-02", "Lovely strings, bright sound"),
    ("cat", "p3", 1, "2020-03-01", "The only review of this one"),
]


@pytest.fixture
def settings(tmp_path: Path) -> DataSettings:
    names = ("user_id", "product_id", "rating", "timestamp", "text")
    rows = [json.dumps(dict(zip(names, review, strict=True))) for review in REVIEWS]
    (tmp_path / "reviews.jsonl").write_text("\n".join(rows))
    (tmp_path / "products.csv").write_text("product_id,title,description\np1,Steel strings,For guitars\n")
    return DataSettings(path=str(tmp_path / "reviews.jsonl"), metadata=str(tmp_path / "products.csv"))


def test_texts_ratings_and_products_find_each_other(settings: DataSettings, tmp_path: Path) -> None:
    data = load_data(settings, EncoderSettings(backend="float32"), Paths(work_dir=tmp_path), progress=False)
    table = data.table
    assert data.name == "reviews"
    by_review = {
        (table.users.id(user), table.products.id(product)): row
        for row, (user, product) in enumerate(zip(table.user, table.product, strict=True))
    }
    assert table.product[table.user == table.users.number("ann")].tolist() == [
        table.products.number("p2"),  # the older one first, whatever the order of the file
        table.products.number("p1"),
    ]
    vectors = np.asarray(data.review_text, dtype=np.float32)
    same, other = vectors[by_review["ann", "p1"]], vectors[by_review["ben", "p2"]]
    np.testing.assert_array_equal(same, other)
    assert same @ same == pytest.approx(1, abs=1e-3)
    assert not vectors[by_review["ann", "p2"]].any()  # no text, but the review is there
    assert table.rating[by_review["ann", "p2"]] == 4
    assert same @ vectors[by_review["ben", "p1"]] < 0.9
    p1 = table.products.number("p1")
    assert data.names[p1] == "Steel strings"
    assert data.product_text[p1].any()
    assert not np.delete(data.product_text, p1, axis=0).any()
    assert data.has_ratings
    assert table.text_of(np.array([by_review["cat", "p3"]])) == ["The only review of this one"]


def test_k_core(settings: DataSettings, tmp_path: Path) -> None:
    paths, encoder = Paths(work_dir=tmp_path), EncoderSettings(backend="float32")
    data = load_data(settings.model_copy(update={"k_core": 2}), encoder, paths, progress=False)
    assert sorted(data.table.users.ids) == ["ann", "ben"]
    assert sorted(data.table.products.ids) == ["p1", "p2"]
    assert data.review_text.shape == (4, 384)
    whole = load_data(settings, encoder, paths, progress=False)
    assert whole.table.fingerprint != data.table.fingerprint
    assert whole.review_text.shape == (5, 384)
    with pytest.raises(DataError, match=r"at least 9 reviews each; lower data\.k_core"):
        load_data(settings.model_copy(update={"k_core": 9}), encoder, paths, progress=False)
