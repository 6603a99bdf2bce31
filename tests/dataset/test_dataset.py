"""From a raw file to everything a model is trained on, with the real encoder."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from rec_sys.dataset.dataset import Dataset, load_data
from rec_sys.dataset.kept_paths import with_found_paths
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.dataset.splits import split_by_time
from rec_sys.errors import DataError, EncoderError
from rec_sys.paths import Paths
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings
from tests.support.toy import checkerboard

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
    data = load_data(settings, EncoderSettings(backend="float32"), Paths(work_dir=tmp_path))
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


def test_a_set_without_product_texts(settings: DataSettings, tmp_path: Path) -> None:
    alone = settings.model_copy(update={"metadata": "none"})
    data = load_data(alone, EncoderSettings(backend="float32"), Paths(work_dir=tmp_path))
    assert (data.review_text.shape, data.product_text.shape, data.text_dim) == ((5, 384), (3, 0), 384)
    assert data.names == ["", "", ""]
    assert data.has_dates


def test_a_set_with_product_texts_only(tmp_path: Path) -> None:
    (tmp_path / "lists.json").write_text('{"ann": ["p2", "p1", "p2"], "ben": ["p1"]}')
    (tmp_path / "texts.tsv").write_text("item_id:token\ttext:token_seq\np1\tSteel strings\np9\tA stranger\n")
    settings = DataSettings(path=str(tmp_path / "lists.json"), metadata=str(tmp_path / "texts.tsv"))
    data = load_data(settings, EncoderSettings(backend="float32"), Paths(work_dir=tmp_path))
    assert (data.review_text.shape, data.product_text.shape, data.text_dim) == ((4, 0), (2, 384), 384)
    assert data.table.products.ids == ["p2", "p1"]
    assert data.product_text.any(axis=1).tolist() == [False, True]
    assert not data.has_ratings
    assert not data.has_dates
    assert len(data.vectors.encoder["fingerprint"]) == 32


def test_a_set_without_any_text_needs_no_encoder(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("visitorid,itemid\nann,p2\nben,p1\nann,p2\n")
    settings = DataSettings(path=str(tmp_path / "events.csv"), format="interactions")
    nowhere = EncoderSettings(name="neither-a-package/nor-a-folder")
    with pytest.raises(EncoderError):
        Encoder(nowhere)
    data = load_data(settings, nowhere, Paths(work_dir=tmp_path))
    assert (data.review_text.shape, data.product_text.shape, data.text_dim) == ((3, 0), (2, 0), 0)
    assert data.review_text.dtype == data.product_text.dtype == np.float16
    assert data.vectors.encoder == {"name": "neither-a-package/nor-a-folder", "backend": "auto", "fingerprint": ""}
    assert data.table.timestamp.tolist() == [1, 3, 2]
    assert not (tmp_path / "data/embeddings").exists()


def test_texts_that_the_core_filter_takes_away_are_no_texts(tmp_path: Path) -> None:
    rows = ["user,item,text", "ann,p1,", "ann,p2,", "ben,p1,", "ben,p2,", "cat,p3,Only here"]
    (tmp_path / "reviews.csv").write_text("\n".join(rows))
    settings = DataSettings(path=str(tmp_path / "reviews.csv"), format="interactions", k_core=2)
    data = load_data(settings, EncoderSettings(name="not/fetched"), Paths(work_dir=tmp_path))
    assert data.review_text.shape == (4, 0)


def test_k_core(settings: DataSettings, tmp_path: Path) -> None:
    paths, encoder = Paths(work_dir=tmp_path), EncoderSettings(backend="float32")
    data = load_data(settings.model_copy(update={"k_core": 2}), encoder, paths)
    assert sorted(data.table.users.ids) == ["ann", "ben"]
    assert sorted(data.table.products.ids) == ["p1", "p2"]
    assert data.review_text.shape == (4, 384)
    whole = load_data(settings, encoder, paths)
    assert whole.table.fingerprint != data.table.fingerprint
    assert whole.review_text.shape == (5, 384)
    with pytest.raises(DataError, match=r"at least 9 reviews each; lower data\.k_core"):
        load_data(settings.model_copy(update={"k_core": 9}), encoder, paths)


def test_texts_are_embedded_when_they_are_asked_for(settings: DataSettings, tmp_path: Path) -> None:
    nowhere = EncoderSettings(name="neither-a-package/nor-a-folder")
    data = load_data(settings, nowhere, Paths(work_dir=tmp_path))
    assert data.has == {"texts", "ratings", "times"}  # known without an encoder
    assert not data.is_embedded
    with pytest.raises(EncoderError):
        _ = data.review_text


def test_facts_say_how_to_load_it_again(settings: DataSettings, tmp_path: Path) -> None:
    split = SplitSettings(held_out_users=0.5)
    data = load_data(settings, EncoderSettings(), Paths(work_dir=tmp_path), split=split)
    facts = data.origin
    assert facts["data"]["path"] == "reviews.jsonl"  # relative to the work folder
    assert with_found_paths(facts["data"], Paths(work_dir=tmp_path)) == settings
    assert SplitSettings.read(facts["split"]) == split
    assert Paths.read(facts["paths"]).work_dir == tmp_path


def test_targets_of_held_out_products_are_not_what_describes_them() -> None:
    table = checkerboard(num_users=40)
    vectors = np.ones((len(table), 3), dtype=np.float32)
    split = split_by_time(table, SplitSettings(held_out_products=0.2))
    data = Dataset.of_table(table, split, review_text=vectors)
    assert not np.isin(data.targets("held_out_products"), split.support).any()
    assert len(data.targets("held_out_products")) < len(split.held_out_products)
    np.testing.assert_array_equal(data.targets("test"), split.test)


def test_texts_in_a_language_that_the_encoder_does_not_read_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "reviews.csv"
    rows = [f"u{n % 5},p{n % 7},5,2020-01-{n + 1:02d},Звук яркий и чистый {n}" for n in range(20)]
    file.write_text("\n".join(["user_id,product_id,rating,date,text", *rows]), encoding="utf-8")
    data = load_data(DataSettings(path=str(file)), EncoderSettings(), Paths(work_dir=tmp_path))
    assert data.vectors.reviews.shape[0] == 20
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert isinstance(warning.args, tuple)
    assert warning.args[1:] == ("reviews", "all-MiniLM-L6-v2")


def test_names_that_stand_for_many_are_nobody_to_recommend_to(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    rows = [
        f"{name},p{n % 7},5,2020-01-{n + 1:02d}" for n, name in enumerate(["ann", "Anonymous", "bob", "Anonymous"] * 5)
    ]
    file.write_text("\n".join(["user_id,product_id,rating,date", *rows]))
    data = load_data(DataSettings(path=str(file)), EncoderSettings(), Paths(work_dir=tmp_path))
    assert data.table.num_users == 2 + 10
    assert [data.table.users.id(user) for user in data.named_users()] == ["ann", "bob"]
